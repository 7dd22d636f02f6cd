"""A published table laid beside a run or another table: means only, for there are no items.

This module knows rows of printed accuracies. It invents no intervals for them: how many questions
they were measured on is not printed with them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

import numpy as np

from llprobe.analysis.measures import metric
from llprobe.analysis.rounding import argmax_first
from llprobe.errors import UsageError
from llprobe.published import PublishedRun, published_task
from llprobe.published import table as published_table
from llprobe.report.compare.difference import Difference
from llprobe.report.compare.layers import common
from llprobe.report.compare.where import BEST, Where, matched
from llprobe.report.pairing import LANGUAGE, Side, split

__all__ = ["Curve", "beside", "curves_of", "printed_curves", "remarks"]


@dataclass(frozen=True, eq=False)
class Curve:
    """A mean by layer, however it is known."""

    label: str
    task: str
    """As llprobe calls it, or as it is published."""
    group: str
    row: str
    """The published row that it belongs to; empty where there is none."""
    layers: tuple[int, ...]
    n_layers: int
    means: tuple[float, ...]
    """Accuracy (MC1) at `layers`, in [0, 1]."""
    n_items: int | None
    features: dict[str, str] = field(default_factory=dict)
    """What the cell was asked with; nothing is known of a published row."""

    def at(self, layer: int) -> float:
        """Mean at a layer."""
        return self.means[self.layers.index(layer)]

    def layer(self, where: Where) -> int:
        """Return the layer meant; UsageError where there is no figure for it."""
        if where == BEST:
            return self.layers[int(argmax_first(self.means))]
        return where.layer(self.layers, self.n_layers)


def printed_curves(name: str, by: str | None) -> list[Curve]:
    """Return the rows of a published table; with `by` language those of each language too."""
    run = published_table(name)
    found = [_curve(run, task, "", *series) for task, series in run.curves.items()]
    if by in {LANGUAGE, "group", "facet"}:
        found += _languages(run)
    elif by is not None:
        raise UsageError(f"--by {by}: published tables are by task and by language only")
    return found


def _languages(run: PublishedRun) -> Iterator[Curve]:
    for task, languages in run.by_language.items():
        yield from (_curve(run, task, of, *series) for of, series in languages.items())


def _curve(run: PublishedRun, task: str, group: str, layers: object, means: object) -> Curve:
    known, values = tuple(np.asarray(layers).tolist()), tuple(np.asarray(means).tolist())
    return Curve(f"paper:{run.model}", task, group, task, known, run.n_layers, values, None)


def curves_of(side: Side, name: str, by: str | None) -> list[Curve]:
    """Return a cell's curve, and with `by` language each language's."""
    parts = split(side, LANGUAGE) if by is not None and LANGUAGE in side.cell.facets else []
    named = [(side, "")] + [(part, part.label) for part in parts]
    return [_own(part, group, side.label, name) for part, group in named]


def _own(side: Side, group: str, label: str, name: str) -> Curve:
    means = tuple(metric(side.table, name).mean(axis=0).tolist())
    row = published_task(side.cell.task) or ""
    layers, n = side.table.layers, side.table.n_items
    told = common(side, side)
    return Curve(label, side.cell.task, group, row, layers, side.n_layers, means, n, told)


def beside(a: Curve, b: Curve, where: Where | None, name: str) -> Iterator[Difference]:
    """Yield the differences of two curves, of which one is published, without any test."""
    if where is None:
        layers = matched(a.layers, b.layers, (a.n_layers, b.n_layers))
    else:
        layers = ((a.layer(where), b.layer(where)),)
    for of_a, of_b in layers:
        yield Difference(
            task=a.task if a.task == b.task else f"{a.task} / {b.task}",
            group=a.group, a=a.label, b=b.label, shared=a.features or b.features, metric=name,
            layer_a=of_a, layer_b=of_b, depth=of_a / a.n_layers,
            items_a=a.n_items, items_b=b.n_items, paired=False,
            mean_a=a.at(of_a), mean_b=b.at(of_b), difference=b.at(of_b) - a.at(of_a),
        )  # fmt: skip


def remarks(name: str, rows: Collection[tuple[str, str]]) -> list[str]:
    """What a reader of published `rows`, each a task and a group, must be told."""
    run = published_table(name)
    why = "its items and their number are not known, so there is no interval and no test"
    said = [f"{name} is published ({run.source}): {why}"]
    for task, group in rows:
        said += run.remarks_on(f"{task} {group}".strip())
    return list(dict.fromkeys(said))
