"""Saving a sweep as a file, and starting it: what must be asked first, and doing it.

This module is for worker threads. It does not know widgets.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from llprobe.errors import TaskError, UsageError
from llprobe.store import Store
from llprobe.sweep import SweepSpec, parse_sweep, to_yaml

from ...process import alive, start
from .choices import missing_models
from .draft import Checked
from .planning import size

__all__ = ["Ready", "ready", "save", "start_sweep"]


@dataclass(frozen=True)
class Ready:
    """A sweep that can be started."""

    spec: SweepSpec
    pull: tuple[str, ...]
    """Models to download first."""
    question: str
    """What must be asked before; empty for nothing."""


def ready(db: Path, spec: SweepSpec) -> Ready:
    """Return what it takes to start a sweep; UsageError where it runs already."""
    with Store(db) as store:
        runs = {run.name: run.id for run in store.runs() if run.name}
        holders = store.workers(runs[spec.name]) if spec.name in runs else []
        changed = spec.name in runs and store.spec(runs[spec.name]) != to_yaml(spec)
    if holders or alive(db, spec.name):
        raise UsageError(f"{spec.name} is running already: cancel it first, or change the name")
    missing = missing_models(spec)
    said = []
    if missing:
        sizes = ", ".join(
            f"{each.name} ({size(each.nbytes)})" if each.nbytes else each.name for each in missing
        )
        said.append(f"Not here yet, to be downloaded first: {sizes}.")
    if changed:
        said.append(
            f"There is another sweep called {spec.name}. This one takes its place; what is "
            "scored stays."
        )
    question = " ".join([*said, "Run it?"]) if said else ""
    return Ready(spec, tuple(each.name for each in missing), question)


def start_sweep(db: Path, found: Ready) -> int:
    """Start a sweep; return its process."""
    return start(db, found.spec, found.pull)


def save(found: Checked, path: str, *, replace: bool) -> str:
    """Write a sweep's file and say so; return an empty text where one is there already.

    The text is written as it stands, comments too, where it means the same beside that file.
    Raises UsageError where it cannot be written.
    """
    target = Path(path).expanduser()
    try:
        with target.open("w" if replace else "x", encoding="utf-8") as file:
            file.write(_text_for(found, str(target)))
    except FileExistsError:
        return ""
    except OSError as problem:
        raise UsageError(f"cannot write {target}: {problem.strerror}") from problem
    return f"saved {target}; elsewhere: llprobe sweep run {target}"


def _text_for(found: Checked, path: str) -> str:
    if found.spec is None:
        return found.text
    try:
        same = parse_sweep(found.text, path) == found.spec
    except TaskError:
        same = False
    return found.text if same else to_yaml(found.spec)
