"""Stored runs as pandas DataFrames, one observation a row: curves, and items.

This module knows columns. It does not know files.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from llprobe.analysis.measures import available, chance, choice, margin, metric, shortest
from llprobe.analysis.options import OptionTable
from llprobe.report.pairing import feature
from llprobe.report.tables import tables
from llprobe.store import CellRecord, Store

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CURVE_COLUMNS", "ITEM_COLUMNS", "curves_frame", "items_frame"]

_CELL: Final = (
    "run", "cell", "model", "quant", "task", "answer", "lens", "ablation", "shots", "seed",
)  # fmt: skip
CURVE_COLUMNS: Final = (*_CELL, "layer", "depth", "items", "chance", "shortest", "metric", "value")
"""`depth` is layer / number of layers; `chance` and `shortest` are what guessing, and choosing the
shortest option, get of MC1; `value` is the metric's mean over the items, in [0, 1]."""
ITEM_COLUMNS: Final = (
    *_CELL, "group", "item", "cluster", "options", "layer", "depth", "mc1", "choice", "margin",
)  # fmt: skip
"""`options`: how many an item has; `mc1`: 1 where its best option beats every false one; `choice`:
index of the highest option; `margin`: log-prob of the best true less that of the best false one,
in nats."""


def curves_frame(store: Store, run: str) -> pd.DataFrame:
    """Return a row per cell, metric and layer, with the columns `CURVE_COLUMNS`.

    Metrics are MC1 to MC3, MC1 by length unless shared positions were skipped, and PMI where priors
    were scored. `run` is the run's id
    or what `Store.find_run` takes.
    """
    return _frame(store, run, CURVE_COLUMNS, _curves)


def items_frame(store: Store, run: str) -> pd.DataFrame:
    """Return a row per cell, item and layer, with the columns `ITEM_COLUMNS`.

    For log-probs of every option see `llprobe.read_run(...).frame()`.
    """
    return _frame(store, run, ITEM_COLUMNS, _items)


_Columns = dict[str, Any]


def _frame(
    store: Store,
    run: str,
    columns: tuple[str, ...],
    part: Callable[[CellRecord, OptionTable], _Columns],
) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415 - slow to import, and only wanted here

    found = store.find_run(run)
    parts = []
    for cell, table in tables(store, found):
        told = {name: feature(cell, name) for name in _CELL if name not in {"run", "cell"}}
        told |= {"run": found, "cell": cell.id}
        parts.append(pd.DataFrame(told | part(cell, table))[list(columns)])
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(columns))


def _layers(cell: CellRecord, table: OptionTable, repeats: int) -> _Columns:
    """Columns of the layers, all of them once for each of `repeats`."""
    layers = np.tile(table.layers, repeats)
    return {"layer": layers, "depth": layers / cell.model_info["n_layers"]}


def _curves(cell: CellRecord, table: OptionTable) -> _Columns:
    names = available(table)
    means = [metric(table, name).mean(axis=0) for name in names]
    return _layers(cell, table, len(names)) | {
        "items": table.n_items,
        "chance": float(chance(table).mean()),
        "shortest": float(shortest(table).mean()),
        "metric": np.repeat(names, len(table.layers)),
        "value": np.concatenate(means),
    }


def _items(cell: CellRecord, table: OptionTable) -> _Columns:
    n = len(table.layers)
    return _layers(cell, table, table.n_items) | {
        "group": np.repeat(np.array(table.groups, object), n),
        "item": np.repeat(np.array(table.ids, object), n),
        "cluster": np.repeat(table.clusters, n),
        "options": np.repeat(table.n_options, n),
        "mc1": metric(table, "mc1").astype(np.int64).ravel(),
        "choice": choice(table).ravel(),
        "margin": margin(table).ravel(),
    }
