"""Curves of a run's cells -> rows to be printed: a summary each, or a row for every layer.

This module knows what a reader of a run wants to see. It does not know terminals or files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from llprobe.analysis import METRICS, OF_WHOLE_OPTIONS, WHY_NOT, Curve, Tally, item_curves
from llprobe.analysis.best_layer import BestLayer
from llprobe.errors import UsageError
from llprobe.report.grouping import Grouping, grouping, sort_members
from llprobe.report.held_out import best_fields, best_layers
from llprobe.report.naming import told_apart
from llprobe.report.sums import sums_of
from llprobe.store import CellRecord, Store
from llprobe.task.prior import PRIOR

__all__ = ["Summary", "layers_table", "sparkline", "summaries"]

_BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class Summary:
    """A curve with the names of what it is a curve of; `group` is empty for the whole task."""

    cell: CellRecord
    group: str
    curve: Curve | Tally
    metric: str = "mc1"
    best: BestLayer | None = None
    """What the best layer would score on other items; None where that was not asked for."""

    def row(self) -> dict[str, Any]:
        """Return the values of a summary table's row; accuracies in [0, 1].

        `best` is what the best layer scores on the items that chose it, `best_held_out` what is to
        be expected of others.
        """
        curve, n = self.curve, self.cell.model_info["n_layers"]
        best = curve.best_layer(self.metric)
        several = curve.several_true
        return {
            "model": self.cell.model,
            "task": self.cell.task,
            "answer": self.cell.answer,
            "lens": self.cell.lens,
            "ablation": self.cell.ablation,
            "shots": self.cell.shots,
            "seed": self.cell.seed,
            "group": self.group,
            "items": curve.n_items,
            "metric": self.metric,
            "chance": curve.guess[self.metric],
            "shortest": curve.shortest,
            "best_layer": best,
            "best": curve.at(best, self.metric),
            **best_fields(self.best),
            "penultimate": curve.at(n - 1, self.metric),
            "last": curve.at(n, self.metric),
            "mc2": curve.at(n, "mc2") if several else None,
            "mc3": curve.at(n, "mc3") if several else None,
        } | {
            f"{metric}_by_layer": [round(float(a), 6) for a in curve.mean(metric)]
            for metric in self.metrics
        }

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics that the cell has what is needed for."""
        lacking = () if self.cell.whole else OF_WHOLE_OPTIONS
        every = (*METRICS, "prior")
        return tuple(name for name in every if name in self.curve.values and name not in lacking)


def summaries(
    store: Store,
    run: str,
    *,
    by: str | None = None,
    metric: str = "mc1",
    held_out: bool = True,
) -> list[Summary]:
    """Curves of every cell of a run that has scores, each followed by its groups if asked.

    Models of one name are told apart; see `naming`. Without `held_out` no items are read, and
    summaries have no `best`. Raises UsageError where `by` or `metric` names what the run does not
    have.
    """
    cells = told_apart(store.cells(run))
    sort = grouping(cells, by) if by else None
    # what needs the options' priors, which are asked for seldom, is not among the sums
    whole = metric == "pmi" or any(cell.answer == PRIOR for cell in cells)
    curves = _from_items(store, run, cells, sort) if whole else _from_sums(store, cells, sort)
    found = [Summary(cell, label, curve, metric) for cell, label, curve in curves]
    if found and not any(metric in summary.metrics for summary in found):
        raise UsageError(
            WHY_NOT.get(metric) or f"--metric {metric}: known are {', '.join(METRICS)}"
        )
    kept = [summary for summary in found if metric in summary.metrics]
    return _with_best(store, kept, (by, sort) if by and sort else None) if held_out else kept


def _with_best(
    store: Store, found: Sequence[Summary], by: tuple[str, Grouping] | None
) -> list[Summary]:
    whole = {summary.cell.id: summary for summary in found if not summary.group}
    best = {
        id_: best_layers(store, one.cell, one.curve, one.metric, by) for id_, one in whole.items()
    }
    return [replace(one, best=best[one.cell.id].get(one.group)) for one in found]


Curves = Iterator[tuple[CellRecord, str, Curve | Tally]]


def _from_sums(store: Store, cells: Sequence[CellRecord], sort: Grouping | None) -> Curves:
    """Yield what the running sums say, of every cell and its groups."""
    for cell in cells:
        sums = sums_of(store, cell)
        if not sums:
            continue
        yield cell, "", sums[""]
        labels: dict[tuple[int, str], Tally] = {}
        for group, found in sums.items():
            for label in sort(cell, group) if sort and group else ():
                labels[label] = labels[label] + found if label in labels else found
        for (_, name), found in sorted(labels.items(), key=lambda entry: entry[0][0]):
            yield cell, name, found


def _from_items(
    store: Store, run: str, cells: Sequence[CellRecord], sort: Grouping | None
) -> Curves:
    """Yield what the items say, joined to their priors."""
    named = {cell.id: cell for cell in cells}
    for found, scores in store.probed(run):
        cell = named[found.id]
        if scores:
            yield cell, "", item_curves(scores, cell.layers)
        for label, of in sort_members(cell, scores, sort) if sort else ():
            yield cell, label, item_curves(of, cell.layers)


def _names(found: Sequence[Summary]) -> list[str]:
    """Call each summary by its task, its lens, and what tells it from the others."""
    said: list[dict[str, str]] = [
        {
            "model": s.cell.model,
            "task": s.cell.task,
            "answer": s.cell.answer,
            "lens": s.cell.lens,
            "ablation": "" if s.cell.ablation == "none" else s.cell.ablation,
            "shots": f"{s.cell.shots} shots",
            "seed": f"seed {s.cell.seed}",
            "group": s.group,
        }
        for s in found
    ]
    keys = said[0] if said else {}
    telling = {key for key in keys if len({each[key] for each in said}) > 1} | {"task", "lens"}
    return _once_each(
        [" ".join(each[key] for key in keys if key in telling and each[key]) for each in said]
    )


def _once_each(names: Sequence[str]) -> list[str]:
    """Number the second and later ones of a name, like tasks of one name from two files."""
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name} #{seen[name]}")
    return found


def layers_table(found: Sequence[Summary]) -> tuple[list[str], list[dict[str, Any]]]:
    """The metric of every summary by layer: column names, and a row per layer."""
    names = _names(found)
    layers = sorted({layer for s in found for layer in s.curve.layers})
    rows = [
        {"layer": layer}
        | {n: s.curve.at(layer, s.metric) for n, s in zip(names, found, strict=True)}
        for layer in layers
    ]
    return names, rows


def sparkline(values: Sequence[float], low: float = 0.0, high: float = 1.0) -> str:
    """One character a value, its height between `low` and `high`."""
    span = (high - low) or 1.0
    steps = (int((value - low) / span * len(_BARS)) for value in values)
    return "".join(_BARS[min(max(step, 0), len(_BARS) - 1)] for step in steps)
