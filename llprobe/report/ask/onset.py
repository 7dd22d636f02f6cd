"""Where ability begins, and whether that is at one relative depth in all models.

This module knows where curves rise above their baseline. It does not know how that is printed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from llprobe.analysis.baselines import better_baseline
from llprobe.analysis.depth import onset
from llprobe.analysis.measures import metric
from llprobe.report.ask.verdict import (
    CANNOT,
    NO,
    YES,
    Verdict,
    features,
    listed,
    named,
    some,
)
from llprobe.report.pairing import Side

__all__ = ["ALIKE", "QUESTION", "ask"]

Row = dict[str, Any]

QUESTION: Final = "Where does ability begin, and is it at the same relative depth in all models?"
ALIKE: Final = 0.2
"""Onsets whose intervals all lie within this share of a model's depth are called the same."""


def ask(sides: Sequence[Side], seed: int = 0) -> Verdict:
    """Find every cell's onset with its interval; compare relative depths of models asked alike.

    The onset is the first layer from which accuracy lies above the better baseline up to the last
    layer; its interval is that of the bootstrap by cluster. One model alone has a place, no answer.
    """
    rows = [_row(side, seed) for side in sides]
    several = {name: of for name, of in _alike(rows).items() if len({r["model"] for r in of}) > 1}
    if not several:
        return _of_one(rows)
    judged = {name: _judge(of) for name, of in several.items()}
    answer = NO if NO in judged.values() else CANNOT if CANNOT in judged.values() else YES
    return Verdict(QUESTION, answer, _words(judged), tuple(rows))


def _alike(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Put rows together that differ in the model only: a lens dates an onset in its own way."""
    whatever = [row | {"model": ""} for row in rows]
    found: dict[str, list[Row]] = {}
    for row, plain in zip(rows, whatever, strict=True):
        found.setdefault(named(plain, whatever), []).append(row)
    return found


def _row(side: Side, seed: int) -> Row:
    table = side.table
    baseline = better_baseline(table, "mc1")
    values = metric(table, "mc1")
    n = side.n_layers
    found = onset(values, baseline.values, table.layers, n, table.clusters, seed)
    return features(side) | {
        "items": table.n_items,
        "n_layers": n,
        "onset": found.layer,
        "low": found.low,
        "high": found.high,
        "depth": found.depth,
        "depth_low": None if found.low is None else found.low / n,
        "depth_high": None if found.high is None else found.high / n,
        "note": found.note,
    }


def _judge(rows: Sequence[Row]) -> str:
    """Whether the onsets of models asked alike are at the same relative depth."""
    known = [(row["depth_low"], row["depth_high"]) for row in rows if row["depth"] is not None]
    if len(known) < len(rows) or any(end is None for pair in known for end in pair):
        return CANNOT
    lows, highs = zip(*known, strict=True)
    if max(lows) > min(highs):
        return NO
    return YES if max(highs) - min(lows) <= ALIKE else CANNOT


def _of_one(rows: Sequence[Row]) -> Verdict:
    begun = [row for row in rows if row["onset"] is not None]
    if not begun:
        names = listed([named(row, rows) for row in rows])
        words = (
            "These data cannot tell: none of these rises above its baseline and stays there: "
            f"{names}. More items, or a larger model, would."
        )
        return Verdict(QUESTION, CANNOT, words, tuple(rows))
    places = some([_place(row, rows) for row in begun], len(begun))
    none = [named(row, rows) for row in rows if row["onset"] is None]
    rest = f" No onset: {listed(none)}." if none else ""
    words = f"{places}.{rest} Whether depth agrees needs a second model's run of the same tasks."
    return Verdict(QUESTION, f"{len(begun)} of {len(rows)} begin", words, tuple(rows))


def _place(row: Row, among: Sequence[Row]) -> str:
    low, high = row["low"], row["high"]
    ends = f"{'?' if low is None else low} to {'?' if high is None else high}"
    return f"{named(row, among)} at layer {row['onset']} of {row['n_layers']} (95%: {ends})"


def _words(judged: dict[str, str]) -> str:
    said = {
        YES: f"at the same relative depth, within {ALIKE:g} of the models' depth",
        NO: "not at the same relative depth: intervals do not overlap",
        CANNOT: "an onset is missing or its interval is too wide; more items narrow it",
    }
    return " ".join(
        f"{listed([name for name, found in judged.items() if found == answer])}: {text}."
        for answer, text in said.items()
        if answer in judged.values()
    )
