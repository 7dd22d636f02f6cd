"""`llprobe run`: what stands where, runs that are interrupted or repeated, layers and batches."""

import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from clihelp import Cli, export_rows, scores_of, tiny_model, worker_of, write_questions
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
