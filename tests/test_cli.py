"""The command line: help, environment, formats, exit codes, and what stands where."""

import csv
import io
import json
import re
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from clihelp import (
    Cli,
    export_rows,
    on_terminal,
    scores_of,
    tiny_model,
    worker_of,
    write_questions,
)

from llprobe.cli import app as app_module
from llprobe.store import Store

ESCAPE = "\x1b["


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """Give a command line with a tiny model and questions."""
    cli = Cli(tmp_path_factory.mktemp("cli"))
    tiny_model(cli.folder)
    write_questions(cli.folder / "q.jsonl", 6)
    return cli


@pytest.fixture
def ready(shared: Cli) -> Cli:
    """Give the shared command line, a run of two lenses being its last."""
    done = shared.run(*inputs(shared), "--lens", "norm,paper")
    assert done.code == 0, done.err
    assert "stored as run" in done.err
    return shared


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli(tmp_path)


def inputs(cli: Cli) -> tuple[Path, Path]:
    return cli.folder / "tiny.gguf", cli.folder / "q.jsonl"


# --- commands and their options -----------------------------------------------------------------


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Walk the tree of commands."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


TREE = dict(commands(typer.main.get_command(app_module.app)))


def test_the_commands_are_those_that_are_promised() -> None:
    top = {"run", "ls", "show", "compare", "ask", "plot", "report", "export", "lens", "similarity"}
    top |= {"sweep", "models", "tasks", "locate", "doctor", "tui", "tag", "note", "rpc", "cluster"}
    assert {path[0] for path in TREE} == top
    assert {path[1] for path in TREE if path[0] == "models"} == {
        "ls", "pull", "inspect", "quantize", "rm",
    }  # fmt: skip
    assert {path[1] for path in TREE if path[0] == "tasks"} == {
        "ls", "new", "validate", "show", "check", "add", "pull", "rm",
    }  # fmt: skip


@pytest.mark.parametrize("path", TREE, ids=" ".join)
def test_every_command_explains_itself(cli: Cli, path: tuple[str, ...]) -> None:
    done = cli(*path, "--help")
    assert done.code == 0
    assert "Usage:" in done.out
    summary = (TREE[path].help or "").split("\n")[0]
    assert len(summary) > 20
    assert cli(*path, "-h").out == done.out
    for option in options(path):
        assert option.help, option.name


def options(path: tuple[str, ...]) -> list[Any]:
    return [
        p for p in TREE[path].params if p.param_type_name == "option" and "--help" not in p.opts
    ]


def test_every_option_can_be_given_in_the_environment() -> None:
    for path in TREE:
        for option in options(path):
            (long,) = (name for name in option.opts if name.startswith("--"))
            expected = "LLPROBE_" + long[2:].replace("-", "_").upper()
            assert option.envvar == expected, (path, option.name)


def test_the_environment_is_heard(ready: Cli) -> None:
    rows = ready("show", LLPROBE_FORMAT="json", LLPROBE_BY="group").rows
    assert [row["group"] for row in rows] == ["", "g0", "g1"] * 2
    assert "layer,prompts norm" in ready("show", LLPROBE_WIDE="1", LLPROBE_FORMAT="csv").out
    error = ready.run(*inputs(ready), LLPROBE_LAYERS="7-9").line
    assert error == "error: --layers 7-9: this model has layers 0 to 3"


def test_the_version_is_told(cli: Cli) -> None:
    done = cli.process("--version")
    assert (done.code, done.err) == (0, "")
    assert re.fullmatch(r"llprobe \d+\.\d+\.\d+\n", done.out)


