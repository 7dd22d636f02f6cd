"""`llprobe sweep`, and `llprobe run` of several things: what they print, steer and refuse."""

import io
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest
from clihelp import (
    Cli,
    Done,
    export_rows,
    on_terminal,
    plan_of,
    scores_of,
    tiny_model,
    worker_of,
    write_questions,
)
from conftest import OpenProbe
from oracle import NumpyLlama
from rich.console import Console

from llprobe.cli import output, watch
from llprobe.cli.awake import awake
from llprobe.engine.tokens import tokenize_items
from llprobe.events import GroupScored, ItemResult, JobStarted
from llprobe.model import read_model
from llprobe.report import pace
from llprobe.store import Store
from llprobe.sweep import read_sweep
from llprobe.task import TaskRequest, load_questions

SECONDS = 60
N_ITEMS = 6


def write_sweep(cli: Cli, name: str = "first", *, models: str = "tiny.gguf", **more: str) -> Path:
    """Write a sweep's file: models by their names in its folder, the task `prompts`, one thread."""
    path = cli.folder / f"{name}.yaml"
    keys = {"name": name, "models": f"[{models}]", "tasks": "[prompts]", "data": "q.jsonl"}
    lines = (keys | {"engine": "{threads: 1, batch: 16}"} | more).items()
    path.write_text("".join(f"{key}: {value}\n" for key, value in lines))
    return path


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """Give a command line with a tiny model and questions, nothing being run yet."""
    cli = Cli(tmp_path)
    tiny_model(cli.folder)
    write_questions(cli.folder / "q.jsonl", N_ITEMS)
    return cli


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """Give a command line on which a sweep of 4 cells was carried out, its output in files."""
    cli = Cli(tmp_path_factory.mktemp("done"))
    tiny_model(cli.folder)
    write_questions(cli.folder / "q.jsonl", N_ITEMS)
    file = write_sweep(cli, lenses="[norm, raw]", ablations='[none, "skip:1"]')
    ended = cli("sweep", "run", file)
    assert ended.code == 0, ended.err
    (cli.folder / "out").write_text(ended.out)
    (cli.folder / "err").write_text(ended.err)
    return cli


def is_one_error(ended: Done, said: str, code: int = 2) -> None:
    assert (ended.code, ended.out) == (code, "")
    assert ended.line == ended.err.strip()
    assert said in ended.line


# --- files ---------------------------------------------------------------------------------------


def test_a_new_sweep_can_be_read(cli: Cli) -> None:
    ended = cli("sweep", "new", "mine", "--folder", cli.folder)
    path = cli.folder / "mine.yaml"
    assert (ended.code, ended.out) == (0, "")
    assert ended.err == f"wrote {path}; next: llprobe sweep plan {path}\n"
    assert read_sweep(path).name == "mine"
    is_one_error(cli("sweep", "new", "mine", "--folder", cli.folder), "is there already")
    is_one_error(cli("sweep", "new", "a", "--folder", cli.folder / "b"), "No such file")


@pytest.mark.parametrize("name", ["../up", "last", "a b", ""])
def test_what_is_no_name_is_refused(cli: Cli, name: str) -> None:
    ended = cli("sweep", "new", name, "--folder", cli.folder)
    assert ended.code == 2
    assert ended.line.startswith("error: ")
    assert list(cli.folder.glob("*.yaml")) == []


@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_file_that_cannot_be_used_is_one_line(cli: Cli, command: str) -> None:
    words = ("sweep", command)
    is_one_error(cli(*words, cli.folder / "gone.yaml"), "gone.yaml")
    is_one_error(cli(*words, cli.folder), "is a directory")
    file = write_sweep(cli, lenses="[norm, tuned]")
    is_one_error(cli(*words, file), "first.yaml, line 6, lenses: no lens named 'tuned'")
    file.write_text("models: [tiny.gguf]\ntasks: [prompts]\n")
    is_one_error(cli(*words, file), "name: the key is missing")
    file = write_sweep(cli, models="gone.gguf")
    is_one_error(cli(*words, file), "gone.gguf does not exist")
    file = write_sweep(cli, ablations='["skip:4"]')
    is_one_error(cli(*words, file), "ablation skip:4: this model has blocks 1 to 3")
    file = write_sweep(cli, exclude='[{task: "*"}]')
    is_one_error(cli(*words, file), "everything is excluded")
    assert not list(cli.folder.glob("logs/*"))


