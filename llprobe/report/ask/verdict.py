"""What an answer to one of the paper's questions is, and when data speak for it.

This module knows differences and their tests. It does not know what was asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

from llprobe.analysis.paired import Comparison
from llprobe.analysis.rounding import above
from llprobe.analysis.significance import items_needed
from llprobe.errors import UsageError
from llprobe.report.compare import LEVEL
from llprobe.report.pairing import Side, feature
from llprobe.report.sametests import adjusted_once, repeated, sentence

__all__ = [
    "CANNOT",
    "DEPENDS",
    "MATTERS",
    "NO",
    "YES",
    "Sorted",
    "Verdict",
    "adjusted",
    "asking",
    "cannot",
    "described",
    "features",
    "listed",
    "named",
    "paired",
    "points",
    "some",
    "sort_rows",
]

Row = dict[str, Any]

YES: Final = "yes"
NO: Final = "no"
DEPENDS: Final = "it depends"
CANNOT: Final = "cannot tell"

_FEW: Final = 4
"""More names than this are counted, not listed: the table has them all."""
_MOST: Final = 6
"""More differences than this are counted, not described."""
MATTERS: Final = 0.05
"""A difference in accuracy below this is called none: five points of a hundred."""


@dataclass(frozen=True)
class Verdict:
    """The answer to a question, in a word and in sentences, with the numbers that carry it."""

    question: str
    answer: str
    """yes, no, it depends, cannot tell; or, of a question about a place, that place."""
    words: str
    rows: tuple[Row, ...]
    """Tidy rows; accuracies and differences in [0, 1]."""


@dataclass(frozen=True)
class Sorted:
    """Rows with a tested difference, by what their test says."""

    better: tuple[Row, ...]
    """Found, and above 0."""
    worse: tuple[Row, ...]
    """Found, and below 0."""
    equal: tuple[Row, ...]
    """Not found, though a difference of `MATTERS` would have been."""
    unclear: tuple[Row, ...]
    """Neither found nor ruled out."""

    @property
    def answer(self) -> str:
        """Whether the difference is there: above 0 is a yes."""
        if self.better and self.worse:
            return DEPENDS
        if self.better or self.worse:
            return YES if self.better else NO
        return CANNOT if self.unclear else NO


def paired(found: Comparison) -> Row:
    """Return what a row says of a paired comparison."""
    return {
        "items": found.n_items,
        "difference": found.difference,
        "low": found.low,
        "high": found.high,
        "p": found.p,
        "discordant": (found.wins + found.losses) / found.n_items,
        "detectable": found.detectable,
    }


def adjusted(found: Sequence[tuple[Row, str]]) -> tuple[list[Row], str]:
    """Adjust the p of rows over all of them (Holm 1979); those of one mark count once.

    Returns the rows, with `p_adjusted` and `repeats`, and what must be said of those that repeat
    another one, a sentence after a space or nothing. For marks see `sametests`.
    """
    rows, marks = [row for row, _ in found], [of for _, of in found]
    told = zip(adjusted_once([row["p"] for row in rows], marks), repeated(marks), strict=True)
    judged = [
        row | {"p_adjusted": p, "repeats": again}
        for row, (p, again) in zip(rows, told, strict=True)
    ]
    said = sentence(sum(row["repeats"] for row in judged))
    return judged, f" {said}" if said else ""


def sort_rows(rows: Sequence[Row]) -> Sorted:
    """Sort rows by `difference`, `p_adjusted`, interval `low` to `high`, and `detectable`.

    An interval of few items that all agree is a point: it rules nothing out by itself.
    """
    found = [row for row in rows if row["p_adjusted"] < LEVEL]
    other = [row for row in rows if row["p_adjusted"] >= LEVEL]
    small = [row for row in other if row["detectable"] <= MATTERS and _within(row)]
    return Sorted(
        tuple(row for row in found if above(row["difference"], 0)),
        tuple(row for row in found if above(0, row["difference"])),
        tuple(small),
        tuple(row for row in other if row not in small),
    )


def _within(row: Row) -> bool:
    return row["low"] is not None and max(-row["low"], row["high"]) < MATTERS


def cannot(unclear: Sequence[Row], what: str) -> str:
    """Say that these data do not decide, and how many more items of a row would.

    A row needs `items`, `difference` and `discordant`, the share of items on which two layers or
    models differ.
    """
    row = max(unclear, key=lambda each: abs(each["difference"]))
    wanted = max(abs(row["difference"]), MATTERS)
    rate = max(row["discordant"], wanted)
    more = ceil(items_needed(wanted, rate)) - row["items"]
    still = (
        f"about {more:,} more items of {named(row, unclear)} would show {points(wanted)} points"
        if more > 0
        else f"{named(row, unclear)} has items enough to show {points(wanted)} points in a single "
        "comparison, but not among so many"
    )
    return f"These data cannot tell {what}: {still}."


def points(value: float) -> str:
    """Write a difference in points of a hundred."""
    return f"{100 * value:.1f}"


def described(rows: Sequence[Row], among: Sequence[Row]) -> str:
    """Name rows with their differences and intervals, the largest of many."""
    largest = sorted(rows, key=lambda row: -abs(row["difference"]))[:_MOST]
    return some(
        [
            f"{named(row, among)} {100 * row['difference']:+.1f} points{_ends(row)}"
            for row in (rows if len(rows) <= _MOST else largest)
        ],
        len(rows),
    )


def some(texts: Sequence[str], n: int) -> str:
    """Join the first few of `n` long texts, and say how many more there are."""
    shown = texts[:_MOST]
    return "; ".join([*shown, *([f"{n - len(shown)} more"] if n > len(shown) else [])])


def _ends(row: Row) -> str:
    if row["low"] is None:
        return ""
    return f" [{100 * row['low']:+.1f}, {100 * row['high']:+.1f}]"


def listed(names: Sequence[str]) -> str:
    """Join names for a sentence, each once; of many the first few, and how many more."""
    several = list(dict.fromkeys(names))
    if len(several) > _FEW:
        several = [*several[: _FEW - 1], f"{len(several) - _FEW + 1} more"]
    *others, last = several
    return f"{', '.join(others)} and {last}" if others else last


_NAMED: Final = ("task", "model", "lens", "answer_format", "ablation", "shots", "seed")


def named(row: Row, among: Sequence[Row]) -> str:
    """Call a row by its task, and by what else tells it from the others."""
    telling = [k for k in _NAMED[1:] if len({each.get(k) for each in among}) > 1]
    more = ", ".join(str(row[key]) for key in telling)
    pair = f" {row['pair']}" if "pair" in row else ""
    return f"{row['task']}{pair}" + (f" ({more})" if more else "")


def features(side: Side) -> Row:
    """Return what a cell is, for a row."""
    row: Row = {"task": side.cell.task, "model": side.cell.model, "lens": side.cell.lens}
    row["answer_format"] = side.cell.answer
    return row | {name: feature(side.cell, name) for name in ("ablation", "shots", "seed")}


def asking(sides: Sequence[Side], tasks: Sequence[str], question: str) -> list[Side]:
    """Return the sides of some tasks; UsageError, with the command to run, where there are none."""
    found = [side for side in sides if side.cell.task in tasks]
    if not found:
        model = sides[0].cell.model if sides else "MODEL"
        raise UsageError(
            f"{question} needs the task {' or '.join(tasks)}, which is in none of these runs: "
            f"llprobe run -m {model} -t {tasks[0]}"
        )
    return found