@pytest.mark.parametrize("words", [(), ("models",), ("tasks",)])
def test_nothing_asked_is_answered_with_help(cli: Cli, words: tuple[str, ...]) -> None:
    done = cli(*words)
    assert (done.code, done.err) == (2, "")
    assert "Usage:" in done.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("rum",), "No such command 'rum'"),
        (("run", "-t", "prompts"), "Missing option '-m' / '--model'"),
        (("show", "--formt", "json"), "No such option: --formt"),
        (("show", "-F", "xml"), "'xml' is not one of 'table', 'json', 'jsonl', 'csv', 'md'"),
        (("lens", "text", "-m", "x", "--top", "0"), "Invalid value for '--top'"),
        (("run", "-m", "x", "-t", "prompts", "-b", "pi"), "Invalid value for '-b' / '--batch'"),
        (("show", "-o", "."), "Invalid value for '-o' / '--output'"),
        (("show", "a", "b"), "Got unexpected extra argument"),
    ],
)
def test_a_misspelt_command_is_one_line(cli: Cli, words: tuple[str, ...], said: str) -> None:
    done = cli(*words)
    assert (done.code, done.out) == (2, "")
    assert done.line == done.err.strip()
    assert said in done.line
    assert "--help`)" in done.line


# --- runs ---------------------------------------------------------------------------------------


def test_data_go_to_stdout_and_everything_else_to_stderr(ready: Cli) -> None:
    done = ready.run(*inputs(ready), "-F", "json")
    assert [row["lens"] for row in done.rows] == ["norm"]
    assert "stored as run" in done.err
    assert ESCAPE not in done.out + done.err


def test_the_same_run_again_loads_no_model(ready: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    before = scores_of(ready.db)
    monkeypatch.setattr("llprobe.runner.call", None)
    done = ready.run(*inputs(ready), "--lens", "norm,paper")
    assert done.code == 0
    assert "model loaded" not in done.err
    assert scores_of(ready.db) == before


def test_a_run_prints_in_order(cli: Cli) -> None:
    """What was loaded, the table, where it is stored: also where both streams are one pipe."""
    model, questions = tiny_model(cli.folder), write_questions(cli.folder / "q.jsonl", 6)
    words = cli.command("run", "-m", model, "-t", "prompts", "--data", questions)
    out = subprocess.run(
        words, env=cli.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True
    ).stdout
    places = [out.index(text) for text in ("model loaded", "MC1 in %", "stored as run", "next:")]
    assert places == sorted(places)


def test_an_interrupted_run_says_so_and_continues(cli: Cli) -> None:
    model = tiny_model(cli.folder, n_layers=32)
    questions = write_questions(cli.folder / "q.jsonl", 90, words=9)
    words = ("run", "-m", model, "-t", "prompts", "--data", questions, "-b", "16")
    child = cli.start(*words)
    end = time.monotonic() + 30
    while not any_scores(cli.db):
        assert time.monotonic() < end, "nothing is scored"
        time.sleep(0.005)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=30)
    assert (child.returncode, out) == (130, "")
    assert err.splitlines()[-2:] == [
        "stopped: what is scored is stored; the same command continues",
        "interrupted",
    ]
    assert "Traceback" not in err
    (stopped,) = cli("ls", "-F", "json").rows
    assert stopped["status"] == "stopped"
    assert 0 < stopped["done"] < stopped["items"] == 90
    kept = scores_of(cli.db)
    assert f"prompts: {stopped['done']} of 90 items are scored" in cli("show").err
    done = cli(*words)
    assert done.code == 0
    after = scores_of(cli.db)
    assert len(after) == 90
    assert kept.items() <= after.items()


def any_scores(db: Path) -> bool:
    if not db.exists():
        return False
    with Store(db) as store:
        return any(run.n_done for run in store.runs())


def test_interrupting_a_command_that_stores_nothing(cli: Cli) -> None:
    """While the worker of `lens` is stopped, its command waits until it is interrupted."""
    model = tiny_model(cli.folder)
    child = cli.start("lens", "the city", "-m", model)
    worker = worker_of(child)
    worker.suspend()
    child.send_signal(signal.SIGINT)
    worker.resume()
    _, err = child.communicate(timeout=30)
    assert (child.returncode, err) == (130, "interrupted\n")


def test_fresh_computes_again(ready: Cli) -> None:
    before = scores_of(ready.db)
    done = ready.run(*inputs(ready), "--lens", "norm,paper", "--fresh")
    assert "model loaded" in done.err
    assert scores_of(ready.db) == before


