"""Child processes that carry requests out: start, listen, stop, and say how a child died.

The parent never loads a model: a crash of llama.cpp ends a child, not the command or its
interface. This module knows processes and pipes. It does not know runs, stores or scores.
"""

from __future__ import annotations

import math
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import IO, Final, Self, TypeVar

import psutil

from llprobe import errors
from llprobe.errors import LlprobeError, RunError
from llprobe.events import Event, Failed, Request
from llprobe.lastwords import servers_of
from llprobe.printable import one_line
from llprobe.settings import patience

__all__ = ["STALLED", "Cancel", "ask", "call", "raise_failure"]

STALLED: Final = math.inf
"""No limit of the caller's own: a child may be silent for as long as `settings.patience` says."""
_TICK: Final = 0.5
_LOOK: Final = 0.5
_GRACE: Final = 8.0
"""Seconds in which a child that was asked to stop must have finished its group of items."""
_LAST: Final = 30.0
"""Seconds in which a child must end that has said everything."""
_ABANDONED: Final = 2.0
"""Seconds in which a child must end whose parent does not listen any more."""
Answer = TypeVar("Answer")


class Cancel:
    """Asks a running child to stop: once = finish the group at hand, twice = stop now.

    A child that has not finished its group after `_GRACE` seconds is stopped as well.
    Safe to call from a signal handler or another thread.
    """

    def __init__(self) -> None:
        self.requests = 0
        self._since = math.inf
        self.asked: Callable[[str], None] = lambda _: None
        """Is told what is wanted where it is somebody else who asks."""
        self._child: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None

    def attach(self, child: subprocess.Popen[bytes], pipe: Connection | None = None) -> None:
        """Name the child that is to be stopped, by a word once it has a pipe that it listens to.

        What was asked for before is done at once.
        """
        self._child, self._pipe = child, pipe
        if self.requests:
            self._tell()

    def request(self, wanted: str = "") -> None:
        """Ask to stop, since that is `wanted` elsewhere; the second time, kill."""
        self.requests += 1
        self._since = min(self._since, time.monotonic())
        self._tell()
        if wanted:
            self.asked(wanted)

    def overdue(self) -> bool:
        """Whether a child has had its time to finish its group."""
        return time.monotonic() - self._since > _GRACE

    def _tell(self) -> None:
        if self._child and self.requests > 1:
            self._child.kill()
        elif self._pipe:
            with suppress(OSError):  # it has ended by itself
                self._pipe.send("stop")


def call(
    request: Request,
    cancel: Cancel | None = None,
    tick: Callable[[], None] | None = None,
    stalled: float = STALLED,
) -> Generator[Event, None, None]:
    """Carry `request` out in a child process and yield its events; the last may be a `Failed`.

    `tick` is called about twice a second, but not in the middle of an event. A child that neither
    says anything nor uses a processor for `stalled` seconds is killed, also where it has begun to
    say something. Raises UsageError where the environment's own limits are no numbers.
    """
    cancel, limits = cancel or Cancel(), patience()
    of = f"{request.model.name}: " if request.model else ""
    ours, theirs = Pipe()
    with tempfile.TemporaryFile() as noise, ours:
        with theirs:
            child = _start(theirs.fileno(), noise)
        watch = _Watch(child, cancel, min(stalled, limits.stalled), limits.silent)
        seconds = _ABANDONED
        try:
            with watch, suppress(BrokenPipeError, ConnectionResetError):  # how it died: see below
                # a word to stop must not fall into the middle of the request
                cancel.attach(child)
                watch.during(lambda: ours.send(request))
                cancel.attach(child, ours)
                yield from _listen(ours, watch, tick or (lambda: None))
            seconds = _LAST
        finally:
            ours.close()
            code = _end(child, seconds)
        if watch.hung:
            said = _hung(watch.silence, servers_of(request))
            yield Failed("RunError", of + said, 1, _last_lines(noise))
        elif code != 0 and not cancel.requests:
            death = _death(code, noise)
            yield replace(death, message=of + death.message)


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


def raise_failure(failed: Failed) -> None:
    """Raise, in this process, the error that a worker reported."""
    kind = getattr(errors, failed.kind, RunError)
    error: LlprobeError = RunError(failed.message)
    if issubclass(kind, LlprobeError) and kind is not errors.UnknownName:
        error = kind(failed.message)
    raise error


