"""Runs requests in child processes: start, listen, store, stop, and say how a child died.

The parent never loads a model: a crash of llama.cpp ends a child, not the command or its
interface. `run` is what every front end consumes; each event is stored before it is passed on.
This module knows processes and the order of things. It does not know scores or screens.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import IO, TypeVar

from llprobe import errors
from llprobe.errors import LlprobeError, RunError
from llprobe.events import (
    Event,
    Failed,
    GroupScored,
    JobDone,
    JobStarted,
    ModelLoaded,
    Request,
    ScoreRequest,
)
from llprobe.model import ModelInfo
from llprobe.plan import Job, Plan
from llprobe.store import Store

__all__ = ["Cancel", "ask", "call", "raise_failure", "run"]


Answer = TypeVar("Answer")


class Cancel:
    """Asks a running child to stop: once = finish the group at hand, twice = stop now.

    Safe to call from a signal handler or another thread.
    """

    def __init__(self) -> None:
        self.requests = 0
        self._child: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None

    def attach(self, child: subprocess.Popen[bytes], pipe: Connection) -> None:
        """Name the child that is to be stopped; one that was asked for before is told at once."""
        self._child, self._pipe = child, pipe
        if self.requests:
            self._tell()

    def request(self) -> None:
        """Ask to stop; the second time, kill."""
        self.requests += 1
        self._tell()

    def _tell(self) -> None:
        if self._child is None or self._pipe is None:
            return
        if self.requests > 1:
            self._child.kill()
            return
        with suppress(OSError):  # it has ended by itself
            self._pipe.send("stop")


def call(request: Request, cancel: Cancel | None = None) -> Iterator[Event]:
    """Carry `request` out in a child process and yield its events; the last may be a `Failed`."""
    cancel = cancel or Cancel()
    ours, theirs = Pipe()
    with tempfile.TemporaryFile() as noise, ours:
        with theirs:
            child = _start(theirs.fileno(), noise)
        try:
            with suppress(BrokenPipeError, ConnectionResetError):  # how it died is said below
                ours.send(request)
                # not before: a word to stop must not fall into the middle of the request
                cancel.attach(child, ours)
                yield from _listen(ours)
        finally:
            ours.close()
            code = _end(child)
        if code != 0 and not cancel.requests:
            yield _death(code, noise)


def ask(request: Request, kind: type[Answer]) -> Answer:
    """Carry `request` out and return its one event of that kind; raise what the worker reports.

    KeyboardInterrupt where the worker was stopped before.
    """
    for event in call(request):
        if isinstance(event, Failed):
            raise_failure(event)
        if isinstance(event, kind):
            return event
    raise KeyboardInterrupt


def _start(fd: int, noise: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start a worker on `fd`, in a process group of its own so that Ctrl-C reaches only us."""
    # without this, ggml starts a debugger when it aborts
    env = os.environ | {"GGML_NO_BACKTRACE": "1"}
    command = [sys.executable, "-m", "llprobe.worker", str(fd)]
    return subprocess.Popen(
        command, pass_fds=(fd,), stdin=subprocess.DEVNULL, stdout=noise, stderr=noise,
        env=env, process_group=0,
    )  # fmt: skip


def _listen(pipe: Connection) -> Iterator[Event]:
    while True:
        try:
            event: Event = pipe.recv()
        except (EOFError, OSError):
            return  # closed, perhaps in the middle of an event
        except (pickle.UnpicklingError, AttributeError, ImportError, IndexError) as error:
            yield Failed("RunError", f"the worker sent what is no event: {error}", 1)
            return
        yield event


def _end(child: subprocess.Popen[bytes]) -> int:
    """Wait for a child whose pipe is closed; one that does not end is killed."""
    try:
        return child.wait(timeout=30)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


def _death(code: int, noise: IO[bytes]) -> Failed:
    """Describe a child that ended without saying why."""
    noise.seek(0)
    log = tuple(line for line in noise.read().decode(errors="replace").splitlines() if line)[-8:]
    if code >= 0:
        return Failed(
            "RunError", f"the worker ended with exit code {code}: {' | '.join(log)}", 1, log
        )
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    hint = {
        "SIGKILL": "killed, perhaps for memory: try a smaller quant, -b or --buffer-mb",
        "SIGABRT": "llama.cpp gave up: see its last lines",
        "SIGSEGV": "llama.cpp crashed: see its last lines, and try -ngl 0",
        "SIGILL": "llama.cpp was built for another processor: reinstall llama-cpp-python",
    }.get(name, "it was ended from outside")
    said = f" ({' | '.join(log[-2:])})" if log else ""
    return Failed("RunError", f"the worker died of {name}: {hint}{said}", 1, log)


def raise_failure(failed: Failed) -> None:
    """Raise, in this process, the error that a worker reported."""
    kind = getattr(errors, failed.kind, RunError)
    error: LlprobeError = RunError(failed.message)
    if issubclass(kind, LlprobeError) and kind is not errors.UnknownName:
        error = kind(failed.message)
    raise error


def run(
    plan: Plan, store: Store, command: str, cancel: Cancel | None = None, *, fresh: bool = False
) -> Iterator[Event]:
    """Compute what of `plan` is not stored yet; store each event, then yield it.

    A model that fails is stored as failed and the next one is tried. Ends when all is done, or
    after `cancel`; the run's status says which.
    """
    cancel = cancel or Cancel()
    store.begin(plan, command, fresh=fresh)
    status = "stopped"
    failed = False
    try:
        for model, jobs in plan.jobs():
            todo = [job for job in jobs if not all(store.is_done(cell.id) for cell in job.cells)]
            for event in _run_model(model, todo, store, cancel) if todo else ():
                failed = failed or isinstance(event, Failed)
                yield event
            if cancel.requests:
                return
        status = "failed" if failed else "done"
    finally:
        store.end(plan.id, status)


def _run_model(
    model: ModelInfo, jobs: Sequence[Job], store: Store, cancel: Cancel
) -> Iterator[Event]:
    cells = [cell.id for job in jobs for cell in job.cells]
    done = {cell: store.done_groups(cell) for cell in cells}
    for event in call(ScoreRequest(model, tuple(jobs), done), cancel):
        _keep(event, cells, store)
        yield event


def _keep(event: Event, cells: Sequence[str], store: Store) -> None:
    match event:
        case ModelLoaded(record=record):
            store.record_model(cells, record)
        case JobStarted():
            store.start_job(event)
        case GroupScored():
            store.add_group(event)
        case JobDone(cells=finished, phases=phases):
            store.finish_cells(finished, phases)
        case Failed(message=message):
            store.fail_cells(cells, message)
        case _:
            raise TypeError(f"a score request does not yield {type(event).__name__}")
