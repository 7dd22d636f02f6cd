"""What the tests of carrying sweeps out share: two models, a spec, and what happened."""

import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import pytest
from clihelp import tiny_model, write_questions

from llprobe import children
from llprobe.conduct import carry_out
from llprobe.events import Event, GroupScored
from llprobe.settings import EngineSettings
from llprobe.store import Store
from llprobe.sweep import ModelEntry, SweepSpec

__all__ = [
    "LADDER",
    "N_ITEMS",
    "by_model",
    "carried_out",
    "counted_starts",
    "of_kind",
    "own_cache",
    "scored_cells",
    "sweep",
    "write_files",
]

N_ITEMS = 12


def sweep(files: Path, *models: str | ModelEntry, **more: Any) -> SweepSpec:
    """Ask the questions of models, by their names or patterns in the folder."""
    entries = (each if isinstance(each, ModelEntry) else ModelEntry(each) for each in models)
    rooted = tuple(replace(entry, name=str(files / f"{entry.name}.gguf")) for entry in entries)
    settings = EngineSettings(n_threads=1, n_batch=16)
    fixed = {"models": rooted, "tasks": ("prompts",), "data": str(files / "q.jsonl")}
    return SweepSpec(**{"name": "first", **fixed, "engine": settings, **more})


def carried_out(spec: SweepSpec, store: Store, **more: Any) -> list[Event]:
    """Carry a sweep out; give all that happened."""
    return list(carry_out(spec, store, "llprobe sweep run", **more))


def of_kind(events: Sequence[Event], kind: type[Any]) -> list[Any]:
    """Give the events of a class."""
    return [event for event in events if isinstance(event, kind)]


def scored_cells(events: Sequence[Event]) -> set[str]:
    """Give the cells of which anything was scored."""
    return {event.cell for event in of_kind(events, GroupScored)}


def by_model(store: Store) -> dict[str, str]:
    """Give the status of every model's cells, where they agree."""
    found = {(cell.model, cell.status) for cell in store.cells(store.find_run("last"))}
    assert len(dict(found)) == len(found), found
    return dict(found)


LADDER = ModelEntry("one", ("Q8_0", "Q5_0"), keep=False)


def write_files(folder: Path) -> Path:
    """Write two models and questions."""
    tiny_model(folder, "one")
    tiny_model(folder, "two", seed=1)
    write_questions(folder / "q.jsonl", N_ITEMS)
    return folder


def own_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep quants in the test's own folder."""
    monkeypatch.setenv("LLPROBE_CACHE", str(folder / "cache"))
    return folder / "cache"


def counted_starts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Give the numbers of the children that are started, as they are."""
    pids: list[int] = []
    start = children._start

    def counted(fd: int, noise: IO[bytes]) -> "subprocess.Popen[bytes]":
        child = start(fd, noise)
        pids.append(child.pid)
        return child

    monkeypatch.setattr(children, "_start", counted)
    return pids