class _Watch:
    """Looks after a silent child: it hangs if it uses no processor, or is silent for hours.

    A context manager: a thread goes on looking while the parent can not, in the middle of what is
    said. Time is counted from look to look, so what this process slept through does not count.
    """

    def __init__(
        self, child: subprocess.Popen[bytes], cancel: Cancel, stalled: float, silent: float
    ) -> None:
        self.hung = False
        self.idle = self.silence = 0.0
        """Seconds since the child was seen to work, and since it said something."""
        self._child, self._cancel = child, cancel
        self._stalled, self._silent = stalled, silent
        self._looked, self._used = time.monotonic(), -1.0
        self._lock, self._over = threading.Lock(), threading.Event()
        self._busy = False
        self._thread = threading.Thread(target=self._go_on_looking, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(timeout=1)  # where Python itself is ending, it does not run any more

    def during(self, work: Callable[[], Answer]) -> Answer:
        """Do what may wait for the child in the middle, looking after it meanwhile."""
        self.heard()
        self._busy = True
        try:
            done = work()
        finally:
            self._busy = False
        self.heard()
        return done

    def _go_on_looking(self) -> None:
        # a signal that came to this thread would not wake the other one, which is to hear it
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        while not self._over.wait(_LOOK):
            if self._busy:
                self.look()

    def heard(self) -> None:
        """Note that the child said something."""
        with self._lock:
            if not self.hung:  # else it is its end that is heard
                self.idle = self.silence = 0.0
            self._looked = time.monotonic()

    def look(self) -> None:
        """Kill the child if it hangs, or was asked to stop and does not."""
        if self._cancel.overdue():
            self._child.kill()
        used = self._seconds_used()
        with self._lock:
            now = time.monotonic()
            # looks come twice a second; in what is more, this process was stopped or busy
            passed = min(now - self._looked, 2 * _LOOK)
            self._looked, self.silence = now, self.silence + passed
            worked = used is None or used > self._used
            self.idle = 0.0 if worked else self.idle + passed
            self._used = self._used if used is None else used
            if self.idle > self._stalled or self.silence > self._silent:
                self.hung = True
                self._child.kill()

    def _seconds_used(self) -> float | None:
        try:
            times = psutil.Process(self._child.pid).cpu_times()
        except psutil.Error:  # it has just ended, which its pipe will say
            return None
        return float(times.user + times.system)


def _start(fd: int, noise: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start a worker on `fd`, in a process group of its own so that Ctrl-C reaches only us.

    Its stdin is its lifeline.
    """
    # without this, ggml starts a debugger when it aborts
    env = os.environ | {"GGML_NO_BACKTRACE": "1"}
    command = [sys.executable, "-P", "-m", "llprobe.worker", str(fd)]
    return subprocess.Popen(
        command, pass_fds=(fd,), stdin=subprocess.PIPE, stdout=noise, stderr=noise,
        env=env, process_group=0,
    )  # fmt: skip


def _listen(pipe: Connection, watch: _Watch, tick: Callable[[], None]) -> Iterator[Event]:
    ticked = time.monotonic()
    while True:
        if time.monotonic() - ticked >= _TICK:
            ticked = time.monotonic()
            tick()
        try:
            if not pipe.poll(_TICK):
                watch.look()
                continue
            event: Event = watch.during(pipe.recv)
        except (EOFError, OSError):
            return  # closed, perhaps in the middle of an event
        except (pickle.UnpicklingError, AttributeError, ImportError, IndexError) as error:
            yield Failed("RunError", f"the worker sent what is no event: {error}", 1)
            return
        yield _in_one_line(event) if isinstance(event, Failed) else event


def _in_one_line(failed: Failed) -> Failed:
    """Return a failure as people and logs are told it."""
    return replace(failed, message=one_line(failed.message))


def _end(child: subprocess.Popen[bytes], seconds: float) -> int:
    """Wait for a child whose pipe is closed; one that does not end in time is killed."""
    try:
        return child.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()
    finally:
        if child.stdin:  # its lifeline: not before it has ended by itself
            child.stdin.close()


def _last_lines(noise: IO[bytes]) -> tuple[str, ...]:
    noise.seek(0)
    return tuple(line for line in noise.read().decode(errors="replace").splitlines() if line)[-8:]


def _hung(silence: float, servers: Sequence[str]) -> str:
    """Say that a child hung, and what to do; `servers` are those that it may have waited for."""
    said = f"the worker hung: nothing was heard of it for {silence:.0f} s, and it was stopped; "
    if servers:
        return said + (
            f"perhaps RPC server {', '.join(servers)} does not answer any more: look there and run "
            "it again, with a larger LLPROBE_STALL (seconds) if the server was only busy"
        )
    return said + "run it again, and try -ngl 0 if it hangs again"


def _death(code: int, noise: IO[bytes]) -> Failed:
    """Describe a child that ended without saying why."""
    log = _last_lines(noise)
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
