"""What the tests of clusters share: real schedulers and workers, each a process of its own."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import psutil

from llprobe.cluster import Place, Tls, hired
from llprobe.cluster.dispatch import Dispatch

__all__ = ["Cluster", "child_of", "cluster", "soon"]

SECONDS: Final = 90
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
        self.workers[name] = self._start(
            "worker", self.address, "--name", name, "--nthreads", "1", "--no-nanny",
            "--memory-limit", "0", "--host", "127.0.0.1", "--death-timeout", "30",
            "--local-directory", str(self.folder), **env,
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
        with hired(Place(self.address), Tls(), self.told.append) as hands:
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
    children = psutil.Process(worker.pid).children()
    return next((child for child in children if "llprobe.worker" in child.cmdline()), None)
