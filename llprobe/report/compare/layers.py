"""Two sides' items -> the difference of their means at chosen layers.

This module knows how a pair of curves is measured. It does not know which pairs there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from llprobe.analysis.best_layer import best_difference
from llprobe.analysis.measures import metric
from llprobe.analysis.paired import Comparison, compare
from llprobe.analysis.rounding import argmax_first
from llprobe.errors import UsageError
from llprobe.report.compare.difference import Difference
from llprobe.report.compare.unpaired import Unpaired, unpaired
from llprobe.report.compare.where import BEST, Where, matched
from llprobe.report.pairing import FEATURES, Side, feature
from llprobe.report.sametests import mark

__all__ = ["at_layers", "common", "differences", "is_one_at_last", "last_in_both"]

FloatArray = npt.NDArray[np.float64]

_NAMED: Final = tuple(name for name in FEATURES if name != "quant")


def at_layers(a: Side, b: Side, where: Where | None) -> list[tuple[int, int]]:
    """Return the layers of `a` and `b` to be compared; all, by relative depth, for None.

    Not for `BEST`. Raises UsageError where a layer was not scored.
    """
    if where is None:
        return list(matched(a.table.layers, b.table.layers, (a.n_layers, b.n_layers)))
    try:
        return [tuple(where.layer(s.table.layers, s.n_layers) for s in (a, b))]  # type: ignore[list-item]
    except UsageError as problem:
        raise UsageError(f"{a.cell.task}, {a.label} and {b.label}: {problem}") from problem


def is_one_at_last(a: Side, b: Side) -> bool:
    """Whether two cells are one at the last layer by definition: they differ in its lens only.

    The lens paper leaves out the norm before the last layer, and has it there, as norm has.
    """
    rest = [name for name in FEATURES if name != "lens"]
    return (
        {a.cell.lens, b.cell.lens} == {"norm", "paper"}
        and (a.cell.fingerprint, a.cell.questions) == (b.cell.fingerprint, b.cell.questions)
        and a.cell.settings == b.cell.settings
        and all(feature(a.cell, name) == feature(b.cell, name) for name in rest)
    )


def last_in_both(a: Side, b: Side, where: Where | None) -> bool:
    """Whether the last layers of both models are among those compared; not at `BEST`."""
    return where != BEST and (a.n_layers, b.n_layers) in at_layers(a, b, where)


def differences(
    a: Side,
    b: Side,
    name: str,
    where: Where | None,
    *,
    paired: bool,
    group: str = "",
    seed: int = 0,
) -> Iterator[Difference]:
    """Yield the difference of a metric at the layers of `where`, at every layer for None.

    None at the last layer where both are one there (`is_one_at_last`). Where `paired`, item i of
    `a` is item i of `b`. At `BEST` means, interval and p are what the best layers score on items
    that did not choose them (`best_difference`): the best of many layers is high by luck, more so
    than that of few.
    """
    of_a, of_b = metric(a.table, name), metric(b.table, name)
    if where == BEST:
        yield _at_best(a, b, name, (of_a, of_b), paired=paired, group=group, seed=seed)
        return
    one = is_one_at_last(a, b)
    for layers in at_layers(a, b, where):
        if one and layers == (a.n_layers, b.n_layers):
            continue
        x = of_a[:, a.table.layers.index(layers[0])]
        y = of_b[:, b.table.layers.index(layers[1])]
        found = _compared(a, b, (x, y), paired=paired)
        yield replace(_difference(a, b, name, layers, found, group), mark=mark((a, b), (x, y)))


def _compared(
    a: Side, b: Side, values: tuple[FloatArray, FloatArray], *, paired: bool
) -> Comparison | Unpaired:
    if paired:
        return compare(*values, a.table.clusters)
    return unpaired(*values, (a.table.clusters, b.table.clusters))


def _difference(
    a: Side, b: Side, name: str, layers: tuple[int, int], found: Comparison | Unpaired, group: str
) -> Difference:
    paired = isinstance(found, Comparison)
    return Difference(
        task=a.cell.task,
        group=group,
        a=a.label,
        b=b.label,
        shared=common(a, b),
        metric=name,
        layer_a=layers[0],
        layer_b=layers[1],
        depth=layers[0] / a.n_layers,
        items_a=a.table.n_items,
        items_b=b.table.n_items,
        paired=paired,
        mean_a=found.a,
        mean_b=found.b,
        difference=found.difference,
        low=found.low,
        high=found.high,
        p=found.p,
        clusters=a.table.n_clusters if paired else None,
        wins=found.wins if isinstance(found, Comparison) else None,
        losses=found.losses if isinstance(found, Comparison) else None,
        detectable=found.detectable,
    )


def common(a: Side, b: Side) -> dict[str, str]:
    """Return what two cells have in common by feature, an empty text where they differ."""
    both = {name: (feature(a.cell, name), feature(b.cell, name)) for name in _NAMED}
    return {name: one if one == other else "" for name, (one, other) in both.items()}


def _at_best(
    a: Side,
    b: Side,
    name: str,
    values: tuple[FloatArray, FloatArray],
    *,
    paired: bool,
    group: str,
    seed: int,
) -> Difference:
    of_a, of_b = values
    best = [int(argmax_first(of.mean(axis=0))) for of in values]
    layers = a.table.layers[best[0]], b.table.layers[best[1]]
    chosen = _compared(a, b, (of_a[:, best[0]], of_b[:, best[1]]), paired=paired)
    row = replace(_difference(a, b, name, layers, chosen, group), mark=mark((a, b), values))
    if of_a.shape[1] == of_b.shape[1] == 1:  # nothing was chosen
        return row
    clusters = a.table.clusters, a.table.clusters if paired else b.table.clusters
    found = best_difference(of_a, of_b, clusters, seed, paired=paired)
    return replace(
        row, mean_a=found.a, mean_b=found.b, difference=found.difference,
        low=found.low, high=found.high, p=found.p,
    )  # fmt: skip
