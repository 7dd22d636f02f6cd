"""The runs that a figure is made of, as tracks: one model on one task, whoever measured it.

A track is a stored cell or a row of a published table. This module knows where they are found and
how they are chosen. It does not know figures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from llprobe.errors import UnknownName, UsageError
from llprobe.published import PublishedRun, is_published, published_task, table
from llprobe.store import CellRecord, Store
from llprobe.task.prior import PRIOR

__all__ = ["Printed", "Scored", "Track", "printed", "scored", "tracks"]

WRITTEN: Final = "generate"
"""The kind of answer that has no scores of options."""


@dataclass(frozen=True)
class Scored:
    """A stored cell."""

    cell: CellRecord

    @property
    def model(self) -> str:
        """The model's name, as its run gave it."""
        return self.cell.model

    @property
    def task(self) -> str:
        """The task's name."""
        return self.cell.task

    @property
    def panel(self) -> str:
        """The task under which a figure puts it."""
        return self.cell.task

    @property
    def n_layers(self) -> int:
        """Blocks of the model."""
        return int(self.cell.model_info["n_layers"])


@dataclass(frozen=True)
class Printed:
    """A row of a published table."""

    run: PublishedRun
    task: str
    """The published task."""
    panel: str
    """The task under which a figure puts it: llprobe's own where runs of that one are shown."""

    @property
    def model(self) -> str:
        """The model's name, with the mark of published numbers."""
        return f"paper:{self.run.model}"

    @property
    def n_layers(self) -> int:
        """Blocks of the model."""
        return self.run.n_layers


Track = Scored | Printed


def scored(found: Sequence[Track]) -> list[Scored]:
    """Return the stored cells among tracks."""
    return [track for track in found if isinstance(track, Scored)]


def printed(found: Sequence[Track]) -> list[Printed]:
    """Return the published rows among tracks."""
    return [track for track in found if isinstance(track, Printed)]


def tracks(
    store: Store | None,
    runs: Sequence[str],
    *,
    task: str | None = None,
    lens: str | None = None,
    model: str | None = None,
    languages: bool = False,
) -> list[Track]:
    """Return every track of `runs`, in their order, each once.

    `store` may be None where all runs are published. `task`, `lens` and `model` choose among the
    stored ones; published rows are chosen by the task that they may be laid beside. With
    `languages` the published rows are those that are told by language. Raises UnknownName for a
    task, lens or model that no run has, UsageError where nothing is left.
    """
    own = _own(store, [run for run in runs if not is_published(run)])
    paper = [table(run) for run in dict.fromkeys(runs) if is_published(run)]
    rows = [
        Printed(run, name, _panel(name, own, task))
        for run in paper
        for name in (run.by_language if languages else run.curves)
    ]
    _check("task", task, [*(t.task for t in own), *(n for r in rows for n in (r.task, r.panel))])
    _check("lens", lens, [t.cell.lens for t in own] if own else [lens or ""])
    _check("model", model, [t.model for t in own] if own else [model or ""])
    found: list[Track] = [
        track
        for track in own
        if task in {None, track.task}
        and lens in {None, track.cell.lens}
        and model in {None, track.model}
    ]
    own_tasks = {track.panel for track in found}
    found += [
        row
        for row in rows
        # beside runs of one's own, only what they can be compared with
        if (row.panel in own_tasks if own_tasks else task in {None, row.task, row.panel})
    ]
    return _some(found)


def _panel(name: str, own: Sequence[Scored], task: str | None) -> str:
    """Return the task of one's own that a published one is laid beside; its own name if none."""
    names = [track.task for track in own if task in {None, track.task}]
    return next((own_name for own_name in names if published_task(own_name) == name), name)


def _check(kind: str, name: str | None, known: Sequence[str]) -> None:
    if name is not None and known and name not in known:
        raise UnknownName(kind, name, set(known), "(in the runs given)")


def _some(found: list[Track]) -> list[Track]:
    if not found:
        raise UsageError("these runs have no scored options to show: see `llprobe show RUN`")
    return found


def _own(store: Store | None, runs: Sequence[str]) -> list[Scored]:
    """Return the cells of stored runs that hold scores; one that several runs share, once."""
    cells = {cell.id: cell for cell in _cells(store, runs)}
    return [Scored(cell) for cell in cells.values()]


def _cells(store: Store | None, runs: Sequence[str]) -> Iterator[CellRecord]:
    if store is None:
        return
    for run in runs:
        for cell in store.cells(store.find_run(run)):
            if cell.answer not in {PRIOR, WRITTEN} and cell.n_done:
                yield cell
