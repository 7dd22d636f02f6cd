"""Databases that scenes are shown on, made once, and what of this machine is kept out of sight.

This module knows stored runs, folders and what is patched. It does not know screens' states.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from shutil import copy
from typing import Any, Final, cast

import pytest
from madeup import fill
from scenes import CHOICES, made_up_grid
from storedruns import CALC, FACTS, SMALL, begin, model, plan, share
from tinygguf import write_tiny

from llprobe.events import GroupScored
from llprobe.plan import Plan
from llprobe.store import Store
from llprobe.tui import modelwork
from llprobe.tui.screens import lens
from llprobe.tui.screens.monitor import MonitorScreen
from llprobe.tui.screens.newsweep import NewSweepScreen, page

__all__ = ["Stage", "alike_everywhere"]

_HALF: Final = 10
"""Items of the cell at work that are scored."""
_LOG: Final = """\
2026-01-02T03:04:05+00:00 run half: 2 cells, 44 items
2026-01-02T03:04:06+00:00 half: loaded
2026-01-02T03:04:09+00:00 calculation: 24 of 24 items
"""


class Stage:
    """Makes the databases in a folder, from one with two finished runs."""

    def __init__(self, folder: Path, two_runs: Path) -> None:
        self.folder, self._two = folder, two_runs
        self._half: Path | None = None
        self._plan: Plan | None = None

    @contextmanager
    def set(self, name: str, folder: Path) -> Iterator[Path]:
        """Give a scene a database of its own in `folder`; `running` one is worked on meanwhile."""
        target = folder / "llprobe.db"
        if name == "none":
            yield target
            return
        copy(self._two if name == "two" else self.half(), target)
        if name == "two":
            yield target
            return
        _write_log(target)
        if name == "failed":
            self._fail(target)
        if name == "running":
            with self._working(target):
                yield target
        else:
            yield target

    def half(self) -> Path:
        """Give the database that has the run `half` too: one cell is scored, then it was paused."""
        if self._half is None:
            path = Path(copy(self._two, self.folder / "half.db"))
            self._plan = plan([model(self.folder, "half")], [CALC, FACTS], "half", lenses=("norm",))
            with Store(path) as store:
                begin(store, self._plan)
                first = replace(self._plan, cells=self._plan.cells[:1])
                fill(store, first, share(SMALL))
                store.finish_cells([first.cells[0].id], {"seconds": 1.0})
                store.end(self._plan.id, "paused")
            self._half = path
        return self._half

    @property
    def planned(self) -> Plan:
        """The plan of `half`."""
        self.half()
        assert self._plan is not None
        return self._plan

    def _fail(self, path: Path) -> None:
        with Store(path) as store:
            store.fail_cells([self.planned.cells[1].id], "half: the worker died of SIGKILL: killed")
            store.end(self.planned.id, "failed")

    @contextmanager
    def _working(self, path: Path) -> Iterator[None]:
        """Be the process that works on the second cell of `half`."""
        cell = self.planned.cells[1]
        kept = _Kept()
        fill(cast("Store", kept), replace(self.planned, cells=(cell,)), share(SMALL))
        group = GroupScored(cell.id, 0, kept.groups[0].items[:_HALF], _HALF)
        with Store(path) as store, store.working(self.planned.id) as owner:
            store.claim(owner, [cell.id])
            store.add_group(group)
            yield


class _Kept:
    """Takes groups in a store's place."""

    def __init__(self) -> None:
        self.groups: list[GroupScored] = []

    def add_group(self, group: GroupScored) -> None:
        self.groups.append(group)


def _write_log(database: Path) -> None:
    from llprobe.tui.process import log_of

    log = log_of(database, "half")
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(_LOG, encoding="utf-8")


def alike_everywhere(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Show nothing that differs between machines or hours: models, memory, paths, rates.

    The database is looked at when a test says so, never because its watch has seen something.
    """
    patch.setattr("llprobe.tui.watch.Watch.look", lambda _: False)
    patch.setenv("LLPROBE_CACHE", str(folder / "cache"))
    patch.setenv("LLPROBE_THREADS", "1")
    patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder / "hub"))
    patch.chdir(folder)
    patch.setattr(page, "choices", lambda: CHOICES)
    patch.setattr(NewSweepScreen, "WAIT", 0.0)
    patch.setattr(MonitorScreen, "EVERY", 3600.0)
    patch.setattr(lens, "look", lambda _wish, _cancel: made_up_grid())
    path = folder / "cache" / "quants" / "small" / "small.F32.gguf"
    path.parent.mkdir(parents=True)
    write_tiny(path)
    write_tiny(folder / path.name)  # what its details are read from
    real = modelwork.resolve

    def resolve(ref: str) -> Any:
        return replace(real(ref), paths=(Path("small.F32.gguf"),))

    patch.setattr("llprobe.tui.screens.models.resolve", resolve)
