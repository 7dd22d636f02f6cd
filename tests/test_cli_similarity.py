"""`llprobe similarity`: what is printed, in every format, and one line for what goes wrong."""

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from clihelp import Cli, on_terminal, tiny_model, write_questions

from llprobe.cli.similarity import drawn
from llprobe.report.similarity import LayerCosines, Similarity

ESCAPE = "\x1b["


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    cli = Cli(tmp_path_factory.mktemp("cli"))
    tiny_model(cli.folder, "one")
    tiny_model(cli.folder, "two", seed=1, n_layers=2)
    write_questions(cli.folder / "q.jsonl", 24, words=9)
    return cli


def words(cli: Cli, *models: str) -> tuple[str, ...]:
    paths = ",".join(str(cli.folder / f"{name}.gguf") for name in models)
    return ("similarity", "-m", paths, "-t", "prompts", "--data", str(cli.folder / "q.jsonl"))


def similarity(n_a: int, n_b: int = 0) -> Similarity:
    """Make a comparison of one model, or two, whose CKA falls with the distance of layers."""
    shapes = {"model": n_a} | ({"other": n_b} if n_b else {})
    sizes = list(shapes.values())
    a, b = np.linspace(0, 1, sizes[0]), np.linspace(0, 1, sizes[-1])
    cosines = tuple(
        LayerCosines(
            name, tuple(range(1, n + 1)), np.full(n - 1, 0.5), np.full(n - 1, 0.1),
            np.linspace(-0.001, 1, n), np.full(n, 0.1),
        )
        for name, n in shapes.items()
    )  # fmt: skip
    names = list(shapes)
    return Similarity(
        (names[0], names[-1]), "facts", "last", tuple(range(1, sizes[0] + 1)),
        tuple(range(1, sizes[-1] + 1)), (sizes[0], sizes[-1]), 1 - np.abs(a[:, None] - b), None,
        cosines, 64, 64, 1,
    )  # fmt: skip


# --- drawing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [40, 80, 100, 120, 200])
@pytest.mark.parametrize("sizes", [(3,), (30,), (80,), (32, 80)], ids=str)
def test_a_drawing_fits_the_screen(width: int, sizes: tuple[int, ...]) -> None:
    text = drawn(similarity(*sizes), width, plain=True)
    table = [line for line in text.splitlines() if re.match(r" *(layer|\d+|next|last) ", line)]
    assert max(map(len, table)) <= width
    assert ("-F csv has them all" in text) is (max(sizes) > (width - 8) // 6)
    assert ESCAPE not in text


def test_first_and_last_layers_are_always_shown_and_where_they_belong() -> None:
    lines = drawn(similarity(32, 80), 80, plain=True).splitlines()
    assert lines[0] == "CKA between layers, model (rows) and other (columns)"
    header, *rows = lines[2:15]
    assert header.split()[:2] == ["layer", "1"]
    assert header.split()[-1] == "80"
    assert rows[0].split()[0] == "32"
    assert rows[0].split()[-1] == "1.00"
    assert rows[0].split()[1] == "0.00"
    (last,) = [row for row in rows if row.split()[0] == "1"]
    assert last.split()[1] == "1.00"


def test_a_number_that_is_none_is_a_dash_and_none_is_minus_zero() -> None:
    whole = similarity(3)
    matrix = whole.matrix.copy()
    matrix[0] = np.nan
    text = drawn(replace(whole, matrix=matrix), 80, plain=True)
    (row,) = [line for line in text.splitlines() if line.startswith("    1 ")]
    assert row.split() == ["1", "–", "–", "–"]
    assert "-0.00" not in text
    assert "standard error" not in text
    known = drawn(replace(whole, error=np.full((3, 3), 0.042)), 80, plain=True)
    assert "standard error up to 0.04" in known


# --- the command ----------------------------------------------------------------------------------


def test_the_layers_of_one_model_are_compared(cli: Cli, tmp_path: Path) -> None:
    done = cli(*words(cli, "one"), "-F", "json", "--per-batch", "4")
    assert done.code == 0, done.err
    pairs = [row for row in done.rows if row["measure"] == "cka"]
    assert [(row["layer_a"], row["layer_b"]) for row in pairs[:4]] == [
        (1, 1),
        (1, 2),
        (1, 3),
        (2, 1),
    ]
    assert all(row["value"] == pytest.approx(1) for row in pairs[::4])
    assert {row["model_a"] for row in done.rows} == {"one"}
    assert {(row["items"], row["batches"], row["task"]) for row in done.rows} == {
        (24, 6, "prompts")
    }
    file = tmp_path / "out.csv"
    written = cli(*words(cli, "one"), "-F", "csv", "--per-batch", "4", "-o", file)
    assert (written.code, written.out) == (0, "")
    table = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))
    assert [float(row["value"]) for row in table] == [row["value"] for row in done.rows]


