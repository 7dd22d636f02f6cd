"""Generator of the facts task: cloze sentences about the world, with ten candidates each.

What it measures: whether a model prefers the right end of a sentence about a country, a person, a
work or a thing to nine other ends of the same kind. The facts and the sentences were written for
this project out of general knowledge; they stand in facts.jsonl, one a line: relation, subject,
answer and, under `also`, answers of the relation that are true as well, that some people hold to
be true, or that used to be. Those are never offered.

Chance is 10%. The nine wrong candidates are answers of other facts of the relation, each as much
oftener offered as it is oftener right, so that neither its frequency nor its length tells.

Known limits: English, and mostly what a Western schoolbook holds; 32 facts to a relation, so the
result of one relation is coarse. Spelling helps in two of them: taking the candidate that begins
most like the subject gets 65% of `symbol` (calcium, Ca) and 25% of `language` (Denmark, Danish),
15% of all. Countries, borders and money are those of 2025.

Knows nothing of prompts and scores. Questions depend on the seed and the table alone; asking for
fewer per relation leaves the first ones as they are.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any

from llprobe.errors import UsageError
from llprobe.task import Row, json_lines

from .draw import Draw

__all__ = ["TEMPLATES", "Fact", "generate", "table"]

_TABLE = Path(__file__).with_name("facts.jsonl")
_WRONG = 9

TEMPLATES: Mapping[str, tuple[str, ...]] = {
    "capital": (
        "The capital of {} is <mask>.",
        "{} has its capital in <mask>.",
        "The capital city of {} is called <mask>.",
    ),
    "language": (
        "The official language of {} is <mask>.",
        "The laws of {} are written in <mask>.",
        "The government of {} works officially in <mask>.",
    ),
    "region": (
        "{} is a country in <mask>.",
        "On a map of the world, {} is found in <mask>.",
        "The part of the world to which {} belongs is <mask>.",
    ),
    "currency": (
        "The currency of {} is the <mask>.",
        "The money used in {} is the <mask>.",
        "Prices in {} are given in the local currency, the <mask>.",
    ),
    "symbol": (
        "The chemical symbol of {} is <mask>.",
        "In the periodic table, {} is written as <mask>.",
        "Chemists abbreviate the element {} as <mask>.",
    ),
    "author": (
        "The author of {} is <mask>.",
        "{} was written by <mask>.",
        "The writer who gave the world {} is <mask>.",
    ),
    "birthplace": (
        "{} was born in <mask>.",
        "The country where {} was born is <mask>.",
        "{} came into the world in what is today <mask>.",
    ),
    "kind": (
        "In everyday words, {} is a kind of <mask>.",
        "{} is a type of <mask>.",
        "A dictionary would describe {} as a sort of <mask>.",
    ),
    "discoverer": (
        "{} is credited to <mask>.",
        "The person credited with {} is <mask>.",
        "The credit for {} goes to <mask>.",
    ),
    "country": (
        "{} is located in <mask>.",
        "The country where {} can be visited is <mask>.",
        "Whoever wants to see {} must travel to <mask>.",
    ),
    "sport": (
        "The sport that made {} famous is <mask>.",
        "{} is a well-known name in <mask>.",
        "In the world of sports, {} stands for <mask>.",
    ),
    "instrument": (
        "{} is best known for playing the <mask>.",
        "The musician {} became famous on the <mask>.",
        "Music lovers think of {} as a master of the <mask>.",
    ),
    "composer": (
        "The composer of {} is <mask>.",
        "{} was composed by <mask>.",
        "Concert programmes list {} under the name of <mask>.",
    ),
    "field": (
        "{} is the study of <mask>.",
        "The subject matter of {} is <mask>.",
        "Someone who works in {} is an expert on <mask>.",
    ),
}
"""The sentences of each relation, `{}` for the subject, in the order in which they are asked."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of the table."""

    relation: str
    subject: str
    answer: str
    also: tuple[str, ...] = ()
    """Answers of the relation that must not be offered as wrong ones."""

    @property
    def id(self) -> str:
        """The fact's name, unique and lasting: `capital/new-zealand`."""
        plain = unicodedata.normalize("NFKD", self.subject).encode("ascii", "ignore").decode()
        words = re.sub(r"[^a-z0-9]+", "-", plain.lower().replace("'", "")).strip("-")
        return f"{self.relation}/{re.sub(r'^(the|an?)-', '', words)}"


@cache
def table() -> Mapping[str, tuple[Fact, ...]]:
    """Return the facts of every relation, as they stand in the file."""
    facts = [_fact(row) for row in json_lines(str(_TABLE))]
    return {name: tuple(fact for fact in facts if fact.relation == name) for name in TEMPLATES}


def _fact(row: Row) -> Fact:
    also = tuple(row.texts("also")) if "also" in row.fields else ()
    return Fact(row.text("relation"), row.text("subject"), row.text("answer"), also)


def generate(seed: int, settings: Mapping[str, Any]) -> Iterator[Row]:
    """Yield `per_relation` questions of each relation, one of every relation before the next.

    Fields: id, group (the relation), question, choices (10), answer. UsageError for a bad
    `per_relation`.
    """
    per_relation = settings["per_relation"]
    most = max(len(facts) for facts in table().values())
    if not 1 <= per_relation <= most:
        said = f"per_relation is {per_relation}; give 1 to {most}, which is all there are"
        raise UsageError(said)
    columns = [_chosen(seed, relation, per_relation) for relation in table()]
    rounds = zip_longest(*columns)
    asked = (fact for each in rounds for fact in each if fact is not None)
    for number, fact in enumerate(asked):
        yield Row(number, f"facts question {fact.id}", _question(seed, fact))


def _chosen(seed: int, relation: str, count: int) -> list[Fact]:
    return Draw(f"facts/{seed}/{relation}").shuffled(table()[relation])[:count]


def _question(seed: int, fact: Fact) -> dict[str, Any]:
    draw = Draw(f"facts/{seed}/{fact.id}")
    sentence = draw.one(TEMPLATES[fact.relation]).format(fact.subject)
    return {
        "id": fact.id,
        "group": fact.relation,
        "question": sentence[0].upper() + sentence[1:],
        "choices": draw.shuffled([fact.answer, *_wrong(draw, fact)]),
        "answer": fact.answer,
    }


def _wrong(draw: Draw, fact: Fact) -> list[str]:
    """Return nine wrong candidates, each with a chance in proportion to how often it is right.

    The answers stand in a row, each as wide as it is frequent, and nine marks at equal distances
    fall on them. An answer drawn evenly instead would be right more often than its share.
    """
    barred = {fact.answer, *fact.also}
    others = [other.answer for other in table()[fact.relation] if other.answer not in barred]
    widths = _widths(others)
    line = [answer for answer in draw.shuffled(list(widths)) for _ in range(widths[answer])]
    start = draw.whole(0, len(line) - 1)
    return [line[(start + mark * len(line)) // _WRONG] for mark in range(_WRONG)]


def _widths(answers: Sequence[str]) -> Mapping[str, int]:
    """Return how often each answer occurs, cut down until no two marks fall on the same one."""
    widths = Counter(answers)
    while max(widths.values()) * _WRONG > widths.total():
        narrower = max(widths.values()) - 1
        widths = Counter({answer: min(width, narrower) for answer, width in widths.items()})
    return widths
