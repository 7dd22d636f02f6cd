"""What the tabs of a run show: its record, its cells with short names, findings of a cell.

Read in threads. This module knows the store and the analyses. It does not know widgets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from llprobe.analysis.measures import metric as values_of
from llprobe.analysis.paired import Comparison, compare
from llprobe.page.names import variant_of
from llprobe.report import CurveEvidence, curve_evidence, option_table
from llprobe.report.naming import told_apart
from llprobe.report.remarks import nothing_scored as all_skipped
from llprobe.store import CellRecord, RunRecord, Store
from llprobe.task.prior import PRIOR

__all__ = [
    "Found",
    "NamedCell",
    "RunData",
    "named",
    "nothing_scored",
    "read_found",
    "read_run",
    "short_names",
]


@dataclass(frozen=True)
class NamedCell:
    """A cell, and what tells it from the others of its run in few characters."""

    cell: CellRecord
    name: str


@dataclass(frozen=True)
class RunData:
    """A run as it is stored."""

    record: RunRecord
    spec: str
    """The sweep as YAML; empty where there was none."""
    cells: tuple[CellRecord, ...]
    """All cells, also those without scores."""
    scored: tuple[NamedCell, ...]
    """The cells whose options have scores."""
    written: tuple[NamedCell, ...] = ()
    """The cells to which the model wrote answers."""

    @property
    def title(self) -> str:
        """What the run is called."""
        return self.record.name or self.record.id[:8]


def read_run(store: Store, name: str) -> RunData:
    """Read a run; UnknownName where it is not there, or not any more."""
    run = store.find_run(name)
    cells = told_apart(store.cells(run))
    scored = [c for c in cells if c.answer not in {PRIOR, "generate"} and c.n_done]
    written = [c for c in cells if c.answer == "generate" and c.n_done]
    return RunData(
        store.run(run), store.spec(run), tuple(cells), named(scored), named(written)
    )  # fmt: skip


def nothing_scored(told: RunData) -> str:
    """Say why no option of a run is scored, and what comes next; empty where some are."""
    if told.scored:
        return ""
    cells = [cell for cell in told.cells if cell.answer != PRIOR]
    if cells and all(cell.answer == "generate" for cell in cells):
        return "the model writes its answers here: they have no curve over layers, see Written"
    failed = [cell for cell in cells if cell.status == "failed"]
    if failed:
        many = f"{len(failed)} of {len(cells)} cells failed" if len(cells) > 1 else "it failed"
        return f"nothing is scored: {many}; {failed[0].error}"
    if said := all_skipped(cells):
        return said
    if told.record.status == "running":
        return "nothing is scored yet: what is found appears here as items come in"
    return f"nothing is scored, and the run is {told.record.status}: go on with it on its monitor"


def named(cells: Sequence[CellRecord]) -> tuple[NamedCell, ...]:
    """Give each cell its short name."""
    return tuple(map(NamedCell, cells, short_names(cells)))


def short_names(cells: Sequence[CellRecord]) -> list[str]:
    """Name cells by their task and by what differs; quants of one model by the quant alone."""
    bases = {cell.model.partition(":")[0] for cell in cells}
    models = [
        cell.model if len(bases) > 1 else str(cell.model_info["quant"]) for cell in cells
    ]  # fmt: skip
    if len(set(models)) < len({cell.model for cell in cells}):
        models = [cell.model for cell in cells]
    parts = [
        (cell.task, model, cell.lens, variant_of(cell))
        for cell, model in zip(cells, models, strict=True)
    ]
    telling = [n for n in range(4) if n == 0 or len({of[n] for of in parts}) > 1]
    said = [" ".join(of[n] for n in telling if of[n]) for of in parts]
    times = Counter(said)
    return [
        name if times[name] == 1 else f"{name} {cell.id[:6]}"
        for name, cell in zip(said, cells, strict=True)
    ]


@dataclass(frozen=True)
class Found:
    """What is found of a cell."""

    evidence: CurveEvidence | None
    """None where it cannot be had."""
    last_two: Comparison | None
    """The layer before the last (b) against the last (a); None where one was not scored."""
    error: str = ""
    """Why there is no evidence."""


def read_found(store: Store, cell: CellRecord, metric: str) -> Found:
    """Analyse a cell. Raises UsageError where nothing is scored or the metric needs more."""
    table = option_table(store, cell)
    evidence = curve_evidence(cell, table, metric)
    values, n = values_of(table, metric), evidence.depth
    if not {n - 1, n} <= {*table.layers}:
        return Found(evidence, None)
    last, before = (values[:, table.layers.index(layer)] for layer in (n, n - 1))
    return Found(evidence, compare(last, before, table.clusters))
