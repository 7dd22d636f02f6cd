"""What of a sweep fails, is stopped by another command or taken over, and how it goes on."""

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from clihelp import Cli, Done, scores_of, tiny_model, worker_of, write_questions
from sweephelp import SECONDS, is_one_error, sweep_cli, until, write_sweep

from llprobe.store import Store


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return sweep_cli(tmp_path)


# --- what fails ----------------------------------------------------------------------------------


def test_a_sweep_goes_on_without_what_fails_and_retry_does_that_only(cli: Cli) -> None:
    broken = tiny_model(cli.folder, "broken", seed=3)
    healthy = broken.read_bytes()
    # it can be read, but its self-check fails: every weight of the output is no number
    broken.write_bytes(healthy[:-4096] + b"\xff" * 4096)
    file = write_sweep(cli, models="broken.gguf, gone.gguf, tiny.gguf", lenses="[norm, paper]")
    ended = cli("sweep", "run", file)
    assert ended.code == 1
    assert ended.line == "error: 2 parts failed, as told above: the same command tries again"
    told = [line for line in ended.err.splitlines() if line.startswith("failed")]
    assert len(told) == 2
    assert told[0].endswith("gone.gguf does not exist")
    assert told[1].startswith("failed (broken, prompts): ")
    assert ended.out.splitlines()[0] == "first, failed: prompts, MC1 in %"
    shown = cli("sweep", "show")
    assert shown.err.count(told[1].split("): ")[1]) == 1
    assert "2 of 4 cells done, 2 failed" in shown.err
    rows = cli("sweep", "show", "-F", "json").rows
    assert [(row["model"], row["status"]) for row in rows] == [
        *[("broken", "failed")] * 2, *[("tiny", "done")] * 2
    ]  # fmt: skip
    assert all(row["error"] for row in rows[:2])
    log = (cli.folder / "logs" / "llprobe-first.log").read_text()
    assert "gone.gguf does not exist" in log
    assert "failed broken prompts (cloze): " in log
    again = cli("sweep", "retry", "first")
    assert again.code == 1
    assert "tiny" not in "".join(x for x in again.err.splitlines() if "loaded" in x)


def test_a_single_failure_is_told_once(cli: Cli) -> None:
    broken = cli.folder / "tiny.gguf"
    broken.write_bytes(broken.read_bytes()[:-4096] + b"\xff" * 4096)
    ended = cli("sweep", "run", write_sweep(cli))
    assert ended.code != 0
    message = ended.line.removeprefix("error: ")
    assert ended.err.count(message) == 1
    assert cli("sweep", "show").err.count(message) == 1


# --- several processes ---------------------------------------------------------------------------


@pytest.fixture
def slow(cli: Cli) -> Cli:
    """Give a command line whose model and questions take long enough to be interrupted."""
    tiny_model(cli.folder, n_layers=32)
    write_questions(cli.folder / "q.jsonl", 60, words=9)
    return cli


def stored(cli: Cli) -> int:
    if not cli.db.exists():
        return 0
    with Store(cli.db) as store:
        return sum(run.n_done for run in store.runs())


class Started:
    """A command that runs beside the test, its stderr in a file; killed when the test ends."""

    def __init__(self, cli: Cli, *words: object) -> None:
        self.cli, self.seen = cli, cli.folder / f"seen-{len(list(cli.folder.glob('seen-*')))}"
        with self.seen.open("w") as seen:
            self.process = subprocess.Popen(
                cli.command(*words), env=cli.env, stdout=subprocess.PIPE, stderr=seen, text=True
            )

    @property
    def said(self) -> str:
        return self.seen.read_text()

    def halfway(self) -> psutil.Process:
        """Halt its worker once something is stored, and return it."""
        worker = worker_of(self.process)
        until(lambda: stored(self.cli) > 0)
        worker.suspend()
        assert self.process.poll() is None
        return worker

    def ended(self) -> Done:
        out, _ = self.process.communicate(timeout=SECONDS)
        return Done(self.process.returncode, out, self.said)

    def kill(self) -> None:
        """Kill it and its worker, as a power cut would."""
        if self.process.poll() is None:
            workers = psutil.Process(self.process.pid).children()
            self.process.kill()
            for worker in workers:
                worker.kill()
        self.process.communicate(timeout=SECONDS)


@pytest.fixture
def start(slow: Cli) -> Iterator[Callable[..., Started]]:
    """Give a way to start commands beside the test."""
    with ExitStack() as stack:

        def started(*words: object) -> Started:
            command = Started(slow, *words)
            stack.callback(command.kill)
            return command

        yield started


def status(cli: Cli) -> str:
    return str(cli("sweep", "ls", "-F", "json").rows[0]["status"])


def test_a_running_sweep_is_seen_steered_and_continued(
    slow: Cli, start: Callable[..., Started]
) -> None:
    file = write_sweep(slow)
    running = start("sweep", "run", file)
    pid, worker = running.process.pid, running.halfway()
    watching = start("sweep", "watch", "first")
    until(lambda: bool(watching.said))
    assert re.fullmatch(r"0 of 1 cells done; [1-9]\d* of 60 items scored\n", watching.said)
    assert status(slow) == "running"
    (row,) = slow("sweep", "show", "-F", "json").rows
    assert (row["status"], row["items"]) == ("running", 60)
    assert slow("sweep", "show").out.startswith("first, running: ")
    is_one_error(slow("sweep", "rm", "first", "-y"), "is running: cancel it first", 1)
    said = f"process {pid} computes this now: stop it, or leave out --fresh"
    refused = slow("sweep", "run", file, "--fresh")
    assert (refused.code, said in refused.line) == (1, True)
    asked = slow("sweep", "pause", "first")
    assert (asked.code, asked.err) == (0, f"asked process {pid} to pause first\n")
    until(lambda: "asked to pause: stopping after this batch\n" in running.said)
    worker.resume()
    paused = running.ended()
    assert paused.code == 130
    assert paused.out.startswith("first, paused: ")
    assert "paused: what is scored is stored; " in paused.err
    watched = watching.ended()
    assert (watched.code, watched.out) == (0, paused.out)
    assert status(slow) == "paused"
    kept = scores_of(slow.db, "first")
    assert 0 < len(kept) < 60
    ended = slow("sweep", "resume", "first")
    assert ended.code == 0, ended.err
    assert status(slow) == "done"
    scores = scores_of(slow.db, "first")
    assert len(scores) == 60
    assert kept.items() <= scores.items()
    assert slow("sweep", "rm", "first", "-y").err == "removed first\n"
    nothing = slow("sweep", "ls", "-F", "json")
    assert (nothing.rows, nothing.err.count("no sweep is stored yet: ")) == ([], 1)


def test_two_commands_share_the_work(slow: Cli, start: Callable[..., Started]) -> None:
    """The second waits for what the first computes, and takes over what it leaves."""
    file = write_sweep(slow)
    first = start("sweep", "run", file)
    first.halfway()
    second = start("sweep", "run", file)
    said = f"the rest is being computed by process {first.process.pid}: waiting\n"
    until(lambda: said in second.said)
    assert second.said == said
    before = stored(slow)
    first.kill()
    ended = second.ended()
    assert ended.code == 0
    assert ended.out.startswith("first, done: ")
    assert "model loaded" in ended.err
    assert 0 < before < 60
    assert len(scores_of(slow.db, "first")) == stored(slow) == 60
