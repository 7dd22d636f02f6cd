"""What is printed of stored runs: formats, files, names, and on a terminal."""

import csv
import io
import json
import re
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest
from clihelp import Cli, export_rows, on_terminal, tiny_model, write_questions
from runhelp import ESCAPE, inputs, run_cli, with_run

from llprobe.store import Store


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    return run_cli(tmp_path_factory.mktemp("cli"))


@pytest.fixture
def ready(shared: Cli) -> Cli:
    return with_run(shared)


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli(tmp_path)


# --- printing -----------------------------------------------------------------------------------


def test_the_formats_of_show_say_the_same(ready: Cli) -> None:
    rows = ready("show", "-F", "json").rows
    assert [json.loads(line) for line in ready("show", "-F", "jsonl").out.splitlines()] == rows
    table = list(csv.DictReader(io.StringIO(ready("show", "-F", "csv").out)))
    assert [row["lens"] for row in table] == [row["lens"] for row in rows]
    assert [json.loads(row["mc1_by_layer"]) for row in table] == [r["mc1_by_layer"] for r in rows]
    assert [float(row["chance"]) for row in table] == [row["chance"] for row in rows]
    header, ruler, *body = ready("show", "-F", "md").out.splitlines()
    assert {line.count("|") for line in (header, ruler, *body)} == {header.count("|")}
    assert len(body) == len(rows)
    percent = f"{100 * rows[0]['best']:.1f}"
    assert percent in body[0]
    assert percent in ready("show").out


@pytest.mark.parametrize("words", [("ls",), ("show",), ("show", "--wide"), ("export", "last")])
@pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv", "md"])
def test_every_format_goes_to_a_file_as_well(
    ready: Cli, tmp_path: Path, words: tuple[str, ...], form: str
) -> None:
    printed = ready(*words, "-F", form)
    file = tmp_path / "out"
    written = ready(*words, "-F", form, "-o", file)
    assert (printed.code, written.code, written.out) == (0, 0, "")
    assert file.read_text(encoding="utf-8") == printed.out != ""
    assert ESCAPE not in printed.out


def test_runs_are_listed(ready: Cli) -> None:
    newest = ready("ls", "-F", "json").rows[0]
    assert (newest["models"], newest["tasks"]) == (["tiny"], ["prompts"])
    assert (newest["lenses"], newest["status"]) == (["norm", "paper"], "done")
    assert newest["done"] == newest["items"] == 12
    assert newest["command"].startswith("llprobe run -m ")
    assert newest["run"][:8] in ready("ls").out


def test_every_layer_is_printed_if_asked(ready: Cli) -> None:
    rows = ready("show", "--wide", "-F", "json").rows
    assert [row["layer"] for row in rows] == [1, 2, 3]
    assert [list(row) for row in rows] == [["layer", "prompts norm", "prompts paper"]] * 3
    curves = [row["mc1_by_layer"] for row in ready("show", "-F", "json").rows]
    columns = [[row[name] for row in rows] for name in ("prompts norm", "prompts paper")]
    assert columns == [pytest.approx(curve, abs=1e-6) for curve in curves]


def test_items_are_exported_with_the_promised_fields(ready: Cli) -> None:
    rows = export_rows(ready, "--format", "jsonl")
    assert len(rows) == 12
    fields = ["run", "model", "task", "answer", "lens", "group", "id", "prompt", "choices"]
    fields += ["ablation", "shots", "seed"]
    fields += ["correct", "best", "n_tokens", "layers", "logprob", "mc1"]
    fields += ["acc_norm_tokens", "acc_norm_bytes"]
    for row in rows:
        several = ["mc2", "mc3"] if len(row["correct"]) > 1 else []
        assert sorted(row) == sorted([*fields, *several])
        assert len(row["logprob"]) == len(row["choices"]) == len(row["n_tokens"]) == 4
        assert all(len(layers) == 3 for layers in row["logprob"])
        assert set(row["mc1"]) <= {0, 1}
    exported = {(row["lens"], row["id"]): row["logprob"] for row in rows}
    with Store(ready.db) as store:
        for cell in store.cells(store.find_run("last")):
            for score in store.scores(cell.id):
                assert exported[cell.lens, score.item.id] == score.logprob.tolist()


