"""Sweeps of several models, quants, seeds and ablations: how cells are named and left out."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clihelp import Cli, export_rows, tiny_model
from conftest import OpenProbe
from oracle import NumpyLlama
from sweephelp import N_ITEMS, is_one_error, sweep_cli, write_sweep

from llprobe.engine.tokens import tokenize_items
from llprobe.model import read_model
from llprobe.task import TaskRequest, load_questions


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return sweep_cli(tmp_path)


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
