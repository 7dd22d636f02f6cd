"""A run's line to the workers: orders go out, messages come back, one sign says to stop.

Messages wait in a queue at the scheduler. Whatever is lost on the way ends in one line that says
what to do. This module knows dask's client. It does not know what is said.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar

from llprobe.cluster import work
from llprobe.cluster.greeting import introduce
from llprobe.cluster.orders import Message, Order, pack, unpack
from llprobe.errors import RunError

__all__ = ["Link"]

Answer = TypeVar("Answer")


class Link:
    """A context manager; at its end nothing of the run is left at the scheduler.

    Every method raises RunError where the scheduler is gone.
    """

    def __init__(self, client: Any, where: str, run: str) -> None:
        self.where, self.run = where, run
        self._client = client
        self._futures: list[Any] = []
        dask = importlib.import_module("distributed")
        self._queue = self._asked(lambda: dask.Queue(run, client=client))
        self._stop = self._asked(lambda: dask.Event(run, client=client))

    def send(self, order: Order, address: str) -> Any:
        """Give an order to the worker at `address` and no other; return its future."""
        self._futures = [future for future in self._futures if not future.done()]
        future = self._submit(work.score, pack(order), address=address, key=order.share)
        self._futures.append(future)
        return future

    def greet(self, address: str, packages: Sequence[str]) -> Any:
        """Ask the worker at `address` who it is; return the future of `introduce`'s answer."""
        return self._submit(introduce, tuple(packages), address=address)

    def _submit(self, work: Callable[..., Any], *data: Any, address: str, **more: Any) -> Any:
        return self._asked(
            lambda: self._client.submit(
                work, *data, workers=[address], allow_other_workers=False, pure=False, **more
            )
        )

    def workers(self) -> dict[str, tuple[str, str]]:
        """Return the workers there are: by dask's id of each its address and name."""
        there = self._asked(lambda: self._client.scheduler_info(n_workers=-1)["workers"])
        return {info["id"]: (address, str(info["name"])) for address, info in there.items()}

    def messages(self) -> list[Message]:
        """Return what has come since the last look, in order."""
        return [unpack(data) for data in self._asked(lambda: self._queue.get(batch=True))]

    def ask_to_stop(self) -> None:
        """Ask the workers to stop after the group at hand."""
        self._asked(self._stop.set)

    def _asked(self, question: Callable[[], Answer]) -> Answer:
        if self._client.status != "running":  # else it would wait until one is there again
            raise self._gone()
        try:
            return question()
        except (OSError, TimeoutError, CancelledError) as problem:
            raise self._gone() from problem

    def _gone(self) -> RunError:
        return RunError(
            f"the scheduler at {self.where} is gone: what is scored is stored; start it and its "
            "workers again, and the same command continues"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if self._client.status != "running":
            return
        # where the scheduler goes at this very moment, it takes all of this with it
        with suppress(OSError, TimeoutError, CancelledError):
            for future in self._futures:
                future.cancel()
            self._stop.clear()
            self._queue.close()
