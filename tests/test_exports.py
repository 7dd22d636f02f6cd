"""Exports: frames, Parquet, and results as lm-evaluation-harness writes them."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from clihelp import Cli, export_rows, tiny_model, write_rows
from madeup import always, made_up_model, made_up_run

from llprobe import report
from llprobe.analysis import item_curves
from llprobe.errors import UsageError
from llprobe.report.frames import CURVE_COLUMNS, ITEM_COLUMNS, curves_frame, items_frame
from llprobe.report.harness import harness_results
from llprobe.report.stats import stats_rows
from llprobe.store import Store
from llprobe.task import TaskRequest

CURVE = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
TASKS = (TaskRequest("calculation", limit=30), TaskRequest("truth", limit=6))


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli(tmp_path)


@pytest.fixture
def store(cli: Cli) -> Iterator[Store]:
    with Store(cli.db) as store:
        yield store


@pytest.fixture
def run(store: Store, tmp_path: Path) -> str:
    return made_up_run(store, [made_up_model(tmp_path, "small")], TASKS, always(CURVE))


# --- frames -----------------------------------------------------------------------------------


def test_a_frame_of_curves_has_a_row_per_cell_metric_and_layer(store: Store, run: str) -> None:
    frame = curves_frame(store, run)
    assert tuple(frame.columns) == CURVE_COLUMNS
    assert len(frame) == 2 * 5 * 6
    for cell, scores in store.probed(run):
        curve = item_curves(scores, cell.layers)
        for name in ("mc1", "mc2", "mc3", "acc_norm_bytes"):
            rows = frame[(frame.cell == cell.id) & (frame.metric == name)]
            assert rows.layer.tolist() == list(cell.layers)
            assert np.allclose(rows.value, curve.mean(name))
            assert np.allclose(rows.chance, curve.guess["mc1"])
            assert np.allclose(rows.shortest, curve.shortest)


def test_a_frame_of_items_has_a_row_per_item_and_layer(store: Store, run: str) -> None:
    frame = items_frame(store, "last")
    assert tuple(frame.columns) == ITEM_COLUMNS
    assert len(frame) == (30 + 6) * 6
    means = frame.groupby(["task", "layer"]).mc1.mean()
    for cell, scores in store.probed(run):
        assert np.allclose(means[cell.task], item_curves(scores, cell.layers).accuracy)
    some = frame[frame.task == "calculation"]
    assert some[some.mc1 == 1].margin.between(1.9, 2.4).all()
    assert (some[some.mc1 == 0].margin < 0).all()
    assert some.depth.max() == 1.0


def test_a_run_without_scores_has_frames_without_rows(store: Store, tmp_path: Path) -> None:
    from llprobe.plan import Sweep, make_plan

    plan = make_plan(Sweep((made_up_model(tmp_path, "small"),), TASKS[:1]))
    store.begin(plan, "llprobe run")
    assert tuple(curves_frame(store, plan.id).columns) == CURVE_COLUMNS
    assert items_frame(store, plan.id).empty


# --- the harness ------------------------------------------------------------------------------


def test_results_are_those_of_the_last_layer(store: Store, run: str) -> None:
    found = harness_results(store, run)
    for cell, scores in store.probed(run):
        values = item_curves(scores, cell.layers).values
        result = found["results"][cell.task]
        if all(len(score.item.correct) == 1 for score in scores):
            for name, own in (("acc", "mc1"), ("acc_bytes", "acc_norm_bytes")):
                last = values[own][:, -1]
                assert result[f"{name},none"] == pytest.approx(last.mean())
                error = last.std(ddof=1) / np.sqrt(len(last))
                assert result[f"{name}_stderr,none"] == pytest.approx(error)
    assert found["results"]["truth"]["mc2,none"] > 0
    assert "mc2,none" not in found["results"]["calculation"]


WORDS = ("ä", "üß", "straße", "red", "blue dog", "数学", "x")


@pytest.fixture
def odd(tmp_path: Path) -> Cli:
    """A run of questions with one or two right options, some of characters of several bytes."""
    cli, rng = Cli(tmp_path), np.random.default_rng(3)
    rows = [
        {"id": f"q{n}", "prompt": f"Which one is it, {n}?",
         "choices": [f" {word}" for word in rng.permutation(WORDS)[:4].tolist()],
         "correct": sorted(rng.permutation(4)[: 1 + n % 2].tolist())}
        for n in range(40)
    ]  # fmt: skip
    write_rows(tmp_path / "q.jsonl", rows)
    done = cli.run(tiny_model(tmp_path, seed=7), tmp_path / "q.jsonl")
    assert done.code == 0, done.err
    return cli


def test_accuracies_are_the_harness_own(odd: Cli) -> None:
    """Of its definition: the likeliest option is any of the golds; per character, per byte."""
    result = odd("export", "last", "-F", "harness").rows["results"]["prompts"]
    units = {"acc": lambda _: 1, "acc_norm": len, "acc_bytes": lambda text: len(text.encode())}
    got = {}
    for name, unit in units.items():
        right = []
        for row in export_rows(odd):
            lengths = [unit(choice.strip()) for choice in row["choices"]]
            scores = [option[-1] / n for option, n in zip(row["logprob"], lengths, strict=True)]
            right.append(scores.index(max(scores)) in row["correct"])
        got[name] = np.mean(right)
        assert result[f"{name},none"] == pytest.approx(got[name])
    assert len(set(got.values())) == 3  # so that one is not taken for another


def test_results_have_the_shape_that_tooling_reads(store: Store, run: str) -> None:
    found = json.loads(json.dumps(harness_results(store, run), allow_nan=False))
    tasks = ["calculation", "truth"]
    for key in ("results", "configs", "versions", "n-shot", "higher_is_better", "n-samples"):
        assert list(found[key]) == tasks, key
    assert found["n-shot"] == {"calculation": 4, "truth": 6}
    assert found["n-samples"]["truth"] == {"original": 6, "effective": 6}
    assert found["group_subtasks"] == {task: [] for task in tasks}
    assert found["config"]["model_args"] == "pretrained=small"
    assert found["configs"]["truth"]["metadata"]["lens"] == "norm"
    assert isinstance(found["date"], float)
    # as the harness' own table walks through a results file
    for task, scores in found["results"].items():
        assert scores.pop("alias") == task
        for key in scores:
            name, _, kind = key.partition(",")
            assert kind == "none"
            if not name.endswith("_stderr"):
                assert f"{name}_stderr,none" in scores
                assert found["higher_is_better"][task][name] is True


def test_a_task_that_stands_there_twice_has_two_names(store: Store, tmp_path: Path) -> None:
    infos = [made_up_model(tmp_path, "small")]
    run = made_up_run(store, infos, TASKS[:1], always(CURVE), lenses=("norm", "paper"))
    assert list(harness_results(store, run)["results"]) == ["calculation|norm", "calculation|paper"]


def test_asked_examples_are_told_and_a_single_item_has_no_error(
    store: Store, tmp_path: Path
) -> None:
    task = TaskRequest("calculation", limit=1, num_fewshot=2)
    run = made_up_run(store, [made_up_model(tmp_path, "small")], [task], always(CURVE))
    found = harness_results(store, run)
    assert found["n-shot"] == {"calculation": 2}
    assert found["results"]["calculation"]["acc_stderr,none"] == "N/A"


def test_what_is_no_harness_file_is_refused(store: Store, tmp_path: Path) -> None:
    infos = [made_up_model(tmp_path, name) for name in ("small", "large")]
    both = made_up_run(store, infos, TASKS[:1], always(CURVE))
    with pytest.raises(UsageError, match="about one model, this run about small, large"):
        harness_results(store, both)
    early = made_up_run(store, infos[:1], TASKS[:1], always(CURVE), layers="1-3")
    with pytest.raises(UsageError, match="nothing is scored at the last layer"):
        harness_results(store, early)


# --- the command ------------------------------------------------------------------------------


def test_export_writes_the_harness_shape(cli: Cli, run: str) -> None:
    done = cli("export", run, "-F", "harness")
    assert done.code == 0, done.err
    with Store(cli.db) as store:
        assert done.rows == harness_results(store, run)
    refused = cli("export", run, "-F", "harness", "--items")
    assert refused.code == 2
    assert "leave out --items" in refused.line


@pytest.mark.parametrize("items", [(), ("--items",)])
def test_parquet_holds_what_json_holds(cli: Cli, run: str, tmp_path: Path, items: Any) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "run.parquet"
    assert cli("export", run, *items, "-F", "parquet", "-o", path).code == 0
    rows = parquet.read_table(path).to_pylist()
    expected = cli("export", run, *items, "-F", "json").rows
    assert [{k: v for k, v in row.items() if v is not None} for row in rows] == [
        {k: v for k, v in row.items() if v is not None} for row in expected
    ]


def test_parquet_needs_a_file_and_pyarrow(cli: Cli, run: str, tmp_path: Path) -> None:
    refused = cli("export", run, "-F", "parquet")
    assert (refused.code, refused.out) == (2, "")
    assert "name a file, -o run.parquet" in refused.line
    with mock.patch.dict(sys.modules, {"pyarrow": None, "pyarrow.parquet": None}):
        refused = cli("export", run, "-F", "parquet", "-o", tmp_path / "a.parquet")
    assert refused.code == 2
    assert "pip install 'llprobe[parquet]'" in refused.line
    assert not (tmp_path / "a.parquet").exists()


@pytest.mark.parametrize("form", ["jsonl", "json", "csv", "md", "table"])
def test_other_formats_hold_a_row_per_cell_and_group(cli: Cli, run: str, form: str) -> None:
    done = cli("export", run, "-F", form)
    assert done.code == 0, done.err
    with Store(cli.db) as store:
        n = len(report.summaries(store, run, by="group"))
    lines = {"jsonl": n, "csv": n + 1, "md": n + 2, "table": n + 1}
    assert len(done.rows) == n if form == "json" else len(done.out.splitlines()) == lines[form]


# --- show --stats -----------------------------------------------------------------------------


def test_stats_say_what_the_evidence_says(cli: Cli, store: Store, run: str) -> None:
    rows = stats_rows(store, run)
    done = cli("show", run, "--stats", "-F", "json")
    assert done.rows == json.loads(json.dumps(rows))
    (calculation, truth) = rows
    assert calculation["baseline_name"] == "chance"
    assert calculation["low"] < calculation["last"] < calculation["high"]
    assert calculation["peak"] in calculation["tied"]
    assert any("only 6" in remark for remark in truth["remarks"])
    table = cli("show", run, "--stats")
    assert "begins at layer" in table.out
    assert "truth: " in table.err


def test_stats_go_with_neither_groups_nor_every_layer(cli: Cli, run: str) -> None:
    for words in (("--wide",), ("--by", "group")):
        refused = cli("show", run, "--stats", *words)
        assert refused.code == 2
        assert f"leave out {words[0]}" in refused.line
    assert cli("show", run, "--stats", "--metric", "pmi").code == 2
