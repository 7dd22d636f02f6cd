"""What runs on a worker: a share of a run, in a child process as on one machine.

Each event of the child goes into a queue at the scheduler as it comes. Between two groups the
worker looks whether its share is still wanted; where nobody wants it any more, the scheduler is
gone or the share was taken back, it stops at once. This module knows both ends of a share. It does
not know the store, nor which other workers there are.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from importlib import import_module
from typing import Any, Final

from llprobe.children import Cancel, call
from llprobe.cluster.bring import bring
from llprobe.cluster.orders import Message, Order, Outcome, pack, unpack
from llprobe.errors import LlprobeError
from llprobe.events import Event, Failed, ModelLoaded

__all__ = ["score"]

_LOOK: Final = 0.5
_UNREAD: Final = 200
"""Messages that may wait at the scheduler; beyond that a worker waits, lest they fill it."""
_COUNT: Final = 16

_one = threading.Lock()
"""A worker computes one share at a time, however many threads it has."""


def score(data: bytes) -> Outcome:
    """Compute a packed `Order`, sending what happens; return how many messages that were."""
    order: Order = unpack(data)
    with _line(order) as line:
        while not _one.acquire(timeout=_LOOK):
            if line.asked():
                return Outcome(line.n_said)
        try:
            lacks = _carried_out(order, line)
            return Outcome(line.n_said, lacks)
        finally:
            _one.release()


def _carried_out(order: Order, line: _Line) -> str:
    """Return why this machine cannot run the model; empty where it can."""
    try:
        model = bring(order.wanted, line.say, lambda: line.asked() > 0)
    except LlprobeError as error:
        return "" if line.asked() else str(error)
    cancel = Cancel()
    events = call(replace(order.request, model=model), cancel, lambda: _obey(line, cancel))
    loaded = False
    with closing(events):
        for event in events:
            loaded = loaded or isinstance(event, ModelLoaded)
            if not loaded and isinstance(event, Failed) and event.kind == "ModelTooLarge":
                return event.message
            line.say(event)
    return ""


def _obey(line: _Line, cancel: Cancel) -> None:
    for _ in range(line.asked() - cancel.requests):
        cancel.request()


class _Line:
    """The way to whoever gave an order."""

    def __init__(self, order: Order, queue: Any, stop: Any, worker: Any) -> None:
        self.n_said = 0
        self._share, self._queue, self._stop, self._worker = order.share, queue, stop, worker
        self._asked, self._looked = 0, 0.0

    def say(self, said: Event | str) -> None:
        """Send an event, or a line for a person."""
        while self.n_said % _COUNT == 0 and self._queue.qsize() > _UNREAD and self.asked() < 2:
            time.sleep(_LOOK)
        self._queue.put(pack(Message(self._share, self.n_said, said)))
        self.n_said += 1

    def asked(self) -> int:
        """Return 1 if the share is to end after its group, 2 if it is to end now, else 0."""
        if time.monotonic() - self._looked >= _LOOK:
            self._asked = max(self._asked, self._look())
            self._looked = time.monotonic()
        return self._asked

    def _look(self) -> int:
        task = self._worker.state.tasks.get(self._share)
        if task is None or task.state not in {"executing", "long-running"}:
            return 2  # taken back, or whoever asked is gone
        try:
            return int(self._stop.is_set())
        except (OSError, TimeoutError):
            return 2  # the scheduler is gone: nobody would hear


@contextmanager
def _line(order: Order) -> Iterator[_Line]:
    dask: Any = import_module("distributed")
    client = dask.get_client()
    queue = dask.Queue(order.run, client=client)
    try:
        yield _Line(order, queue, dask.Event(order.run, client=client), dask.get_worker())
    finally:
        queue.close()
