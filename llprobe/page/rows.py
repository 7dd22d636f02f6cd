"""The rows of a report's summary table, as texts for a page or Markdown, with plain values beside.

This module knows what a cell's row says. It does not know HTML or Markdown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from llprobe.analysis.best_layer import BestLayer
from llprobe.analysis.finding import LayerFinding, PeakFinding
from llprobe.page.data import CellView, Page
from llprobe.report import sparkline
from llprobe.report.spans import spans

__all__ = [
    "Entry",
    "best_text",
    "between",
    "common",
    "headings",
    "layer_text",
    "ranges",
    "summary_rows",
]

_SHORT: Final = {
    "Length bias": "length bias", "no interval can be relied on": "few items",
    "not numbers": "scores missing", "word for word": "repeated questions",
}  # fmt: skip
"""What remarks are called in a table, by what they say."""

_MOST_RANGES: Final = 3
"""Ranges of tied layers that a table names; where there are more it counts the layers."""


@dataclass(frozen=True)
class Entry:
    """One place of a table."""

    text: str
    """As it is shown."""
    value: float | None = None
    """What it is sorted by; None for a text."""
    note: str = ""
    """What else is to be known."""


_HEADINGS: Final = (
    "task", "model", "lens", "asked as", "items", "chance", "baseline", "best", "at layer", "last",
    "onset", "curve", "remarks",
)  # fmt: skip
_SAME: Final = ("model", "lens")
"""Columns that are left out where they say the same in every row; `common` says it then."""
_EMPTY: Final = ("asked as", "remarks")
"""Columns that are left out where they say nothing."""


def headings(page: Page) -> tuple[str, ...]:
    """Return the columns that say something."""
    rows = summary_rows(page)
    said = {name: {row[name].text for row in rows} for name in _HEADINGS}
    same = {name for name in _SAME if len(said[name]) < 2}
    empty = {name for name in _EMPTY if said[name] <= {""}}
    return tuple(name for name in _HEADINGS if name not in same | empty)


def common(page: Page) -> str:
    """Say what all rows have in common and no column says."""
    shown, first = headings(page), _row(page.cells[0])
    forms = {"model": "{}", "lens": "lens {}"}
    return ", ".join(forms[name].format(first[name].text) for name in _SAME if name not in shown)


def summary_rows(page: Page) -> list[dict[str, Entry]]:
    """Return a row per cell; the texts of shares are percent."""
    return [_row(view) for view in page.cells]


def _row(view: CellView) -> dict[str, Entry]:
    curve, cell = view.curves["mc1"], view.cell
    best = curve.best
    peak = next((f for f in curve.findings if isinstance(f, PeakFinding)), None)
    onset = next((f for f in curve.findings if f.name == "onset"), None)
    clusters = f"in {curve.n_clusters} clusters" if curve.n_clusters < curve.n_items else ""
    return {
        "task": Entry(cell.task),
        "model": Entry(cell.model),
        "lens": Entry(cell.lens),
        "asked as": Entry(view.variant),
        "items": Entry(f"{curve.n_items:,}", curve.n_items, clusters),
        "chance": _share(float(np.mean(curve.chance))),
        "baseline": _share(float(np.asarray(curve.baseline)[-1]), note="at the last layer"),
        "best": _best(best, view.stars_best),
        "at layer": best_text(cell.layers[best.column], peak),
        "last": _share(float(curve.mean[-1]), view.stars_last, _between(view, -1)),
        "onset": _onset(onset),
        "curve": Entry(sparkline([float(v) for v in curve.mean])),
        "remarks": _remarks(curve.remarks),
    }


def _share(value: float, stars: str = "", note: str = "") -> Entry:
    return Entry(f"{100 * value:.1f}{stars}", value, note)


def _best(best: BestLayer, signs: str) -> Entry:
    """Say what the best layer would score on other questions; the note has what chose it."""
    chosen = f"{100 * best.observed:.1f} on the questions that chose the layer"
    if best.held_out is None:
        return Entry("–", None, chosen)
    ends = between(best.low, best.high)
    return _share(best.held_out, signs, f"95% interval{ends}; {chosen}" if ends else chosen)


def _between(view: CellView, at: int) -> str:
    curve = view.curves["mc1"]
    if not np.isfinite(curve.low[at]):
        return "no interval: too few questions or clusters"
    return f"95% interval {100 * curve.low[at]:.1f} to {100 * curve.high[at]:.1f}"


def between(low: float | None, high: float | None, unit: str = "", sign: str = "") -> str:
    """Say an interval of shares in points, after a space; nothing where it is not known."""
    if low is None or high is None or not np.isfinite([low, high]).all():
        return ""
    return f" [{100 * low:{sign}.1f}{unit}, {100 * high:{sign}.1f}{unit}]"


def best_text(layer: int, peak: PeakFinding | None) -> Entry:
    """Say the best layer with those that may be the best one as well."""
    if peak is None or len(peak.tied) < 2:
        return Entry(str(layer), layer, peak.note if peak else "")
    whole = ranges(peak.tied)
    short = whole if whole.count(",") < _MOST_RANGES else f"{len(peak.tied)} layers"
    note = "" if short == whole else f"may as well be any of the layers {whole}"
    return Entry(f"{layer} ({short})", layer, ". ".join(filter(None, (note, peak.note))))


def _onset(finding: LayerFinding | None) -> Entry:
    if finding is None or finding.layer is None:
        return Entry("–", None, finding.note if finding else "")
    return Entry(layer_text(finding), finding.layer, finding.note)


def _remarks(remarks: Sequence[str]) -> Entry:
    """Say what a reader must not miss in a word or two; the whole of it is the note."""
    short = [said for sign, said in _SHORT.items() if any(sign in text for text in remarks)]
    return Entry(", ".join(short), None, " ".join(remarks))


def layer_text(finding: LayerFinding) -> str:
    """Say a finding's layer with its interval; an open end is a dash."""
    if finding.layer is None:
        return "–"
    if finding.low is None and finding.high is None:
        return str(finding.layer)
    low, high = ("–" if end is None else str(end) for end in (finding.low, finding.high))
    return f"{finding.layer} [{low}, {high}]"


def ranges(numbers: Iterable[int]) -> str:
    """Write ascending numbers shortly: `3, 27–30`."""
    return spans(numbers, to="–")
