"""What the tests of store, runner and command line share: tiny models, questions, a command line.

Every run is on a tiny random model with one thread. Databases and caches lie in the test's own
folder, and nothing of the caller's environment that begins with LLPROBE_ is seen.
"""

import io
import json
import os
import pty
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from unittest import mock

import psutil
from tinygguf import write_tiny

from llprobe.cli import main
from llprobe.model import read_model
from llprobe.plan import Plan, Sweep, make_plan
from llprobe.settings import EngineSettings
from llprobe.store import Store
from llprobe.task import TaskRequest

__all__ = [
    "Cli",
    "Done",
    "export_rows",
    "on_terminal",
    "plan_of",
    "scores_of",
    "tiny_model",
    "unprivileged",
    "worker_of",
    "workers_of",
    "write_questions",
    "write_rows",
]

_WORDS: Final = ("the", "of", "un", "until", "is", "to", "a", "in", "cap", "capital", "city")


@dataclass(frozen=True)
class Done:
    """A command that ended: its exit code, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The one line that begins with ``error:``, which must be the last on stderr."""
        lines = [line for line in self.err.splitlines() if line]
        assert [line for line in lines if line.startswith("error:")] == lines[-1:], self.err
        assert "Traceback" not in self.err
        return lines[-1]

    @property
    def rows(self) -> Any:
        """What was printed, as JSON."""
        return json.loads(self.out)


class Cli:
    """The command line in a folder of its own, with its own database and cache."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.folder, self.db = folder, folder / "llprobe.db"
        own = {k: v for k, v in os.environ.items() if not k.startswith(("LLPROBE_", "HF_"))}
        paths = {"LLPROBE_DB": str(self.db), "LLPROBE_CACHE": str(folder / "cache")}
        self.env = own | paths | {"LLPROBE_THREADS": "1", "HF_HOME": str(folder / "hf")} | env
        for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
            self.env.pop(name, None)

    def __call__(self, *words: object, **env: str) -> Done:
        """Carry a command out in this process (a model still loads in a child)."""
        out, err = io.StringIO(), io.StringIO()
        argv = ["llprobe", *map(str, words)]
        with (
            mock.patch.dict(os.environ, self.env | env, clear=True),
            mock.patch.object(sys, "argv", argv),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            try:
                main()
            except SystemExit as end:
                return Done(int(end.code or 0), out.getvalue(), err.getvalue())
        raise AssertionError("main must exit")

    def start(self, *words: object, **more: Any) -> "subprocess.Popen[str]":
        """Start a command as a process of its own, with pipes."""
        return subprocess.Popen(
            self.command(*words), env=self.env, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, **more,
        )  # fmt: skip

    def command(self, *words: object) -> list[str]:
        """What is executed for `start`."""
        return [sys.executable, "-m", "llprobe", *map(str, words)]

    def process(self, *words: object) -> Done:
        """Carry a command out in a process of its own."""
        child = self.start(*words)
        out, err = child.communicate(timeout=60)
        return Done(child.returncode, out, err)

    def run(self, model: Path, questions: Path, *words: object, **env: str) -> Done:
        """`llprobe run` of the task `prompts`, in this process."""
        return self("run", "-m", model, "-t", "prompts", "--data", questions, *words, **env)


def tiny_model(folder: Path, name: str = "tiny", **options: Any) -> Path:
    """Write a tiny LLaMA as `name`.gguf."""
    return write_tiny(folder / f"{name}.gguf", **options)


def write_questions(path: Path, n: int = 6, *, words: int = 4, groups: int = 2) -> Path:
    """Write `n` questions of random known words; every third has two true options."""
    draw = random.Random(n)
    rows = []
    for i in range(n):
        options = [f" {word}" for word in draw.sample(_WORDS, 4)]
        true = [0, 1] if i % 3 == 2 else [draw.randrange(4)]
        prompt = " ".join(draw.choices(_WORDS, k=words))
        rows.append({"id": f"q{i}", "prompt": prompt, "choices": options, "correct": true})
        rows[-1]["group"] = f"g{i % groups}"
    return write_rows(path, rows)


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """Write JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def plan_of(models: Sequence[Path], questions: Path, **more: Any) -> Plan:
    """Plan the task `prompts` on models; `more` are the engine's settings, or lenses."""
    lenses, layers = more.pop("lenses", ("norm",)), more.pop("layers", None)
    settings = EngineSettings(**{"n_threads": 1, "n_batch": 16, **more})
    requests = (TaskRequest("prompts", data=str(questions)),)
    infos = tuple(read_model(path) for path in models)
    return make_plan(Sweep(infos, requests, lenses, layers, settings))


def scores_of(path: Path, run: str = "last") -> dict[tuple[str, int], bytes]:
    """Give the bits of every stored log-prob of a run, by cell and item."""
    with Store(path, create=False) as store:
        cells = store.cells(store.find_run(run))
        return {(c.id, s.index): s.logprob.tobytes() for c in cells for s in store.scores(c.id)}


def export_rows(cli: Cli, *words: object) -> list[dict[str, Any]]:
    """Read what `llprobe export --items` writes, refusing NaN and infinity."""
    done = cli("export", "last", "--items", *words)
    assert done.code == 0, done.err

    def refuse(text: str) -> None:
        raise AssertionError(f"{text} is not JSON")

    return [json.loads(line, parse_constant=refuse) for line in done.out.splitlines()]


def worker_of(command: "subprocess.Popen[str]", seconds: float = 30) -> psutil.Process:
    """Wait until a command has started its worker."""
    end = time.monotonic() + seconds
    while not (found := workers_of(command.pid)):
        assert time.monotonic() < end, "no worker is started"
        time.sleep(0.002)
    return found[0]


def workers_of(pid: int) -> list[psutil.Process]:
    """Return the children of a process that load models; others read files for it."""
    return [child for child in psutil.Process(pid).children() if _is_worker(child)]


def _is_worker(child: psutil.Process) -> bool:
    try:
        return "llprobe.worker" in child.cmdline()
    except psutil.NoSuchProcess:  # it has just ended
        return False


@contextmanager
def unprivileged() -> Iterator[None]:
    """Give up root's right to pass over permission bits, where there is one."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def on_terminal(cli: Cli, *words: object, columns: int = 80, **env: str) -> list[str]:
    """Give the lines that a command draws on a terminal of that width."""
    ours, theirs = pty.openpty()
    environment = cli.env | {"TERM": "xterm-256color", "COLUMNS": str(columns)} | env
    child = subprocess.Popen(
        cli.command(*words), env=environment, stdout=theirs, stderr=theirs, close_fds=True
    )
    os.close(theirs)
    data = b""
    while chunk := _read_or_end(ours):
        data += chunk
    os.close(ours)
    assert child.wait(timeout=30) == 0
    return data.decode().splitlines()


def _read_or_end(fd: int) -> bytes:
    """Read from a terminal; Linux answers EIO when its other side is closed."""
    try:
        return os.read(fd, 65536)
    except OSError:
        return b""
