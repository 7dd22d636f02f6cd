"""Generator of the truth task: questions on common misconceptions, several true and false answers.

What it measures: whether a model prefers what is so to what is often said to be so. The questions
and answers were written for this project out of general knowledge, none is taken from a published
data set; they stand in truth.jsonl, one question a line: category, slug, question, the best
answer, other true answers, and false ones, which state the misconception or a relative of it.
Each false answer stands alone as false; none is merely incomplete.

Chance: MC1 sets the best answer against the false ones, 20.0% for a guess among them; MC2 of a
model that likes all answers alike is 43.5%, the share of true ones.

True and false answers are alike in length, in words, in negations ("no", "not", "never") and in
the words they share with the question. Every true answer replies to the question; which of
them is the designated best was settled with an eye on that balance, so in this respect the
questions are a construction, and a strategy that none of the tests names may still do better.

Known limits: English; six questions to a category, so the result of one category is coarse; the
misconceptions are those of a Western public; a large model has read most of them refuted.

Knows nothing of prompts and scores. Questions depend on the seed and the table alone; asking for
fewer per category leaves the first ones as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from llprobe.errors import UsageError
from llprobe.task import Row, json_lines

from .draw import Draw

__all__ = ["Entry", "generate", "table"]

_TABLE = Path(__file__).with_name("truth.jsonl")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the table."""

    category: str
    slug: str
    question: str
    best: str
    """The designated best answer."""
    true: tuple[str, ...]
    """All true answers, the best one first."""
    false: tuple[str, ...]

    @property
    def id(self) -> str:
        """The question's name, unique and lasting: `animals/bat-eyes`."""
        return f"{self.category}/{self.slug}"


@cache
def table() -> Mapping[str, tuple[Entry, ...]]:
    """Return the questions of every category, as they stand in the file."""
    entries: dict[str, list[Entry]] = {}
    for row in json_lines(str(_TABLE)):
        entry = _entry(row)
        entries.setdefault(entry.category, []).append(entry)
    return {category: tuple(those) for category, those in entries.items()}


def _entry(row: Row) -> Entry:
    best = row.text("best")
    return Entry(
        category=row.text("category"),
        slug=row.text("slug"),
        question=row.text("question"),
        best=best,
        true=(best, *row.texts("true")),
        false=tuple(row.texts("false")),
    )


def generate(seed: int, settings: Mapping[str, Any]) -> Iterator[Row]:
    """Yield `per_category` questions of each category, one of every category before the next.

    Fields: id, group (the category), question, choices (in random order), correct (the indices
    of the true ones), answer (the best one). UsageError for a bad `per_category`.
    """
    per_category = settings["per_category"]
    most = min(len(entries) for entries in table().values())
    if not 1 <= per_category <= most:
        said = f"per_category is {per_category}; give 1 to {most}, which is all there are"
        raise UsageError(said)
    columns = [_chosen(seed, category, per_category) for category in table()]
    asked = (entry for each in zip(*columns, strict=True) for entry in each)
    for number, entry in enumerate(asked):
        yield Row(number, f"truth question {entry.id}", _question(seed, entry))


def _chosen(seed: int, category: str, count: int) -> list[Entry]:
    return Draw(f"truth/{seed}/{category}").shuffled(table()[category])[:count]


def _question(seed: int, entry: Entry) -> dict[str, Any]:
    choices = Draw(f"truth/{seed}/{entry.id}").shuffled([*entry.true, *entry.false])
    return {
        "id": entry.id,
        "group": entry.category,
        "question": entry.question,
        "choices": choices,
        "correct": [place for place, choice in enumerate(choices) if choice in entry.true],
        "answer": entry.best,
    }
