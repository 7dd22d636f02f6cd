"""A run's line to the workers: orders go out, messages come back, one sign says to stop.

Messages wait in a queue at the scheduler. Whatever is lost on the way ends in one line that says
what to do. This module knows dask's client. It does not know what is said.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from llprobe.cluster.asking import LIMIT, begin, python_of
from llprobe.cluster.greeting import introduce
from llprobe.cluster.orders import Lost, Message, Order, Outcome, pack, unpack
from llprobe.cluster.start import named, score_at
from llprobe.errors import RunError

__all__ = ["Link", "told"]

Answer = TypeVar("Answer")
_GIVEN_UP: Final = {"KilledWorker", "FutureCancelledError"}
"""What dask itself says of work whose worker was lost."""


class Link:
    """A context manager; at its end nothing of the run is left at the scheduler.

    A process that is killed cannot see to that: its queue stays there until the scheduler ends,
    with what was said until its workers noticed. Every method raises RunError where the scheduler
    is gone.
    """

    def __init__(self, client: Any, where: str, run: str) -> None:
        self.where, self.run = where, run
        self._client = client
        self._futures: list[Any] = []
        self._asking: list[Future[Any]] = []
        self._n_lost = 0
        dask = importlib.import_module("distributed")
        self._queue = self._asked(lambda: dask.Queue(run, client=client))
        self._stop = self._asked(lambda: dask.Event(run, client=client))

    def send(self, order: Order, address: str, start: str) -> Any:
        """Give an order to that start of the worker at `address` and no other; return its future.

        Where it is lost, nobody else is given the order by itself.
        """
        self._forget()
        data = pack(order)
        future = self._submit(score_at, start, data, address=address, key=order.share, retries=0)
        self._futures.append(future)
        return future

    def _forget(self) -> None:
        """Let go of the orders that have ended; count those whose worker did not end them."""
        done = [future for future in self._futures if future.done()]
        self._n_lost += sum(future.status != "finished" for future in done)
        self._futures = [future for future in self._futures if future not in done]

    def python(self, address: str) -> Future[Any]:
        """Ask the worker at `address` for its Python; return the future of `python_of`'s answer."""
        asked = self._asked(lambda: begin(self._client, lambda: python_of(self._client, address)))
        self._asking = [*(each for each in self._asking if not each.done()), asked]
        return asked

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
        """Return the workers there are: by what names this start of each its address and name."""
        there = self._asked(lambda: self._client.scheduler_info(n_workers=-1)["workers"])
        return {
            named(address, info["local_directory"]): (address, str(info["name"]))
            for address, info in there.items()
        }

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
        # whoever interrupts it in the middle does so since nobody answers there
        if self._client.status != "running" or kind is KeyboardInterrupt:
            return
        self._forget()
        # where the scheduler goes at this very moment, it takes all of this with it
        with suppress(OSError, TimeoutError, CancelledError):
            for future in (*self._futures, *self._asking):
                future.cancel()
            self._stop.clear()
            for _each in range(self._n_lost + 1):  # a worker that was lost has not let go of it
                self._queue.close()


def told(future: Any) -> Outcome | Lost | str:
    """Return how an order ended whose future is done: what the worker says, or its error."""
    if future.status == "error":
        return _error(future.exception())
    if future.status != "finished":
        return Lost()
    try:
        outcome: Outcome = future.result(timeout=LIMIT)
    except (OSError, TimeoutError, CancelledError) as problem:  # lost since it has ended
        return Lost(str(problem))
    return outcome


def _error(problem: BaseException) -> Lost | str:
    said = " ".join(str(problem).split())
    if type(problem).__name__ in _GIVEN_UP:
        return Lost()
    # all that a worker itself does in files and processes is said in events: this was the way
    return Lost(said) if isinstance(problem, OSError | TimeoutError) else said
