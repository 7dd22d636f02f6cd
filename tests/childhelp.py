"""Children that are made to fail, what they are asked for, and a note of those that are started.

Some are real workers that fail at a chosen job; others are no workers at all, but do with the pipe
what they are told.
"""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

import pytest
from clihelp import tiny_model, write_questions

from llprobe import children
from llprobe.events import Event, LensRequest
from llprobe.model import read_model
from llprobe.plan import Plan, Sweep, make_plan
from llprobe.settings import EngineSettings
from llprobe.task import TaskRequest

__all__ = [
    "ABLATIONS",
    "N_ITEMS",
    "Starts",
    "hasten",
    "look_at",
    "no_worker",
    "note_starts",
    "of_kind",
    "plan_with",
    "worker",
    "write_files",
]

Start = Callable[[int, IO[bytes]], "subprocess.Popen[bytes]"]

N_ITEMS = 15
ABLATIONS = ("none", "skip:1", "skip:2", "skip:3")


def write_files(folder: Path) -> Path:
    """Write two tiny models and questions."""
    tiny_model(folder, "one", n_layers=8)
    tiny_model(folder, "two", seed=1)
    write_questions(folder / "q.jsonl", N_ITEMS, words=9)
    return folder


def plan_with(files: Path, *models: str, **more: Any) -> Plan:
    """Plan the questions on models, with parts left out."""
    settings = EngineSettings(n_threads=1, n_batch=16)
    requests = (TaskRequest("prompts", data=str(files / "q.jsonl")),)
    infos = tuple(read_model(files / f"{name}.gguf") for name in models)
    return make_plan(Sweep(infos, requests, settings=settings, **more))


def of_kind(events: Sequence[Event], kind: type[Any]) -> list[Any]:
    """Give the events of a kind."""
    return [event for event in events if isinstance(event, kind)]


def look_at(files: Path) -> LensRequest:
    """Ask a child for the lens of one short text."""
    model = read_model(files / "one.gguf")
    return LensRequest(model, EngineSettings(n_threads=1), "the city", "norm", (1,), 1, ())


def _started(command: list[str], fd: int, noise: IO[bytes]) -> "subprocess.Popen[bytes]":
    """Start a command with the pipe `fd` as its last word."""
    return subprocess.Popen(
        [*command, str(fd)], pass_fds=(fd,), stdout=noise, stderr=noise, process_group=0
    )


def no_worker(code: str) -> Start:
    """Start a child that does what `code` says with the pipe `fd`, and knows nothing of us."""
    program = f"import os, signal, sys, time; fd = int(sys.argv[1])\n{code}"
    return lambda fd, noise: _started([sys.executable, "-S", "-c", program], fd, noise)


def worker(sabotage: str) -> Start:
    """Start a real worker after `sabotage`, which may replace what is in `worker`."""
    program = f"""
import os, signal, sys
from llprobe import worker

score_job = worker._score_job


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def job_of(ablation, job):
    return job.first.ablation == ablation

{sabotage}
worker.main(int(sys.argv[1]))
"""
    return lambda fd, noise: _started([sys.executable, "-c", program], fd, noise)


class Starts:
    """Starts children, real workers unless `start` is set, and notes their numbers."""

    def __init__(self) -> None:
        self.real: Start = children._start
        self.start: Start = self.real
        self.pids: list[int] = []

    def __call__(self, fd: int, noise: IO[bytes]) -> "subprocess.Popen[bytes]":
        child = self.start(fd, noise)
        self.pids.append(child.pid)
        return child


def note_starts(monkeypatch: pytest.MonkeyPatch) -> Starts:
    """Have the children of a test started by what is returned."""
    starts = Starts()
    monkeypatch.setattr(children, "_start", starts)
    return starts


def hasten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look after a silent child more often than twice a second."""
    monkeypatch.setattr(children, "_TICK", 0.02)
    monkeypatch.setattr(children, "_LOOK", 0.02)