@pytest.mark.parametrize(("layers", "scored"), [("0,-1", [0, 3]), ("-2--1", [2, 3])])
def test_layers_can_be_chosen(ready: Cli, layers: str, scored: list[int]) -> None:
    done = ready.run(*inputs(ready), "--layers", layers, "-F", "json")
    (row,) = done.rows
    assert len(row["mc1_by_layer"]) == len(scored)
    items = export_rows(ready)
    assert all(item["layers"] == scored for item in items)
    everything = {item["id"]: item for item in export_of(ready, "1,2,3")}
    for item in items:
        if 0 not in scored:
            whole = everything[item["id"]]["logprob"]
            assert item["logprob"] == [[row[k - 1] for k in scored] for row in whole]


def export_of(cli: Cli, layers: str) -> list[dict[str, Any]]:
    assert cli.run(*inputs(cli), "--layers", layers).code == 0
    return export_rows(cli)


@pytest.mark.parametrize("batch", [2, 16])
def test_small_batches_split_the_options_of_a_question(ready: Cli, batch: int) -> None:
    wide = {item["id"]: item["logprob"] for item in export_of(ready, "1-3")}
    done = ready.run(*inputs(ready), "-b", batch)
    assert done.code == 0, done.err
    for item in export_rows(ready):
        flat = [x for row in item["logprob"] for x in row]
        assert flat == pytest.approx([x for row in wide[item["id"]] for x in row], rel=1e-2)


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


# --- lens and doctor ------------------------------------------------------------------------------


def test_a_text_is_drawn_with_the_last_layer_on_top(ready: Cli) -> None:
    model, _ = inputs(ready)
    done = ready("lens", "the city of", "-m", model, "--top", "2", "--track", " city")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0].split() == ["layer", "the", "·city", "·of"]
    layers = [line.split()[0] for line in lines[1:] if re.match(r" *\d", line)]
    assert layers[:3] == ["3", "2", "1"]
    assert "rank of ·city after the last token" in lines


def test_a_text_is_told_in_numbers(ready: Cli) -> None:
    model, _ = inputs(ready)
    words = ("lens", "the city of", "-m", model, "--top", "3", "--layers", "0,-1")
    rows = ready(*words, "--track", " city", "--track", " of", "-F", "json").rows
    assert [(row["layer"], row["position"]) for row in rows] == [
        (layer, position) for layer in (0, 3) for position in range(3)
    ]
    for row in rows:
        chances = [top["p"] for top in row["top"]]
        assert chances == sorted(chances, reverse=True)
        assert len(chances) == 3
        assert 0 < sum(chances) <= 1
        assert row["rank"].keys() == {" city", " of"}
        assert row["entropy_bits"] > 0
    assert "".join(row["token"] for row in rows[:3]) == "the city of"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--lens", "tuned"), "error: no lens 'tuned'; known: norm, paper, raw"),
        (("--layers", "4"), "error: --layers 4: this model has layers 0 to 3"),
        (("--ctx", "1"), "error: --ctx 1: a context holds at least 8 tokens"),
    ],
)
def test_what_cannot_be_looked_at_is_refused(ready: Cli, words: tuple[str, ...], said: str) -> None:
    done = ready("lens", "the city", "-m", inputs(ready)[0], *words)
    assert (done.code, done.line) == (2, said)


def test_the_doctor_knows_machine_and_build(cli: Cli) -> None:
    done = cli("doctor", "-F", "json")
    facts = {row["what"]: row["value"] for row in done.rows}
    assert facts.keys() >= {"system", "cores", "memory", "python", "llama-cpp-python", "devices"}
    assert len(facts) == len(done.rows)
    assert not any("reference" in what for what in facts)


def test_the_doctor_compares_a_model_with_reference_mode(ready: Cli) -> None:
    done = ready("doctor", "-m", inputs(ready)[0])
    assert done.code == 0
    for lens in ("norm", "paper", "raw"):
        assert re.search(rf"lens {lens} +summed log-probs differ by at most \d", done.out)
        assert re.search(rf"^  {lens}:( \d\.\de[-+]\d+){{3}}$", done.err, re.MULTILINE)
