"""Language against language: which is the true answer recognised in, and from which layer.

xMPS gives one question's answers in several languages, so languages are paired by question. This
module knows such pairs. It does not know how the answer is printed.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any, Final

from llprobe.analysis.depth import onset
from llprobe.analysis.measures import metric
from llprobe.analysis.paired import compare
from llprobe.analysis.rounding import above
from llprobe.report.ask.verdict import (
    CANNOT,
    MATTERS,
    NO,
    YES,
    Verdict,
    adjusted,
    asking,
    cannot,
    described,
    features,
    listed,
    named,
    paired,
    points,
    sort_rows,
)
from llprobe.report.pairing import LANGUAGE, Side, split
from llprobe.report.sametests import mark

__all__ = ["QUESTION", "TASKS", "ask"]

Row = dict[str, Any]

QUESTION: Final = "Are languages unlike each other, and from which layer?"
TASKS: Final = ("xmps_rea", "xmps_cal")


def ask(sides: Sequence[Side], seed: int = 0) -> Verdict:
    """Compare every two languages at the last scored layer, p adjusted over all (Holm 1979).

    Languages part at the first layer from which the one that is better in the end stays better
    up to the last layer. Raises UsageError where no run has the task.
    """
    asked = asking(sides, TASKS, "cross-lingual")
    rows, once = adjusted(
        [
            _row(side, a, b, seed)
            for side in asked
            for a, b in combinations(split(side, LANGUAGE), 2)
        ]
    )
    answer, words = _verdict(rows)
    return Verdict(QUESTION, answer, words + once, tuple(rows))


def _row(side: Side, a: Side, b: Side, seed: int) -> tuple[Row, str]:
    places = {key: at for at, key in enumerate(b.keys)}
    both = [(at, places[key]) for at, key in enumerate(a.keys) if key in places]
    one, other = (s.take([pair[i] for pair in both]) for i, s in enumerate((a, b)))
    x, y = metric(one.table, "mc1"), metric(other.table, "mc1")
    clusters, layers = one.table.clusters, one.table.layers
    found = compare(x[:, -1], y[:, -1], clusters)
    up, down = (y, x) if above(found.difference, 0) else (x, y)
    parts = onset(up, down, layers, side.n_layers, clusters, seed)
    told = {"pair": f"{a.label}-{b.label}", "layer": layers[-1]}
    means = {"accuracy_a": found.a, "accuracy_b": found.b}
    ends = {"parts_at": parts.layer, "parts_low": parts.low, "parts_high": parts.high}
    row = features(side) | told | means | paired(found) | ends
    return row, mark((one, other), (x[:, -1], y[:, -1]))


def _verdict(rows: Sequence[Row]) -> tuple[str, str]:
    """Return the answer, and the words that go with it."""
    found = sort_rows(rows)
    apart = [*found.better, *found.worse]
    if apart:
        at = [row["parts_at"] for row in apart if row["parts_at"] is not None]
        where = f" They part from layer {min(at)} on at the earliest." if at else ""
        words = f"Languages differ: {described(apart, rows)} (the second less the first).{where}"
        return YES, words
    if found.answer == CANNOT and all(row["accuracy_a"] == row["accuracy_b"] == 0 for row in rows):
        return CANNOT, (
            "These data cannot tell whether languages differ: at the last layer no answer is right "
            "in any, which is less than chance gets, and more items will not change it. "
            "`llprobe show RUN --stats` says where a length bias is."
        )
    if found.answer == CANNOT:
        return CANNOT, cannot(found.unclear, "whether languages differ")
    pairs = listed([named(row, rows) for row in rows])
    return NO, f"No: {pairs} differ by less than {points(MATTERS)} points."
