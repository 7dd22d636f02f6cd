"""`llprobe sweep`: its files, what it prints of what was carried out, and keeping awake."""

import io
import os
import re
import shutil
from pathlib import Path

import psutil
import pytest
from clihelp import Cli, on_terminal, scores_of
from rich.console import Console
from sweephelp import N_ITEMS, is_one_error, sweep_cli, until, write_sweep

from llprobe.cli import output
from llprobe.cli.awake import awake
from llprobe.store import Store
from llprobe.sweep import read_sweep


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return sweep_cli(tmp_path)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """Give a command line on which a sweep of 4 cells was carried out, its output in files."""
    cli = sweep_cli(tmp_path_factory.mktemp("done"))
    file = write_sweep(cli, lenses="[norm, raw]", ablations='[none, "skip:1"]')
    ended = cli("sweep", "run", file)
    assert ended.code == 0, ended.err
    (cli.folder / "out").write_text(ended.out)
    (cli.folder / "err").write_text(ended.err)
    return cli


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
