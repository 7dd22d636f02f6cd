"""The process that carries a sweep out: start it, find it again, ask it to stop.

It is a `llprobe sweep` in a session of its own, so it outlives the interface. What it says goes to
the run's log. Beside the database lie the file that it was given, and a note of its number, for the
time before it holds leases: while it downloads a model, makes quants or plans. This module knows
commands, files and signals. It does not know screens, nor how a sweep is carried out.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

import psutil

from llprobe.errors import RunError, StoreError, UsageError
from llprobe.files import make_private
from llprobe.logbook import log_path
from llprobe.plan import Plan
from llprobe.store import Store
from llprobe.sweep import SweepSpec, to_yaml

__all__ = ["Again", "alive", "carry_on", "log_of", "start", "stop", "sweep_file"]

Again = Literal["resume", "retry"]
"""Go on with what is not done, or only with what has failed."""

_BELOW: Final = "sweeps"
"""The folder, beside the database, of the files that sweeps were started with."""

_children: Final[dict[int, subprocess.Popen[bytes]]] = {}
"""Processes that this one started: one that has ended must be waited for, or it seems to live."""
_one_at_a_time: Final = threading.Lock()


def log_of(db: Path, name: str) -> Path:
    """Return the log of a sweep; `name` is the first 8 digits of its id where it has no name."""
    # `log_path` looks at the name and the id only
    return log_path(db, Plan(name, (), name))


def sweep_file(db: Path, name: str) -> Path:
    """Return where the file of a sweep that is started from here lies."""
    return db.parent / _BELOW / f"{db.stem}-{name}.yaml"


def start(db: Path, spec: SweepSpec, pull: Sequence[str] = ()) -> int:
    """Start a sweep that has a name, after downloading the models to `pull`; return its process.

    Raises UsageError where it runs already, RunError where it cannot be started.
    """
    file = sweep_file(db, spec.name)
    text = to_yaml(spec)
    pulls = [["models", "pull", model] for model in pull]
    with _one_at_a_time:
        _refuse_twice(db, spec.name)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        except OSError as problem:
            raise RunError(f"cannot write {file}: {problem.strerror}") from problem
        return _begin(db, spec.name, [*pulls, ["sweep", "run", str(file), "--db", str(db)]])


def carry_on(db: Path, name: str, how: Again) -> int:
    """Start a process that goes on with a stored sweep; return it.

    Raises UsageError where it runs already, RunError where it cannot be started.
    """
    with _one_at_a_time:
        _refuse_twice(db, name)
        return _begin(db, name, [["sweep", how, name, "--db", str(db)]])


def _refuse_twice(db: Path, name: str) -> None:
    pid = alive(db, name)
    if pid is not None:
        raise UsageError(f"{name} is running already, in process {pid}: pause or cancel it first")


def _begin(db: Path, name: str, commands: Sequence[Sequence[str]]) -> int:
    """Start commands, one after the other as long as they succeed, as one process."""
    python = [sys.executable, "-P", "-m", "llprobe"]
    *before, last = [shlex.join([*python, *words]) for words in commands]
    script = " && ".join([*before, f"exec {last}"])
    log = log_of(db, name)
    try:
        make_private(log)
        with log.open("ab") as said:
            child = subprocess.Popen(
                ["/bin/sh", "-c", script],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,
            )
        _note_or_end(child, _note(db, name))
    except OSError as problem:
        raise RunError(f"cannot start the sweep {name}: {problem.strerror}") from problem
    _children[child.pid] = child
    return child.pid


def _note_or_end(child: subprocess.Popen[bytes], note: Path) -> None:
    """Note which process it is; one of which nothing can be noted would not be found again."""
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(json.dumps([child.pid, _born(child.pid)]), encoding="utf-8")
    except OSError:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        raise


def alive(db: Path, name: str) -> int | None:
    """Return the process on this machine that was started for a sweep, None where it has ended."""
    try:
        pid, born = json.loads(_note(db, name).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return None
    child = _children.get(pid)
    if child is not None and child.poll() is not None:
        return None
    found = _born(pid)
    return pid if found is not None and found == born else None


def stop(db: Path, name: str, wanted: Literal["pause", "cancel"]) -> str:
    """Ask whoever works on a sweep to pause or cancel; return what was asked, in words.

    A process that does not score yet cannot pause; to cancel, it is ended. Raises UsageError where
    nobody works on the sweep.
    """
    if _asked(db, name, wanted):
        return f"asked to {wanted}: it stops after its batch"
    pid = alive(db, name)
    if pid is None:
        raise UsageError(f"{name} is not running: there is nothing to {wanted}")
    if wanted == "pause":
        raise UsageError(f"{name} does not score yet: wait until it does, or cancel it")
    with suppress(ProcessLookupError):  # it has just ended by itself
        os.killpg(pid, signal.SIGTERM)
    return "cancelled before anything was scored"


def _asked(db: Path, name: str, wanted: str) -> bool:
    """Ask the holders of a run's leases; False where there are none, or no such run yet."""
    try:
        with Store(db, create=False) as store:
            run = store.find_run(name)
            if store.workers(run):
                store.ask(run, wanted)
                return True
    except (UsageError, StoreError):
        if alive(db, name) is None:
            raise
    return False


def _note(db: Path, name: str) -> Path:
    return sweep_file(db, name).with_suffix(".process")


def _born(pid: int) -> float | None:
    """Return when a process that lives was started; its number alone may be another's by now."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.Error:
        return None
