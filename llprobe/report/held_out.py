"""What the best layers of a cell and its groups would score on other items than chose them.

It takes the items, which running sums do not have: what is found is kept while the sums stay.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from llprobe.analysis import Curve, Tally
from llprobe.analysis.best_layer import BestLayer, best_layer
from llprobe.analysis.measures import metric as metric_of
from llprobe.report.grouping import Grouping
from llprobe.report.tables import option_table
from llprobe.store import CellRecord, Store

__all__ = ["best_fields", "best_layers"]

_MOST: Final = 2048
"""Cells whose best layers are kept; then all are forgotten."""
_kept: Final[dict[tuple[Any, ...], dict[str, BestLayer]]] = {}


def best_layers(
    store: Store,
    cell: CellRecord,
    whole: Curve | Tally,
    metric: str = "mc1",
    by: tuple[str, Grouping] | None = None,
) -> dict[str, BestLayer]:
    """Return the best layer of all of a cell's items, under "", and of those of each label.

    `whole` has the means of all items; `by` names a grouping of items, as `grouping` makes it.
    """
    means = whole.mean(metric).tobytes()
    key = (str(store.path), cell.id, metric, by and by[0], whole.n_items, means)
    if key not in _kept:
        if len(_kept) >= _MOST:
            _kept.clear()
        _kept[key] = _read(store, cell, metric, by[1] if by else None)
    return _kept[key]


def _read(
    store: Store, cell: CellRecord, metric: str, sort: Grouping | None
) -> dict[str, BestLayer]:
    table = option_table(store, cell, priors=metric == "pmi")
    values = metric_of(table, metric)
    members: dict[str, list[int]] = {}
    for item, group in enumerate(table.groups if sort else ()):
        for _, name in sort(cell, group) if sort else ():
            members.setdefault(name, []).append(item)
    return {"": best_layer(values, table.clusters)} | {
        name: best_layer(values[np.array(items)], table.clusters[np.array(items)])
        for name, items in members.items()
    }


def best_fields(best: BestLayer | None) -> dict[str, float | None]:
    """Return what a row says of a best layer beside its observed mean; nothing is known of none."""
    if best is None:
        return dict.fromkeys(("best_held_out", "best_low", "best_high"))
    return {"best_held_out": best.held_out, "best_low": best.low, "best_high": best.high}