@pytest.mark.parametrize("command", ["show", "resume", "retry", "pause", "cancel", "rm", "watch"])
def test_an_unknown_sweep_is_named_with_the_known_ones(done: Cli, command: str) -> None:
    is_one_error(done("sweep", command, "second"), "no run named 'second'; known: ")
    nowhere = done("sweep", command, "second", LLPROBE_DB=str(done.folder / "no.db"))
    is_one_error(nowhere, "no database at ", 1)


# --- models, quants and exclusions ---------------------------------------------------------------


@pytest.fixture
def twins(cli: Cli) -> tuple[Path, list[str]]:
    """Give a sweep of two models whose files have one name, and what they are called then."""
    names = []
    for seed in (1, 2):
        (cli.folder / str(seed)).mkdir()
        path = tiny_model(cli.folder / str(seed), seed=seed)
        names.append(f"tiny ({read_model(path).fingerprint[:8]})")
    return write_sweep(cli, models="1/tiny.gguf, 2/tiny.gguf"), names


def test_models_of_one_name_are_told_apart(cli: Cli, twins: tuple[Path, list[str]]) -> None:
    file, names = twins
    planned = cli("sweep", "plan", file, "--no-estimate", "-F", "json").rows
    assert [row["model"] for row in planned] == names
    ended = cli("sweep", "run", file)
    assert ended.code == 0, ended.err
    shown = cli("sweep", "show", "-F", "json").rows
    assert [row["model"] for row in shown] == names
    assert all(name in ended.out for name in names)
    last = {row["model"]: row["last"] for row in cli("show", "-F", "json").rows}
    assert list(last) == names
    *_, row = cli("show", "--wide", "-F", "json").rows
    assert list(row) == ["layer", *(f"{name} prompts norm" for name in names)]
    for name in names:
        assert row[f"{name} prompts norm"] == last[name]
    heading = cli("show", "--wide").out.splitlines()[1]
    assert all(name in heading for name in names)
    pmi = cli.run(cli.folder / "*" / "tiny.gguf", cli.folder / "q.jsonl", "--pmi", "-F", "json")
    assert [row["model"] for row in pmi.rows] == names


def test_a_pattern_that_matches_no_cell_is_named(cli: Cli) -> None:
    file = write_sweep(cli, exclude='[{model: [other, "*iny"], lens: [norm, paper]}, {seed: 0}]')
    is_one_error(cli("sweep", "plan", file, "--no-estimate"), "everything is excluded")
    file = write_sweep(
        cli, lenses="[norm, raw]", exclude='[{model: [Q8_0, "*iny"], lens: norm}, {shots: 4}]'
    )
    said = [
        f"exclude {pattern} matches no cell: patterns fit whole names, like *Q8_0*"
        for pattern in ("model=Q8_0,lens=norm", "shots=4")
    ]
    commands: list[Sequence[object]] = [("plan", file, "--no-estimate"), ("run", file)]
    for command in (*commands, ("resume", "first")):
        ended = cli("sweep", *command)
        assert ended.code == 0, ended.err
        assert [line for line in ended.err.splitlines() if "exclude" in line] == said
        assert "exclude" not in ended.out
    words = ("--lens", "norm,raw", "--exclude", "lens=raw", "--exclude", "task=prompt")
    ended = cli.run(cli.folder / "tiny.gguf", cli.folder / "q.jsonl", *words)
    assert ended.err.count("exclude task=prompt matches no cell: ") == 1
    assert ended.err.count("matches no cell") == 1


