"""`llprobe plot`: figures of runs and published tables as files and in the terminal."""

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clihelp import Cli, on_terminal, plan_of, tiny_model, write_questions

from llprobe.events import GroupScored, ItemResult
from llprobe.plots import draw
from llprobe.store import Store

PAPER = ("paper:llama2-7b", "paper:llama2-13b", "paper:llama2-70b")


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """Give a command line with one run of six items in two groups, all right at layer 3."""
    folder = tmp_path_factory.mktemp("cli")
    plan = plan_of([tiny_model(folder)], write_questions(folder / "q.jsonl", 6))
    (cell,) = plan.cells
    results = []
    for index, item in enumerate(cell.questions.items):
        logprob = np.zeros((4, 3))
        logprob[item.best] = [-1.0, 0.0, 1.0]
        results.append(ItemResult(index, (1,) * 4, logprob))
    cli = Cli(folder)
    with Store(cli.db) as store:
        store.begin(plan, "llprobe run")
        store.add_group(GroupScored(cell.id, 0, tuple(results), 1))
    return cli


@pytest.mark.parametrize(
    ("words", "begins"),
    [
        (("curves", "last", "-o", "a.svg"), b"<?xml"),
        (("curves", "last", PAPER[0], "--depth", "--title", "x$^", "-o", "a.PNG"), b"\x89PNG"),
        (("items", "last", "--width", "6", "--height", "4", "-o", "a.pdf"), b"%PDF"),
        (("trajectory", "last", "--item", "q1", "-o", "a.svg"), b"<?xml"),
        (("scale", "last", "--layers", "2", "-o", "a.svg"), b"<?xml"),
        (("quants", "last", "-o", "a.svg"), b"<?xml"),
        (("heat", "last", "--by", "group", "-o", "a.svg"), b"<?xml"),
        (("radar", *PAPER, "-o", "a.svg"), b"<?xml"),
    ],
)
def test_a_figure_is_written_to_a_file(
    cli: Cli, tmp_path: Path, words: tuple[str, ...], begins: bytes
) -> None:
    *rest, name = words
    done = cli("plot", *rest, tmp_path / name)
    assert (done.code, done.out) == (0, ""), done.err
    assert (tmp_path / name).read_bytes().startswith(begins)


def test_what_must_be_said_of_published_rows_is_said_on_stderr(cli: Cli, tmp_path: Path) -> None:
    done = cli("plot", "curves", *PAPER, "-o", tmp_path / "a.svg")
    assert done.code == 0
    assert "layers 1-29" in done.err
    assert "looks copied" in done.err


def test_published_tables_need_no_database(cli: Cli) -> None:
    done = cli("plot", "curves", PAPER[0], "--task", "reclor", LLPROBE_DB="/no/such/file.db")
    assert done.code == 0, done.err
    assert "chance 25%" in done.out


def test_curves_and_heat_maps_are_drawn_in_the_terminal(cli: Cli) -> None:
    curves = cli("plot", "curves", "last", "--height", "6", "--width", "60")
    assert curves.code == 0
    assert "prompts (n = 6)" in curves.out
    assert sum("┤" in row or "│" in row for row in curves.out.splitlines()) == 6
    heat = cli("plot", "heat", "last")
    assert "prompts ▁▁▁▁▁▁▁▁████  100%" in heat.out


def test_a_drawing_is_as_wide_as_the_terminal(cli: Cli) -> None:
    rows = on_terminal(cli, "plot", "curves", PAPER[0], "--task", "lama", columns=70)
    assert max(len(row) for row in rows if "└" in row) <= 70
    assert any("\x1b[" in row for row in rows)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("curve", "last"), "did you mean curves"),
        (("curves", "nosuch"), "no run named 'nosuch'"),
        (("curves", "last", "--task", "prompt"), "did you mean prompts"),
        (("curves", "last", "--metric", "mc9"), "no metric named 'mc9'"),
        (("curves", "last", "-o", "a.gif"), "the ending must be .svg, .png or .pdf"),
        (("curves", "last", "-o", "no/such/a.svg"), "there is no folder"),
        (("curves", "last", "-o", "a.svg", "--width", "1"), "3 to 60 inches"),
        (("curves", "last", "--width", "5"), "40 to 1000"),
        (("curves", "last", "--item", "q1"), "--item is for trajectory"),
        (("radar", "last", "--depth", "-o", "a.svg"), "--depth is for curves"),
        (("radar", "last"), "add -o radar.svg"),
        (("radar", "last", "-o", "a.svg"), "three axes"),
        (("heat", "last", "--rows", "layers"), "not one of"),
        (("trajectory", "last", "-o", "a.svg"), "--item ID"),
        (("trajectory", "last", "--item", "q", "-o", "a.svg"), "no item named 'q'"),
        (("cka", PAPER[0], "-o", "a.svg"), "name runs of your own"),
        (("curves", "paper:llama2-8b"), "no published table"),
        (("curves", PAPER[0], "--metric", "mc3"), "mc1 only"),
        (("curves", "last", "--metric", "pmi"), "--pmi"),
    ],
)
def test_mistakes_are_said_in_one_line(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = cli("plot", *words)
    assert done.code == 2
    assert said in done.line
    assert done.out == ""
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib_the_terminal_still_draws(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **more: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ModuleNotFoundError(name)
        return real(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.setattr(draw, "find_spec", lambda _: None)
    assert cli("plot", "heat", "last").code == 0
    done = cli("plot", "heat", "last", "-o", tmp_path / "a.svg")
    assert done.code == 2
    assert "pip install 'llprobe[plot]'" in done.line


def test_cka_is_read_from_the_runs_model(cli: Cli, tmp_path: Path) -> None:
    done = cli("plot", "cka", "last", "-o", tmp_path / "a.svg")
    assert done.code == 0, done.err
    assert (tmp_path / "a.svg").read_bytes().startswith(b"<?xml")
