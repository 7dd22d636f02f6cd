"""The curve of a cell while it grows, with its interval: a figure of the running sums.

It knows sums. It does not know how a figure is drawn.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from llprobe.analysis import Tally
from llprobe.analysis.finding import FEWEST
from llprobe.analysis.intervals import wilson
from llprobe.plots.shapes import Curves, CurvesPanel, Level, Line
from llprobe.store import CellRecord

__all__ = ["curve_of", "no_curve"]


def curve_of(cell: CellRecord, sums: Tally) -> Curves:
    """Return the MC1 of a cell by layer with its interval at 95%, and chance.

    The interval is Wilson's, of items taken as independent: it is drawn while the cell is at work,
    from five items on.
    """
    mean = np.asarray(sums.mean("mc1"), np.float64)
    line = Line(cell.task, np.asarray(sums.layers, np.float64), mean)
    if sums.n_items >= FEWEST:
        low, high = wilson(mean * sums.n_items, sums.n_items)
        line = replace(line, low=low, high=high)
    lens = f", lens {cell.lens}" if cell.lens else ""
    said = f"{cell.model}, {cell.task}{lens}: MC1 of {sums.n_items} of {cell.n_items} items"
    panel = CurvesPanel(f"{said}, 95% interval", (line,), (Level("chance", sums.guess["mc1"]),))
    # all is said in the panel's title: every line counts on a small screen
    return Curves("", "", (), "layer", "MC1, %", (panel,))


def no_curve(cell: CellRecord | None) -> str:
    """Say why there is no curve."""
    if cell is None or not cell.n_done:
        return "the curve appears with the first scored items"
    if cell.answer == "generate":
        return f"{cell.task}: answers that the model writes have no curve over layers"
    return f"{cell.task}: options without their question have no curve of their own"
