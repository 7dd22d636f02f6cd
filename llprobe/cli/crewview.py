"""Shows a sweep that several machines compute at once: one meter for all of it.

This module knows events and stderr. It does not know how the machines are reached.
"""

from __future__ import annotations

from llprobe.cli.console import err
from llprobe.cli.follow import Screen
from llprobe.cli.progress import Meter
from llprobe.events import Event, GroupScored, JobDone, JobStarted, ModelLoaded
from llprobe.plan import Job, Plan

__all__ = ["CrewScreen"]


class CrewScreen(Screen):
    """A line for each model that a worker has loaded, and one meter for the items of all jobs."""

    _done = _total = 0

    def planned(self, plan: Plan) -> None:
        """Take note of what is going to be run."""
        super().planned(plan)
        self._counted: dict[tuple[str, ...], str] = {}
        scored = {cell.id: cell.n_done for cell in self._store.cells(plan.id)}
        jobs: list[Job] = [job for _, jobs in plan.jobs() for job in jobs]
        self._done = sum(min(scored.get(cell.id, 0) for cell in job.cells) for job in jobs)
        self._total = sum(len(job.first.questions.items) for job in jobs)

    def _shown(self, event: Event) -> None:
        match event:
            case ModelLoaded():
                self._loaded_there(event)
                self._say_remarks(event)
            case JobStarted():
                self._note(self._cells[event.cells[0]].questions, event)
                # the cell of a job that lacks most stands for all of them
                left = {c: len(self._store.done_groups(c)) for c in event.cells}
                self._counted[event.cells] = min(event.cells, key=lambda c: left[c])
            case GroupScored() if event.cell in self._counted.values():
                self._count(len(event.items) + len(event.skipped))
            case GroupScored():
                pass
            case JobDone():
                self._say_skipped(event)
            case _:
                super()._shown(event)

    def _count(self, n_items: int) -> None:
        if self._meter is None:
            self._meter = Meter("all cells", self._total, "items", self._done).__enter__()
        self._done = min(self._done + n_items, self._total)
        self._meter.update(self._done)

    def _loaded_there(self, event: ModelLoaded) -> None:
        record = event.record
        threads = f"{record['threads']} thread" + "s" * (record["threads"] != "1")
        err.print(
            f"{event.model}: loaded on {record['host']} ({record['worker']}) in "
            f"{event.seconds:.1f} s, {threads}; self-check difference {record['self_check']}",
            markup=False,
        )
