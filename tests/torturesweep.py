"""What is tortured: two sweeps over tiny random models, in a folder, and commands that run them.

`scored` has two models, one with a quant that is made on the fly and deleted afterwards, two
tasks, two lenses, an ablation and priors; `written` lets the models write their answers, which
cannot be combined with ablations. Knows how commands are started and what their workers are.
Knows no faults.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import psutil
from clihelp import Cli, tiny_model, workers_of, write_questions

__all__ = ["SWEEPS", "Command", "Ended", "Stage", "write_sweeps"]

SWEEPS: Final = ("scored", "written")
"""Names of the sweeps; the file is NAME.yaml."""
SECONDS: Final = 120.0
"""A command, or a worker whose command is gone, that takes longer to end hangs."""

_TASK: Final = """\
task: {name}
output_type: multiple_choice
doc_to_text: "{{{{prompt}}}}"
doc_to_choice: choices
doc_to_target: "{{{{correct[0]}}}}"
target_delimiter: ""
generation_kwargs: {{max_gen_toks: 16}}
metadata: {{version: 1}}
llprobe: {{data: {name}.jsonl, id: id, group: group, correct: correct}}
"""
_SCORED: Final = """\
name: scored
models: [{model: one.gguf, quantize: [Q8_0], keep: false}, two.gguf]
tasks: [first.yaml, second.yaml]
lenses: [norm, paper]
ablations: [none, "skip:2"]
pmi: true
engine: {batch: 16, threads: 1}
"""
_WRITTEN: Final = """\
name: written
models: [one.gguf, two.gguf]
tasks: [first.yaml, second.yaml]
answers: [generate]
engine: {batch: 16, threads: 1}
"""


def write_sweeps(folder: Path, *, small: bool = False) -> Path:
    """Write models, tasks and sweep files; `small` for fewer layers and questions."""
    layers, items = ((8, 4), (16, 12)) if small else ((24, 12), (48, 40))
    for name, seed, n_layers in zip(("one", "two"), (0, 1), layers, strict=True):
        tiny_model(folder, name, seed=seed, n_layers=n_layers)
    for name, n in zip(("first", "second"), items, strict=True):
        write_questions(folder / f"{name}.jsonl", n, words=9)
        (folder / f"{name}.yaml").write_text(_TASK.format(name=name), encoding="utf-8")
    for name, text in zip(SWEEPS, (_SCORED, _WRITTEN), strict=True):
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder


@dataclass(frozen=True)
class Ended:
    """A command that has ended: its exit code (minus the signal that killed it), what it said."""

    code: int
    out: str
    err: str


class Command:
    """A command of llprobe in a process of its own; what it prints goes to files."""

    def __init__(self, argv: Sequence[str], env: dict[str, str]) -> None:
        self._out = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the command
        self._err = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the command
        self.process = subprocess.Popen(
            argv, env=env, stdin=subprocess.DEVNULL, stdout=self._out, stderr=self._err,
            start_new_session=True, preexec_fn=_as_a_person,  # noqa: PLW1509 - one thread here
        )  # fmt: skip
        self._workers: dict[int, psutil.Process] = {}

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.poll() is None

    def worker(self) -> psutil.Process | None:
        """Return the worker that it has now, if any."""
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in workers_of(self.process.pid):
                self._workers[child.pid] = child
                return child
        return None

    def signal(self, number: int) -> None:
        """Send a signal to the command's own process, if it still runs."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)

    def kill(self) -> None:
        """Kill the command and its worker."""
        worker = self.worker()
        self.signal(9)
        if worker:
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.kill()

    def close(self) -> None:
        """Let go of what it printed."""
        self._out.close()
        self._err.close()

    def wait(self, seconds: float = SECONDS) -> Ended:
        """Wait for its end and that of its workers; TimeoutError where it takes too long."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            self.kill()
            raise TimeoutError(f"the command did not end within {seconds:.0f} s") from error
        _, alive = psutil.wait_procs(list(self._workers.values()), timeout=seconds)
        for worker in alive:
            worker.kill()
        if alive:
            raise TimeoutError(f"a worker outlived its command by {seconds:.0f} s")
        return Ended(code, _text(self._out), _text(self._err))


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def _as_a_person() -> None:
    """Give up root's right to pass over permission bits, where there is one (Linux)."""
    if sys.platform == "linux" and os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP: gone after the exec


class Stage:
    """A folder with a database of its own, in which commands run on the same sweeps."""

    def __init__(self, sweeps: Path, folder: Path) -> None:
        self.sweeps, self.folder = sweeps, folder
        self.cli = Cli(folder, LLPROBE_STALL="60")
        self.db = self.cli.db
        self._commands: list[Command] = []

    def file(self, sweep: str) -> str:
        """Return the path of a sweep's file."""
        return str(self.sweeps / f"{sweep}.yaml")

    def start(self, *words: str, boot: str = "", **env: str) -> Command:
        """Start `llprobe WORDS`; `boot` tells tortureboot.py what to do to it, in JSON."""
        argv = self.cli.command(*words)
        if boot:
            argv = [argv[0], str(Path(__file__).with_name("tortureboot.py")), boot, *words]
        command = Command(argv, self.cli.env | env)
        self._commands.append(command)
        return command

    def run(self, sweep: str, *, boot: str = "", **env: str) -> Command:
        """Start `llprobe sweep run` of a sweep."""
        return self.start("sweep", "run", self.file(sweep), boot=boot, **env)

    def clear(self) -> None:
        """Kill whatever still runs."""
        for command in self._commands:
            if command.running:
                command.signal(18)  # a stopped process would not be waited for
                command.kill()
                command.process.wait()
            command.close()
        self._commands.clear()

    def wait_for_worker(self, command: Command) -> psutil.Process | None:
        """Wait until a command has a worker; None where it ends without one."""
        end = time.monotonic() + SECONDS
        while command.running and time.monotonic() < end:
            if worker := command.worker():
                return worker
            time.sleep(0.002)
        return None
