"""What runs on a worker: a share of a run, in a child process as on one machine.

Each event of the child goes into a queue at the scheduler as it comes. Between two groups the
worker looks whether its share is still wanted; where nobody wants it any more, the scheduler is
gone or the share was taken back, it stops at once. What fails before the model is loaded counts as
what this machine lacks, so that another one tries. This module knows both ends of a share. It
does not know the store, nor which other workers there are.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import closing, contextmanager
from dataclasses import replace
from importlib import import_module
from itertools import chain
from typing import Any, Final

from llprobe.children import Cancel, call
from llprobe.cluster.bring import bring
from llprobe.cluster.orders import Message, Order, Outcome, pack, unpack
from llprobe.errors import LlprobeError
from llprobe.events import Event, Failed

__all__ = ["score"]

_LOOK: Final = 0.5
_UNREAD: Final = 200
"""Messages that may wait at the scheduler; beyond that a worker waits, lest they fill it."""
_COUNT: Final = 16
_NOW: Final = 2
_SILENT: Final = "the process that was to load it ended without a word"

_one = threading.Lock()
"""A worker computes one share at a time, however many threads it has."""


def score(data: bytes) -> Outcome:
    """Compute a packed `Order`, sending what happens; return how many messages that were.

    Raises ConnectionError where the scheduler does not answer any more: what was said may be lost.
    """
    order: Order = unpack(data)
    with _line(order) as line:
        while not _one.acquire(timeout=_LOOK):
            if line.asked():
                return line.outcome()
        try:
            return line.outcome(_carried_out(order, line))
        finally:
            _one.release()


def _carried_out(order: Order, line: _Line) -> str:
    """Return why this machine cannot run the model; empty where it can, or is not to any more."""
    cancel = Cancel()
    try:
        model = bring(order.wanted, line.say, lambda: line.asked() > 0)
        events = call(replace(order.request, model=model), cancel, lambda: _obey(line, cancel))
        first = next(events, None)
    except (LlprobeError, OSError) as error:
        return "" if line.asked() else str(error) or repr(error)
    with closing(events):
        if first is None or isinstance(first, Failed):
            return "" if line.asked() else first.message if first else _SILENT
        for event in chain([first], events):
            line.say(event)
    return ""


def _obey(line: _Line, cancel: Cancel) -> None:
    for _ in range(line.asked() - cancel.requests):
        cancel.request()


class _Line:
    """The way to whoever gave an order.

    Where the scheduler is gone, nothing more is sent, the share is to end now, and its outcome is
    an error: that is remembered, since in the middle it might be taken for one of files.
    """

    def __init__(self, order: Order, queue: Any, stop: Any, worker: Any) -> None:
        self._n_said = 0
        self._share, self._queue, self._stop, self._worker = order.share, queue, stop, worker
        self._asked, self._looked = 0, 0.0
        self._lost: Exception | None = None

    def say(self, said: Event | str) -> None:
        """Send an event, or a line for a person."""
        if self._lost is None:
            with self._reaching():
                self._wait_for_room()
                self._queue.put(pack(Message(self._share, self._n_said, said)))
                self._n_said += 1

    def asked(self) -> int:
        """Return 1 if the share is to end after its group, 2 if it is to end now, else 0."""
        if time.monotonic() - self._looked >= _LOOK and self._lost is None:
            with self._reaching():
                self._asked = max(self._asked, self._look())
            self._looked = time.monotonic()
        return self._asked

    def outcome(self, lacks: str = "") -> Outcome:
        """Return how the share ended; raises ConnectionError where nobody was there to hear it."""
        if self._lost is not None:
            raise ConnectionError("the scheduler does not answer any more") from self._lost
        return Outcome(self._n_said, lacks)

    def _wait_for_room(self) -> None:
        while self._n_said % _COUNT == 0 and self._queue.qsize() > _UNREAD and self.asked() < _NOW:
            time.sleep(_LOOK)

    def _look(self) -> int:
        task = self._worker.state.tasks.get(self._share)
        if task is None or task.state not in {"executing", "long-running"}:
            return _NOW  # taken back, or whoever asked is gone
        return int(self._stop.is_set())

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        """Remember it where the scheduler is not there any more."""
        try:
            yield
        except (OSError, TimeoutError, CancelledError) as problem:
            self._lost, self._asked = problem, _NOW


@contextmanager
def _line(order: Order) -> Iterator[_Line]:
    dask: Any = import_module("distributed")
    client = dask.get_client()
    queue = dask.Queue(order.run, client=client)
    try:
        yield _Line(order, queue, dask.Event(order.run, client=client), dask.get_worker())
    finally:
        queue.close()
