"""Limits on what a stranger's file may do: a child process reads it, within time and memory.

A function that is `bounded` runs in that child wherever it reads what llprobe did not bring
itself. The child (reader.py) goes on to the next call, so that only the first of a command pays
for its start; one that grew large or died is replaced.
"""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import wraps
from multiprocessing import Pipe
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Final, ParamSpec, TypeVar

import psutil

from llprobe.errors import LlprobeError, TaskError
from llprobe.settings import ReadingLimits, reading_limits

__all__ = ["Call", "Raised", "bounded", "stay_here"]

P = ParamSpec("P")
R = TypeVar("R")

_LOOK: Final = 0.1
"""Seconds between two looks at a child's memory."""
_PATIENCE: Final = 10
"""A child that computes little, on a busy machine or a slow disk, has so many times its seconds."""
_LARGE: Final = 256 << 20
"""Bytes of a child that is not kept for the next call."""
_FRESH: Final = 50.0
"""Seconds for which a child is kept; soon after that it ends by itself."""
_MEMORY = (
    "stopped, for it takes more than {0.megabytes:g} MB of memory; LLPROBE_READ_MB allows more"
)
_TIME = "stopped, for it takes more than {0.seconds:g} s; LLPROBE_READ_SECONDS allows more"


@dataclass(frozen=True, slots=True)
class Call:
    """What a child is to do, and where."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    limits: ReadingLimits
    folder: str
    """The caller's working directory; empty where that is gone."""
    environ: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Raised:
    """The error in which a call ended."""

    error: Exception


def bounded(
    reads: Callable[..., str], error: type[LlprobeError] = TaskError
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a module's function so that it reads within `settings.reading_limits`.

    `reads` is given the call's arguments and returns what is read, for messages; empty where
    nothing but llprobe's own files is, which needs no child. Arguments, result and exceptions must
    be picklable. The call raises `error` where a limit is reached or the child dies.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            subject = "" if _within else reads(*args, **kwargs)
            if not subject:
                return function(*args, **kwargs)
            limits = reading_limits()
            try:
                answer = _answer(Call(call, args, kwargs, limits, _folder(), dict(os.environ)))
            except _DeathError as death:
                raise error(f"{subject}: {death}") from death
            if isinstance(answer, Raised):
                if isinstance(answer.error, MemoryError):
                    raise error(f"{subject}: {_MEMORY.format(limits)}")
                raise answer.error
            result: R = answer
            return result

        return call

    return decorate


def stay_here() -> None:
    """Let bounded functions run in this process from now on: it is a child with limits."""
    global _within  # noqa: PLW0603 - a process becomes a reader once, for good
    _within = True


_within = False


class _DeathError(Exception):
    """A child that ended without an answer; the text says why."""


class _Reader:
    """One child process."""

    def __init__(self) -> None:
        self._pipe, theirs = Pipe()
        self._noise = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `end`
        with theirs:
            # -P: a folder with a file json.py in it must not be where Python imports from
            command = [sys.executable, "-P", "-m", "llprobe.task.reader", str(theirs.fileno())]
            self._child = subprocess.Popen(
                command, pass_fds=(theirs.fileno(),), stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL, stderr=self._noise, process_group=0,
            )  # fmt: skip
        self._process = psutil.Process(self._child.pid)
        self._used = time.monotonic()

    def waits(self) -> bool:
        """Whether the child is there for another call."""
        return self._child.poll() is None and time.monotonic() - self._used < _FRESH

    def answer(self, call: Call) -> Any:
        """Return what the child answers; raises _DeathError where it ends instead."""
        try:
            self._pipe.send(call)
            self._watch(call.limits)
            return self._pipe.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError, UnpicklingError) as problem:
            self._pipe.close()
            raise _DeathError(self._why(self._child.wait(), call.limits)) from problem
        finally:
            self._used = time.monotonic()

    def _watch(self, limits: ReadingLimits) -> None:
        """Wait for an answer; end a child that the system's own limits do not bind."""
        end = time.monotonic() + _PATIENCE * limits.seconds
        while not self._pipe.poll(_LOOK):
            if time.monotonic() > end:
                raise _DeathError(_TIME.format(limits))
            if self.memory() > limits.megabytes * 1e6:
                raise _DeathError(_MEMORY.format(limits))

    def memory(self) -> float:
        """Bytes that the child holds; 0 where it has ended."""
        with suppress(psutil.Error):
            return float(self._process.memory_info().rss)
        return 0.0

    def _why(self, code: int, limits: ReadingLimits) -> str:
        if code == -signal.SIGXCPU:
            return _TIME.format(limits)
        self._noise.seek(0)
        lines = self._noise.read().decode(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"exit code {code}"
        return f"the process that read it ended with {name} ({last[:200]})"

    def end(self) -> None:
        """Kill the child, and close what leads to it."""
        with self._child:
            self._child.kill()
        self._pipe.close()
        self._noise.close()


_idle: list[_Reader] = []
"""At most one child that waits for a call; a thread that finds none starts its own."""


def _answer(call: Call) -> Any:
    """Return the result of a call in a child, or what it raised; raises _DeathError."""
    try:
        reader = _waiting() or _Reader()
    except OSError as problem:
        raise _DeathError(f"no process to read it can be started ({problem.strerror})") from problem
    kept = False
    try:
        answer = reader.answer(call)
        kept = not _idle and reader.memory() < _LARGE
    finally:
        if kept:
            _idle.append(reader)
        else:
            reader.end()
    return answer


def _waiting() -> _Reader | None:
    """Return a child that waits for a call; None where there is none."""
    with suppress(IndexError):  # another thread may take it first
        reader = _idle.pop()
        if reader.waits():
            return reader
        reader.end()
    return None


def _folder() -> str:
    try:
        return str(Path.cwd())
    except OSError:
        return ""


def _end_all() -> None:
    while _idle:
        _idle.pop().end()


atexit.register(_end_all)
# the child listens to one process: a fork starts its own
os.register_at_fork(after_in_child=_idle.clear)
