"""Questions on the flaw of an argument: passages and names of flaws, written by hand.

The passages stand in flaws.jsonl, one a line: name, flaw, passage and, under `also`, flaws that
could be said of it too, which are never offered. Every flaw has four passages, so that each is the
right answer as often as any other. Knows nothing of other kinds of question.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from llprobe.task import Row, json_lines

from ..draw import Draw
from .question import Question, insist, make

__all__ = ["FLAWS", "Passage", "passages", "stream"]

_TABLE = Path(__file__).with_name("flaws.jsonl")
_ASK = (
    "What is wrong with this reasoning?",
    "Which of these names the mistake in the argument?",
    "Why does the conclusion not follow from what was said before?",
)

FLAWS: Mapping[str, tuple[str, str]] = {
    "cause": (
        "It takes two things that go together for cause and effect.",
        "It assumes without any proof that one thing brought the other about.",
    ),
    "sample": (
        "It draws a general conclusion from a few odd cases.",
        "It relies on cases that may well be unlike those of everyone else.",
    ),
    "enough": (
        "It takes what is needed to be enough by itself.",
        "It treats a necessary condition as if it were a sufficient condition.",
    ),
    "person": (
        "It attacks the person who makes a claim, not the claim.",
        "It turns against somebody and leaves that person's reasons unanswered.",
    ),
    "circular": (
        "It supports its conclusion with that same conclusion.",
        "It takes for granted from the start the very thing that it has to prove.",
    ),
    "choice": (
        "It overlooks that there may be a third way out.",
        "It acts as if there were only two possibilities when there are more.",
    ),
    "word": (
        "It uses one and the same word in two different meanings.",
        "It depends on an expression that changes its sense along the way.",
    ),
    "parts": (
        "It takes a whole to be like the parts it is made of.",
        "It assumes that what is true of every part is true of all of it together.",
    ),
    "silence": (
        "It takes a lack of proof against a claim as proof for it.",
        "It treats a claim as settled for the reason that nobody has refuted it.",
    ),
    "crowd": (
        "It takes a belief to be true because many hold it.",
        "It treats an opinion as evidence because a lot of people are of that opinion.",
    ),
    "share": (
        "It confuses how many there are with how large a share.",
        "It compares numbers of cases and ignores the size of the groups they are from.",
    ),
    "straw": (
        "It refutes a much stronger claim than the one made.",
        "It answers an exaggerated version of what the other side has really said.",
    ),
}
"""What each flaw is called, in a shorter wording and in a longer one: among others drawn at random,
either length can then be the least or the greatest."""


@dataclass(frozen=True, slots=True)
class Passage:
    """One line of the table."""

    name: str
    flaw: str
    text: str
    also: tuple[str, ...] = ()
    """Flaws that must not be offered as wrong answers."""


@cache
def passages() -> tuple[Passage, ...]:
    """Return the passages, as they stand in the file."""
    return tuple(_passage(row) for row in json_lines(str(_TABLE)))


def _passage(row: Row) -> Passage:
    also = tuple(row.texts("also")) if "also" in row.fields else ()
    return Passage(row.text("name"), row.text("flaw"), row.text("passage"), also)


def stream(draw: Draw) -> Iterator[tuple[str, Question]]:
    """Yield each passage's name and question, in random order."""
    for passage in draw.shuffled(passages()):
        yield passage.name, insist(draw, partial(_question, passage=passage))


def _question(draw: Draw, rank: int, passage: Passage) -> Question | None:
    barred = {passage.flaw, *passage.also}
    wrongs = [wordings for flaw, wordings in FLAWS.items() if flaw not in barred]
    told = passage.text, draw.one(_ASK)
    return make(draw, rank, told, FLAWS[passage.flaw], wrongs)
