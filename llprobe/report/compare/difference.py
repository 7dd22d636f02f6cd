"""One difference between two curves at a layer, and how many of them are judged together.

This module knows numbers and names. It does not know where they come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from llprobe.analysis.significance import benjamini_hochberg, holm
from llprobe.report.sametests import adjusted_once, repeated

__all__ = ["ADJUSTMENTS", "LEVEL", "STARS", "Difference", "adjusted", "stars"]

LEVEL: Final = 0.05
"""Adjusted p below which a difference is called found."""
STARS: Final = ((0.001, "***"), (0.01, "**"), (LEVEL, "*"))
"""P below the number -> what marks it."""
ADJUSTMENTS: Final = {"holm": holm, "fdr": benjamini_hochberg}
"""Holm 1979 bounds the chance of any false star in a table, Benjamini & Hochberg 1995 their share
among all stars."""


def stars(p: float | None) -> str:
    """Return the stars of a p value; none where it is large or not known."""
    return "" if p is None else next((sign for level, sign in STARS if p < level), "")


@dataclass(frozen=True)
class Difference:
    """Two means of one metric over a task's items, and what can be said of their difference.

    Means and differences are in the metric's unit, [0, 1]. None stands for what cannot be known:
    published figures have neither items nor, where it is not printed, their number.
    """

    task: str
    group: str
    """Empty for the whole task."""
    a: str
    """What the reference is called."""
    b: str
    """What is compared with it."""
    shared: dict[str, str]
    """Features that both cells have: model, lens, answer, ablation, shots, seed."""
    metric: str
    layer_a: int
    layer_b: int
    depth: float
    """The reference's layer divided by its number of layers."""
    items_a: int | None
    items_b: int | None
    paired: bool
    mean_a: float
    """At the best layer what it scores on items that did not choose it, as `mean_b`."""
    mean_b: float
    difference: float
    """mean_b - mean_a."""
    low: float | None = None
    """Lower end of the 95% interval of the difference; None below five clusters, whose spread is
    not known."""
    high: float | None = None
    p: float | None = None
    """Two-sided, of this difference by itself."""
    p_adjusted: float | None = None
    """The same, adjusted for all differences of the table that are not `repeats`."""
    adjustment: str = ""
    repeats: bool = False
    """Whether a row before it is the same test, value by value; see `sametests`."""
    mark: str = ""
    """What rows that are the same test have in common; no part of a table."""
    clusters: int | None = None
    wins: int | None = None
    """Items that `b` gets more of than `a`."""
    losses: int | None = None
    detectable: float | None = None
    """The smallest difference that these items would have shown four times in five."""

    @property
    def stars(self) -> str:
        """How strongly the adjusted p speaks; see `STARS`."""
        return stars(self.p_adjusted)

    def row(self) -> dict[str, Any]:
        """Return the values of a table's row, the shared features among them."""
        fields: dict[str, Any] = asdict(self)
        shared = fields.pop("shared")
        fields.pop("mark")
        first: dict[str, Any] = {"task": fields.pop("task"), "group": fields.pop("group")}
        row: dict[str, Any] = first | shared | fields | {"stars": self.stars}
        return row


def adjusted(found: Sequence[Difference], how: str) -> list[Difference]:
    """Adjust the p-values of a table, `how` being one of `ADJUSTMENTS`; some may have none.

    Rows that are the same test count once.
    """
    # what has no mark is a test of its own
    tested = [(each.p, each.mark or str(n)) for n, each in enumerate(found) if each.p is not None]
    p, marks = [own for own, _ in tested], [of for _, of in tested]
    known = zip(adjusted_once(p, marks, ADJUSTMENTS[how]), repeated(marks), strict=True)
    told = (None if each.p is None else next(known) for each in found)
    return [_with(each, of, how) for each, of in zip(found, told, strict=True)]


def _with(found: Difference, told: tuple[float, bool] | None, how: str) -> Difference:
    if told is None:
        return found
    return replace(found, p_adjusted=told[0], adjustment=how, repeats=told[1])