def test_a_plan_names_the_quants_that_are_to_be_made(cli: Cli) -> None:
    """Also if nothing is left of what is there; a quant that nothing is left of is not named."""
    ladder = "{model: tiny.gguf, quantize: [Q8_0, Q5_0]}"
    for exclude, rows in (
        ("[{model: tiny}]", ["Q8_0", "Q5_0"]),
        ("[{model: tiny}, {model: '*Q5_0'}]", ["Q8_0"]),
        ("[{model: '*:*'}]", ["tiny"]),
    ):
        file = write_sweep(cli, models=ladder, exclude=exclude)
        planned = cli("sweep", "plan", file, "--no-estimate", "-F", "json")
        assert planned.code == 0, planned.err
        assert [row["model"].rpartition(":")[2] for row in planned.rows] == rows
        assert "matches no cell" not in planned.err
        made = [row for row in rows if row != "tiny"]
        table = cli("sweep", "plan", file, "--no-estimate")
        assert table.out.count("quant to be made") == len(made)
        quants = f"; {len(made)} quant{'s' * (len(made) > 1)} to be made, " if made else "\n"
        assert table.err.startswith(f"{len(rows) - len(made)} cells, 0 of them done{quants}")
        # no estimate, no columns for it
        assert table.out.splitlines()[1].split() == ["model", "task", "lens", "status", "items"]


# --- a sweep that is carried out -----------------------------------------------------------------


def test_a_plan_says_what_is_done(done: Cli, tmp_path: Path) -> None:
    file = done.folder / "first.yaml"
    rows = done("sweep", "plan", file, "--no-estimate", "-F", "json").rows
    assert [(row["lens"], row["ablation"], row["status"]) for row in rows] == [
        (lens, out, "done") for out in ("none", "skip:1") for lens in ("norm", "raw")
    ]
    elsewhere = done("sweep", "plan", file, "--no-estimate", "--db", tmp_path / "new.db")
    assert elsewhere.code == 0
    assert elsewhere.out.splitlines()[0] == "sweep first"
    assert elsewhere.out.count("to do") == 4
    assert "4 cells, 0 of them done" in elsewhere.err


def test_the_cells_are_printed_at_the_end(done: Cli) -> None:
    title, heading, *body = (done.folder / "out").read_text().splitlines()
    assert title == "first, done: tiny, prompts, MC1 in %"
    assert heading.split() == [
        *("left", "out", "lens", "items", "chance", "best", "at", "layer", "last")
    ]
    rows = done("sweep", "show", "first", "-F", "json").rows
    assert [line.split()[:3] for line in body] == [
        [row["ablation"], row["lens"], str(N_ITEMS)] for row in rows
    ]
    for row, line in zip(rows, body, strict=True):
        assert float(line.split()[-1]) == pytest.approx(100 * row["last"], abs=0.05)
    assert done("sweep", "show").out == (done.folder / "out").read_text()


def test_progress_goes_to_stderr(done: Cli) -> None:
    lines = (done.folder / "err").read_text().splitlines()
    assert re.fullmatch(
        r"model loaded in \d+\.\d s on .*, 1 thread; self-check difference \S+", lines[0]
    )
    assert lines[-1] == "4 of 4 cells done; 24 of 24 items scored"
    assert len(lines) == 2


def test_sweeps_are_listed(done: Cli) -> None:
    (row,) = done("sweep", "ls", "-F", "json").rows
    assert (row["name"], row["status"]) == ("first", "done")
    assert (row["cells"], row["cells_done"], row["cells_failed"]) == (4, 4, 0)
    assert (row["done"], row["items"]) == (24, 24)
    assert row["command"].endswith("first.yaml")
    heading, body = done("sweep", "ls").out.splitlines()
    assert heading.split()[:3] == ["sweep", "status", "updated"]
    assert body.split()[:2] == ["first", "done"]
    assert body.split()[-3:] == ["4", "4", "24"]
    assert done("ls").out.splitlines()[1].split()[1] == "first"


@pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv", "md"])
def test_cells_go_into_every_format_and_file(done: Cli, tmp_path: Path, form: str) -> None:
    for words in (("show", "first"), ("ls",)):
        printed = done("sweep", *words, "-F", form)
        written = done("sweep", *words, "-F", form, "-o", tmp_path / "out")
        assert (printed.code, written.code, written.out) == (0, 0, "")
        assert (tmp_path / "out").read_text() == printed.out != ""


def test_the_log_says_what_was_done(done: Cli) -> None:
    path = done.folder / "logs" / "llprobe-first.log"
    lines = path.read_text().splitlines()
    times, said = zip(*(line.split(" ", 1) for line in lines), strict=True)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", when) for when in times)
    assert said[0] == "run first: 4 cells"
    assert said[1].startswith("loaded tiny in ")
    starts = [line for line in said if line.startswith("started ")]
    assert [line.split(":")[0] for line in starts] == [
        "started tiny prompts (cloze)",
        "started tiny prompts (cloze) without skip",
    ]
    assert sum(line.startswith("done tiny prompts") for line in said) == 2


def test_a_done_sweep_loads_nothing(done: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llprobe.runner.call", None)
    before = scores_of(done.db, "first")
    for words in (("run", done.folder / "first.yaml"), ("resume", "first")):
        ended = done("sweep", *words)
        assert (ended.code, ended.out) == (0, (done.folder / "out").read_text())
        assert ended.err == "4 of 4 cells done; 24 of 24 items scored\n"
    ended = done("sweep", "retry", "first")
    assert (ended.code, ended.out, ended.err) == (0, "", "nothing of first has failed\n")
    assert scores_of(done.db, "first") == before


@pytest.mark.parametrize("wish", ["pause", "cancel"])
def test_what_does_not_run_cannot_be_stopped(done: Cli, wish: str) -> None:
    said = f"first is not running: there is nothing to {wish}"
    is_one_error(done("sweep", wish, "first"), said)


def test_watching_what_does_not_run_shows_it(done: Cli) -> None:
    ended = done("sweep", "watch")
    assert (ended.code, ended.out) == (0, (done.folder / "out").read_text())


NAME = "SmolLM2-360M-Instruct-with-a-name-that-goes-on-and-on-until-it-is-longer-than-any-row"


@pytest.fixture
def long_named(done: Cli, tmp_path: Path) -> Cli:
    """Give a copy of the sweep, half of which is on a model of a long name."""
    copy = Cli(tmp_path)
    shutil.copy(done.db, copy.db)
    with Store(copy.db) as store:
        store._db.execute("UPDATE cells SET model = ? WHERE lens = 'raw'", (NAME,))
    return copy


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
@pytest.mark.parametrize("words", [("sweep", "show"), ("show",), ("sweep", "ls"), ("ls",)])
def test_no_screen_is_too_narrow_for_the_figures(
    long_named: Cli, words: tuple[str, ...], columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names are folded, and columns go to a table of their own, before a figure is cut."""
    wide = long_named(*words).out
    monkeypatch.setattr(
        output, "_console",
        lambda *, plain: Console(file=io.StringIO(), highlight=False, width=columns),  # noqa: ARG005
    )  # fmt: skip
    narrow = long_named(*words).out
    assert max(map(len, narrow.splitlines())) <= columns
    figures = re.findall(r"(?<!\S)[\d.]+(?!\S)", wide)
    assert sorted(re.findall(r"(?<!\S)[\d.]+(?!\S)", narrow)) == sorted(figures)
    assert figures
    if words[-1] == "show":
        # the name is the first column, and there once at least, in pieces
        pieces = [line[: len(line) - len(line.lstrip()) or 12] for line in narrow.splitlines()]
        assert any(piece.startswith(NAME[:12]) for piece in pieces)


def test_a_real_screen_gets_the_same(long_named: Cli) -> None:
    drawn = on_terminal(long_named, "sweep", "show", columns=80, NO_COLOR="1")
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in drawn]
    assert max(map(len, plain)) <= 80
    figures = [f"{100 * row['last']:.1f}" for row in long_named("sweep", "show", "-F", "json").rows]
    assert [line.split()[-1] for line in plain if line.endswith(tuple(figures))] == figures


# --- how fast it goes ----------------------------------------------------------------------------


class Hours:
    """A clock for the modules that watch: it goes on when they sleep, by as much as they ask."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 5000.0
        for module in (watch, pace):
            monkeypatch.setattr(module, "time", self)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_the_pace_is_items_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Hours(monkeypatch)
    whole = pace.Whole(40, 100)
    assert (whole.rate, whole.seconds_left, whole.pace, str(whole)) == (
        *(None, None, ""), "40/100 in all"
    )  # fmt: skip
    clock.now += 10
    assert whole.pace == ""
    whole.done = 60
    assert (whole.rate, whole.seconds_left) == (2.0, 20.0)
    assert whole.pace == "2.0 items/s, about 20 s left"
    assert str(whole) == "60/100 in all, about 20 s left"
    clock.now += 90
    assert whole.pace == "12.0 items/min, about 3 min left"
    whole.done = 100
    assert whole.pace == "36.0 items/min, about 0 s left"


def test_watching_plainly_says_pace_and_time_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A failed cell's items are not waited for."""
    clock = Hours(monkeypatch)

    def cells(*_: object) -> list[dict[str, Any]]:
        spent = int(clock.now - 5000)
        scored = min(10 + 2 * spent, 60)
        status = "done" if scored == 60 else "running"
        return [
            {"done": scored, "items": 60, "status": status},
            {"done": 5, "items": 20, "status": "failed"},
        ]

    monkeypatch.setattr(watch, "cell_rows", cells)
    store: Any = SimpleNamespace(workers=lambda _: clock.now < 5030)
    watch.watch_plainly(store, "run")
    assert capsys.readouterr().err.splitlines() == [
        "0 of 2 cells done, 1 failed; 15 of 80 items scored",
        "0 of 2 cells done, 1 failed; 35 of 80 items scored; 2.0 items/s, about 15 s left",
        "0 of 2 cells done, 1 failed; 55 of 80 items scored; 2.0 items/s, about 5 s left",
        "1 of 2 cells done, 1 failed; 65 of 80 items scored; 2.0 items/s, about 0 s left",
    ]


def test_watching_on_a_screen_shows_pace_and_time_left(cli: Cli) -> None:
    """What this process stores, one item after the other, the command sees."""
    plan, began = plan_of([cli.folder / "tiny.gguf"], cli.folder / "q.jsonl"), threading.Event()
    (cell,) = plan.cells

    def work() -> None:
        with Store(cli.db) as store:
            store.begin(plan, "llprobe run")
            with store.working(plan.id) as owner:
                store.claim(owner, [cell.id])
                store.start_job(JobStarted((cell.id,), N_ITEMS, N_ITEMS, 100, ()))
                began.set()
                for n in range(N_ITEMS):
                    logprob = np.full((4, len(cell.layers)), -1.0 - n)
                    result = ItemResult(n, (1,) * 4, logprob)
                    store.add_group(GroupScored(cell.id, n, (result,), 10))
                    time.sleep(0.9)
            store.finish_cells([cell.id], {})

    worker = threading.Thread(target=work)
    worker.start()
    assert began.wait(SECONDS)
    drawn = on_terminal(cli, "sweep", "watch", columns=80, NO_COLOR="1")
    worker.join()
    plain = [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", line).rstrip() for line in drawn]
    assert max(map(len, plain)) <= 80
    title = rf"0 of 1 cells done; [1-{N_ITEMS}] of {N_ITEMS} items scored"
    found = [line for line in plain if "items scored" in line]
    assert re.fullmatch(title, found[0])
    pace = rf"{title}; \d+\.\d items/(s|min), about \d+ s left"
    assert [line for line in found if re.fullmatch(pace, line)]


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


def until(said: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not said():
        assert time.monotonic() < end, "it never comes"
        time.sleep(0.02)


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
    is_one_error(slow("sweep", "rm", "first"), "is running: cancel it first", 1)
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
    assert slow("sweep", "rm", "first").err == "removed first\n"
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


# --- `llprobe run` of several things -------------------------------------------------------------


def test_lists_are_a_sweep(cli: Cli) -> None:
    tiny_model(cli.folder, "other", seed=2)
    models = ",".join(str(cli.folder / f"{name}.gguf") for name in ("tiny", "other"))
    words = ["run", "-m", models, "-t", "prompts", "--data", cli.folder / "q.jsonl", "-b", "16"]
    words += ["--lens", "norm,paper", "--ablate", "none,skip:-1", "--quantize", "Q8_0"]
    words += ["--exclude", "model=*Q8_0,lens=paper", "--exclude", "model=other*,ablation=skip:3"]
    words += ["--exclude", "model=other-*", "--name", "combo"]
    ended = cli(*words, "-F", "json")
    assert ended.code == 0, ended.err
    laid = [(row["model"].partition("-")[0], row["ablation"], row["lens"]) for row in ended.rows]
    assert laid == [
        *[("tiny", out, lens) for out in ("none", "skip:3") for lens in ("norm", "paper")],
        *[("tiny", out, "norm") for out in ("none", "skip:3")],
        *[("other", "none", lens) for lens in ("norm", "paper")],
    ]
    quant = ended.rows[4]["model"]
    assert re.fullmatch(r"tiny-[0-9a-f]{8}:Q8_0", quant)
    assert f"{quant}: model loaded in " in ended.err
    assert "stored as run combo in " in ended.err
    # the other's would have no cell
    assert len(list((cli.folder / "cache").rglob("*.gguf"))) == 1
    shown = cli("sweep", "show", "combo")
    assert shown.out.splitlines()[0] == "combo, done: prompts, MC1 in %"
    assert cli("show", "combo", "-F", "json").rows == ended.rows
    table = cli("show", "combo").out.splitlines()
    assert table[0] == "MC1 in %"
    assert table[1].split()[:5] == ["model", "task", "lens", "left", "out"]
    again = cli("sweep", "resume", "combo")
    assert (again.code, "loaded" in again.err) == (0, False)


def test_what_is_asked_with_several_seeds_and_shots_is_told_apart(cli: Cli) -> None:
    words = ("run", "-m", cli.folder / "tiny.gguf", "-t", "calculation", "-L", "2", "--seed", "0,1")
    ended = cli(*words, "-f", "0,1", "--wide", "-F", "json")
    assert ended.code == 0, ended.err
    asked = [(shots, seed) for shots in (0, 1) for seed in (0, 1)]
    names = [f"calculation norm {shots} shots seed {seed}" for shots, seed in asked]
    assert [list(row) for row in ended.rows] == [["layer", *names]] * 3
    rows = cli("show", "-F", "json").rows
    assert [(int(row["shots"]), row["seed"]) for row in rows] == asked
    assert cli("show").out.splitlines()[1].split()[:4] == ["task", "lens", "shots", "seed"]
    columns = cli("sweep", "show").out.splitlines()[1].split()
    assert columns[:2] == ["shots", "seed"]
    exported = {(row["shots"], row["seed"]) for row in export_rows(cli)}
    assert exported == {(str(shots), seed) for shots, seed in asked}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--ablate", "skip:4"), "ablation skip:4: this model has blocks 1 to 3"),
        (("--ablate", "drop:1"), "ablations: ablation 'drop:1': 'drop:1' is not known"),
        (("--quantize", "Q9"), "quantize: no quant type named 'Q9'"),
        (("--exclude", "Q8_0"), "exclude: 'Q8_0' is no FEATURE=PATTERN"),
        (("--exclude", "colour=red"), "features are model, task, answer"),
        (("--exclude", "task=*"), "everything is excluded"),
        (("--name", "last"), "name: last is the newest run's name"),
        (("--lens", "norm,norm"), "lenses: norm is given twice"),
        (("--seed", "one"), "seeds: must be a whole number"),
        (("--ablate", "skip:1", "--answer", "generate"), "by whole models only"),
    ],
)
def test_lists_that_cannot_be_used_are_one_line(cli: Cli, words: Sequence[str], said: str) -> None:
    ended = cli.run(cli.folder / "tiny.gguf", cli.folder / "q.jsonl", *words)
    is_one_error(ended, said)


# --- what is left out ----------------------------------------------------------------------------


def test_leaving_out_each_block_gives_what_the_oracle_says(cli: Cli, exact: OpenProbe) -> None:
    """Of every option, with its question and after the neutral stem, at every layer."""
    model, data = cli.folder / "tiny.gguf", cli.folder / "q.jsonl"
    words = ("--ablate", "none,skip:each", "--pmi", "--reference", "-F", "json")
    ended = cli.run(model, data, *words)
    assert ended.code == 0, ended.err
    assert [row["ablation"] for row in ended.rows] == ["none", "skip:1", "skip:2", "skip:3"]
    exported = {(row["ablation"], row["id"]): row for row in export_rows(cli)}
    assert len(exported) == 4 * N_ITEMS
    oracle, probe = NumpyLlama(model), exact(model)
    request = TaskRequest("prompts", data=str(data))
    for prior in (False, True):
        questions = load_questions(replace(request, prior=prior))
        task = tokenize_items(probe, questions.preamble, questions.items, questions.turns)
        assert len(task.items) == N_ITEMS
        for item, tokens in zip(questions.items, task.items, strict=True):
            for block in range(4):
                row = exported[f"skip:{block}" if block else "none", item.id]
                skip: Any = {block: "block"} if block else None
                expected = [
                    oracle.option_logprobs(s[: tokens.start], s[tokens.start :], "norm", skip)
                    for s in tokens.sequences
                ]
                found = np.array(row["prior" if prior else "logprob"])
                np.testing.assert_allclose(found, expected, rtol=1e-4)
    curves = [row["mc1_by_layer"] for row in ended.rows]
    assert len({tuple(curve) for curve in curves}) > 1
    for row in ended.rows:
        of = [item["mc1"] for (out, _), item in exported.items() if out == row["ablation"]]
        assert row["mc1_by_layer"] == pytest.approx(np.mean(of, axis=0), abs=1e-6)


# --- a machine that stays awake ------------------------------------------------------------------


def test_where_the_machine_cannot_be_kept_awake_it_is_said(cli: Cli, tmp_path: Path) -> None:
    file = write_sweep(cli)
    ended = cli("sweep", "run", file, "--keep-awake", PATH=str(tmp_path))
    is_one_error(ended, "--keep-awake needs macOS' caffeinate; on Linux put systemd-inhibit")


def test_the_machine_is_kept_awake_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, said = tmp_path / "caffeinate", tmp_path / "said"
    program.write_text(
        f'#!/bin/sh\necho "$$ $@" > {said}.part\nmv {said}.part {said}\nexec sleep 600\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with awake(wanted=True):
        until(said.exists)
        pid, *asked = said.read_text().split()
        assert asked == ["-i", "-w", str(os.getpid())]
        assert os.getpgid(int(pid)) == int(pid)  # Ctrl-C does not reach it
    assert not psutil.pid_exists(int(pid))


def test_the_command_passes_the_wish_on(done: Cli, tmp_path: Path) -> None:
    program = tmp_path / "caffeinate"
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    program.chmod(0o755)
    words = ("sweep", "resume", "first", "--keep-awake")
    assert done(*words, PATH=f"{tmp_path}:{os.environ['PATH']}").code == 0
    assert done(*words, PATH="/nowhere").code == 2