def test_two_models_are_compared_and_drawn(cli: Cli) -> None:
    done = cli(*words(cli, "one", "two"), "--layers", "1,-1", "-L", "8")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0] == "CKA between layers, one (rows) and two (columns)"
    assert lines[1] == "prompts, 8 questions in 1 batch, last token of the prompt"
    assert lines[2].split() == ["layer", "1", "2"]
    assert [line.split()[0] for line in lines[3:5]] == ["3", "1"]
    assert "cosine of states, one" in done.out
    assert "cosine of states, two" in done.out
    assert "note: 1 batch: no standard errors of CKA below 5" in done.err
    assert ESCAPE not in done.out


def test_a_terminal_shows_shades(cli: Cli) -> None:
    lines = on_terminal(cli, *words(cli, "one"), columns=80)
    assert any("prompts, 24 questions in 1 batch" in line for line in lines)
    assert any(f"{ESCAPE}38;5;" in line and " 1.00" in line for line in lines)


def test_the_position_changes_the_states(cli: Cli) -> None:
    last, mean = (
        cli(*words(cli, "one"), "--position", position, "-F", "jsonl").out
        for position in ("last", "mean")
    )
    ours, theirs = ([json.loads(line) for line in out.splitlines()] for out in (last, mean))
    assert {row["position"] for row in theirs} == {"mean"}
    assert [row["value"] for row in ours] != [row["value"] for row in theirs]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("-L", "3"), "task prompts has 3 questions with different prompts, CKA needs 4: raise -L"),
        (("--per-batch", "3"), "a batch of 3: CKA needs at least 4 items"),
        (("-m", "no-such-model"), "no model named 'no-such-model'"),
        (("-m", "a,b,c"), "3 models are named: name one, or two to compare"),
        (("-m", "a,a"), "the model a is given twice"),
        (("-t", "paper"), "tasks; name one: calculation, "),
        (("-t", "no-such-task"), "group or tag named 'no-such-task'"),
        (("--layers", "9"), "--layers 9: this model has layers 0 to 3"),
        (("--position", "first"), "'first' is not one of 'last', 'mean'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_done_is_one_line(cli: Cli, more: tuple[str, ...], said: str) -> None:
    given = list(words(cli, "one"))
    if more[0] in {"-m", "-t"}:
        given[given.index(more[0]) + 1] = more[1]
        more = ()
    if "paper" in given:
        given = given[: given.index("--data")]
    done = cli(*given, *more)
    assert (done.code, done.out) == (2, "")
    assert done.line == done.err.strip()
    assert said in done.line


def test_a_damaged_model_is_one_line(cli: Cli) -> None:
    path = cli.folder / "broken.gguf"
    path.write_bytes((cli.folder / "one.gguf").read_bytes()[:5000])
    done = cli(*words(cli, "one", "broken"))
    assert done.code == 2
    assert "broken.gguf" in done.line