def test_items_go_into_other_formats(ready: Cli) -> None:
    rows = export_rows(ready)
    assert ready("export", "last", "--items", "-F", "json").rows == rows
    table = list(csv.DictReader(io.StringIO(ready("export", "last", "--items", "-F", "csv").out)))
    assert [json.loads(row["logprob"]) for row in table] == [row["logprob"] for row in rows]


def test_runs_are_named_in_short(ready: Cli) -> None:
    runs = [row["run"] for row in ready("ls", "-F", "json").rows]
    newest = runs[0]
    assert ready("show", newest[:6]).out == ready("show").out
    assert ready("show", "zzz").line.startswith("error: no run named 'zzz'")


def test_an_ambiguous_name_of_a_run_is_refused(ready: Cli, tmp_path: Path) -> None:
    copy = shutil.copy(ready.db, tmp_path / "copy.db")
    with sqlite3.connect(copy) as db:
        db.execute(
            "INSERT INTO runs SELECT substr(id, 1, 8) || 'z', '', '', '', '', '', '', '' FROM runs"
        )
        ((newest,),) = db.execute("SELECT id FROM runs ORDER BY updated DESC LIMIT 1")
    db.close()
    done = ready("show", newest[:8], "--db", copy)
    assert (done.code, "write more of it" in done.line) == (2, True)


def test_locate_says_where_the_database_is(cli: Cli, tmp_path: Path) -> None:
    assert cli("locate").out == f"{cli.db}\n"
    assert cli("locate", "--db", tmp_path / "b.db").out == f"{tmp_path / 'b.db'}\n"


def test_a_reader_that_has_enough_is_no_error(ready: Cli) -> None:
    words = ready.command("export", "last", "--items", "-F", "json")
    script = 'python=$1; shift; "$python" "$@" | head -c 1; exit ${PIPESTATUS[0]}'
    done = subprocess.run(
        ["bash", "-c", script, "bash", *words], env=ready.env, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"[", b"")


# --- on a terminal --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """Give a run over 30 layers, as deep as the default model."""
    cli = Cli(tmp_path_factory.mktemp("deep"))
    tiny_model(cli.folder, n_layers=30)
    write_questions(cli.folder / "q.jsonl", 6)
    assert cli.run(*inputs(cli), "--lens", "norm,paper").code == 0
    return cli


def test_a_narrow_screen_gets_the_curves_in_a_table_of_their_own(deep: Cli) -> None:
    lines = on_terminal(deep, "show", NO_COLOR="1")
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]
    assert max(map(len, plain)) <= 80
    curves = [line for line in plain if re.search("[▁▂▃▄▅▆▇█]{30}", line)]
    assert [line.split()[:2] for line in curves] == [["prompts", "norm"], ["prompts", "paper"]]
    numbers = [line.split()[0] for line in plain if line.strip() and line not in curves]
    assert numbers == ["tiny:", "task", "prompts", "prompts", "task"]


def test_a_wide_screen_gets_one_table(deep: Cli) -> None:
    lines = on_terminal(deep, "show", columns=160, NO_COLOR="1")
    assert sum("▁" in line or "█" in line for line in lines) == 2
    assert sum("chance" in line for line in lines) == 1
    assert "" not in lines


def test_colour_only_where_it_is_wanted(deep: Cli) -> None:
    colours = re.compile(r"\x1b\[[0-9;]*3[0-7]m")
    words = ("lens", "the city", "-m", inputs(deep)[0], "--layers", "-1")
    assert not colours.search("\n".join(on_terminal(deep, *words, NO_COLOR="1")))
    assert ESCAPE in "\n".join(on_terminal(deep, *words))
    assert ESCAPE not in deep("show").out
