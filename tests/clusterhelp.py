"""What the tests of clusters share: schedulers and workers, real ones and those in words only."""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import psutil

from llprobe.cluster import Place, hired
from llprobe.cluster.dispatch import Dispatch
from llprobe.cluster.orders import Message, Order

__all__ = ["PYTHON", "Answer", "Cluster", "Switchboard", "child_of", "cluster", "soon"]

SECONDS: Final = 90
PYTHON: Final = ".".join(platform.python_version_tuple()[:2])
Found = TypeVar("Found")


def soon(look: Callable[[], Found | None], what: str) -> Found:
    """Wait until `look` gives something that is true, and return it."""
    end = time.monotonic() + SECONDS
    while not (found := look()):
        assert time.monotonic() < end, f"it did not come to this: {what}"
        time.sleep(0.01)
    return found


class Cluster:
    """A scheduler, and the workers that are started at it."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.folder, self.workers = folder, dict[str, subprocess.Popen[bytes]]()
        self.told: list[str] = []
        file = folder / "scheduler.json"
        self.scheduler = self._start(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file), **env
        )
        text = soon(lambda: file.exists() and file.read_text("utf-8"), "a scheduler")
        self.address = str(text).split('"address": "')[1].split('"')[0]

    def worker(self, name: str, **env: str) -> "subprocess.Popen[bytes]":
        """Start a worker of that name."""
        return self._worker(name, "--no-nanny", **env)

    def nanny(self, name: str, *words: str) -> "subprocess.Popen[bytes]":
        """Start a worker of that name that is started again where it is killed."""
        return self._worker(name, "--nanny", *words)

    def _worker(self, name: str, *words: str, **env: str) -> "subprocess.Popen[bytes]":
        self.workers[name] = self._start(
            "worker", self.address, "--name", name, "--nthreads", "1",
            "--memory-limit", "0", "--host", "127.0.0.1", "--death-timeout", "30",
            "--local-directory", str(self.folder), *words, **env,
        )  # fmt: skip
        return self.workers[name]

    def suspend(self, name: str) -> None:
        """Let a worker hang: its process is there and does nothing."""
        psutil.Process(self.workers[name].pid).suspend()

    def _start(self, program: str, *words: str, **env: str) -> "subprocess.Popen[bytes]":
        with (self.folder / f"{program}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.dask_{program}", "--no-dashboard",
                 "--dashboard-address", "127.0.0.1:0", *words],
                env=os.environ | env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                process_group=0, cwd=self.folder,
            )  # fmt: skip

    @contextmanager
    def hands(self) -> Iterator[Dispatch]:
        """Give what carries a run out here; what a person is told of it is in `told`."""
        with hired(Place(self.address), self.told.append) as hands:
            yield hands

    def close(self) -> None:
        for process in (*self.workers.values(), self.scheduler):
            process.kill()
            process.wait()


@contextmanager
def cluster(folder: Path, names: Sequence[str] = (), **env: str) -> Iterator[Cluster]:
    """Give a cluster with workers of these names; all of them see `env`."""
    folder.mkdir(exist_ok=True)
    with ExitStack() as stack:
        made = Cluster(folder, **env)
        stack.callback(made.close)
        for name in names:
            made.worker(name, **env)
        yield made


def child_of(worker: "subprocess.Popen[Any]") -> psutil.Process:
    """Wait until a worker has started a child that scores, and return it."""
    return soon(lambda: _scoring(worker), "a child")


def _scoring(worker: "subprocess.Popen[Any]") -> psutil.Process | None:
    # below a nanny, workers are its children and what scores is theirs
    children = psutil.Process(worker.pid).children(recursive=True)
    return next((child for child in children if _scores(child)), None)


def _scores(process: psutil.Process) -> bool:
    try:
        return "llprobe.worker" in process.cmdline()
    except psutil.NoSuchProcess:  # it has just ended
        return False


# --- workers in words ---------------------------------------------------------------------------


class Answer:
    """A future, done unless its status is "pending"."""

    def __init__(self, value: Any = None, status: str = "finished") -> None:
        self.status, self.value = status, value

    def done(self) -> bool:
        """Whether it has an answer."""
        return self.status != "pending"

    def result(self, **_: float) -> Any:
        """Return the answer, or raise it."""
        if isinstance(self.value, Exception):
            raise self.value
        return self.value

    def exception(self) -> Any:
        """Return what went wrong."""
        return self.value

    def cancel(self) -> None:
        """Do as a future of dask's."""
        self.status = "cancelled"

    def ended(self, value: Any, status: str = "finished") -> None:
        """Have an answer from now on."""
        self.status, self.value = status, value


class Switchboard:
    """Stands for a link to workers that answer what the test says; see `link.Link`."""

    where, run = "tcp://here:1", "a run"

    def __init__(self, answers: dict[str, Answer], pythons: dict[str, str] | None = None) -> None:
        self.answers, self.pythons = answers, pythons or {}
        self.starts: dict[str, int] = {}
        self.orders = list[tuple[str, Order, Answer]]()
        """What was sent: to which address, what, and its future."""
        self.said = list[Message]()
        self.greeted = list[str]()
        self.stops = 0

    def workers(self) -> dict[str, tuple[str, str]]:
        """Return who is there; `starts` counts how often each was started again."""
        return {
            f"{name} {self.starts.get(name, 0)}": (f"tcp://{name}:1", name) for name in self.answers
        }

    def python(self, address: str) -> Answer:
        """Say at once which Python a worker has: this one's, if the test names no other."""
        return Answer((self.pythons.get(_name(address), PYTHON), ""))

    def greet(self, address: str, _: object) -> Answer:
        """Answer as the test says."""
        self.greeted.append(address)
        return self.answers[_name(address)]

    def send(self, order: Order, address: str, _: str) -> Answer:
        """Note an order."""
        future = Answer(status="pending")
        self.orders.append((_name(address), order, future))
        return future

    def messages(self) -> list[Message]:
        """Return what the test has said for workers since the last time."""
        said, self.said = self.said, []
        return said

    def ask_to_stop(self) -> None:
        """Note it."""
        self.stops += 1


def _name(address: str) -> str:
    return address.removeprefix("tcp://").removesuffix(":1")
