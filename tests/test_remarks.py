"""What is wrong with a model or an item stands beside the scores, and takes no other item along."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clihelp import Cli, export_rows, tiny_model, write_questions, write_rows
from conftest import OpenProbe

from llprobe import page
from llprobe.engine.score import Scorer
from llprobe.engine.tokens import tokenize_items
from llprobe.errors import ModelFileError
from llprobe.events import GroupScored, ItemResult, JobStarted
from llprobe.model import read_model, resolve
from llprobe.model.header import read_header
from llprobe.model.metadata import Metadata
from llprobe.model.vocabulary import tokenizer_remarks
from llprobe.report.remarks import remarks
from llprobe.store import Store
from llprobe.task import Item, Skipped

Tiny = Callable[..., Path]
_SPOILT = " river"
"""A word that is a token of its own; in the models of `spoilt` its embedding is no number."""


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli(tmp_path)


def _spoil(path: Path, token: int) -> Path:
    """Make a token's embedding NaN."""
    tensors = read_header(path).tensors
    embedding = next(tensor for tensor in tensors if tensor.name == "token_embd.weight")
    width = embedding.shape[0]
    rows = np.memmap(path, np.float32, "r+", embedding.offset, (embedding.n_elements,))
    rows[token * width : (token + 1) * width] = np.nan
    rows.flush()
    return path


def _spoilt(folder: Path, probe: OpenProbe) -> Path:
    path = tiny_model(folder, "spoilt")
    return _spoil(path, probe(path).model.tokenize(_SPOILT)[0])


def _items() -> list[Item]:
    prompts = ["the city is", f"the{_SPOILT} is", "a number is", "the capital of a city"]
    return [
        Item(f"q{n}", prompt, (" true", " the answer", " in a city"), (n % 3,), n % 3)
        for n, prompt in enumerate(prompts)
    ]


def _rows() -> list[dict[str, Any]]:
    return [
        {"id": x.id, "prompt": x.prompt, "choices": list(x.choices), "correct": list(x.correct)}
        for x in _items()
    ]


# --- items that get no score ---------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{}, {"flash_attention": False, "kv_f32": True}])
def test_an_item_without_numbers_leaves_those_beside_it_what_they_are(
    tmp_path: Path, probe: OpenProbe, settings: dict[str, Any]
) -> None:
    scores, faults = [], list[str]()
    for path in (tiny_model(tmp_path), _spoilt(tmp_path, probe)):
        opened = probe(path, **settings)
        task = tokenize_items(opened, "", _items())
        with Scorer(opened, task, (1, 3), ("norm", "raw")) as scorer:
            assert len(scorer.packing.groups) == 1, "the items would prove nothing"
            scores.append([score for _, group in scorer.groups() for score in group])
            faults = [scorer.fault(score, "raw") for score in scores[-1]]
    assert [bool(fault) for fault in faults] == [False, True, False, False]
    assert faults[1] == (
        "its log-probabilities are not numbers at 2 of 2 layers, the first of them 1"
    )
    for expected, score in zip(*scores, strict=True):
        if score.index != 1:
            for lens in ("norm", "raw"):
                np.testing.assert_allclose(score.logprob[lens], expected.logprob[lens], atol=0.05)


def test_a_group_is_the_same_whether_one_without_numbers_came_before_it(
    tmp_path: Path, probe: OpenProbe
) -> None:
    opened = probe(_spoilt(tmp_path, probe), n_batch=8)
    task = tokenize_items(opened, "the answer ", _items())

    def scored(done: frozenset[int]) -> dict[int, list[float]]:
        with Scorer(opened, task, (1, 3), ("norm",)) as scorer:
            assert len(scorer.packing.groups) > 3
            return {
                s.index: s.logprob["norm"].ravel().tolist()
                for _, group in scorer.groups(done)
                for s in group
            }

    whole, resumed = scored(frozenset()), scored(frozenset({0, 1}))
    assert resumed
    assert {index: whole[index] for index in resumed} == resumed


def test_an_item_without_numbers_is_named_and_the_task_is_scored(
    cli: Cli, probe: OpenProbe
) -> None:
    model = _spoilt(cli.folder, probe)
    questions = write_rows(cli.folder / "q.jsonl", _rows())
    done = cli.run(model, questions, "--lens", "norm,raw")
    assert done.code == 0
    named = "prompts: 1 skipped (q1: its log-probabilities are not numbers at 3 of 3 layers"
    assert done.err.count(named) == 1
    assert "ngl" not in done.err
    assert {row["id"] for row in export_rows(cli)} == {"q0", "q2", "q3"}
    shown = cli("show")
    assert shown.err.count("prompts: skipped q1: its log-probabilities are not numbers") == 1
    assert "items are scored" not in shown.err
    again = cli.run(model, questions, "--lens", "norm,raw")
    assert (again.code, "model loaded" in again.err) == (0, False)
    with Store(cli.db, create=False) as store:
        cells = store.cells(store.find_run("last"))
        found = page.gather(store, [store.find_run("last")])
    assert [(cell.status, cell.n_done, cell.n_items) for cell in cells] == [("done", 3, 3)] * 2
    assert any("skipped q1: its log-probabilities" in remark for remark in found.remarks)


def test_an_answer_without_numbers_is_named_and_the_others_are_written(
    cli: Cli, probe: OpenProbe
) -> None:
    model = _spoilt(cli.folder, probe)
    questions = write_rows(cli.folder / "q.jsonl", _rows())
    done = cli.run(model, questions, "--answer", "generate")
    assert done.code == 0
    # an answer to another may well come to hold the word, and end so
    assert "q1: llama.cpp's logits are not numbers" in done.err
    assert "q1" not in {row["id"] for row in export_rows(cli)} != set()


def test_items_that_groups_left_out_stay_left_out_when_a_run_goes_on(
    cli: Cli, tmp_path: Path
) -> None:
    model, questions = tiny_model(cli.folder), write_questions(tmp_path / "q.jsonl", 6)
    cli.run(model, questions, "-L", "6")
    with Store(cli.db) as store:
        cell = store.cells(store.find_run("last"))[0]
    with Store(tmp_path / "again.db") as store:
        cli("run", "-m", model, "-t", "prompts", "--data", questions, "--db", store.path)
        run = store.find_run("last")
        id_ = store.cells(run)[0].id
        assert id_ == cell.id
        started = JobStarted((id_,), 5, 3, 10, (Skipped("long", "needs 9 tokens"),))
        item = ItemResult(0, (1,), np.zeros((3, 3)))
        store.start_job(started)
        store.add_group(GroupScored(id_, 7, (), 10, (Skipped("broken", "no numbers"),)))
        store.add_group(GroupScored(id_, 7, (item,), 10))  # a group is stored once
        assert store.cells(run)[0].n_items == 4
        store.start_job(started)
        again = store.cells(run)[0]
        assert again.n_items == 4
        assert {skipped.id for skipped in again.skipped} == {"long", "broken"}


# --- runs in which nothing is scored -------------------------------------------------------------


def test_a_run_in_which_nothing_can_be_scored_fails_and_says_why(cli: Cli) -> None:
    model = tiny_model(cli.folder, n_ctx=8)
    questions = write_questions(cli.folder / "q.jsonl", 4, words=30)
    for words in ((), ("--answer", "generate")):
        done = cli.run(model, questions, *words)
        assert done.code == 1
        assert "nothing is scored: all items were skipped" in done.line
        assert "tokens of context, 8 are there" in done.line


def test_a_run_of_which_something_can_be_scored_does_not_fail(cli: Cli) -> None:
    model = tiny_model(cli.folder, n_ctx=64)
    rows = [row | {"prompt": "the long city " * 30} for row in _rows()]
    long = write_rows(cli.folder / "long.jsonl", rows[:2])
    mixed = write_rows(cli.folder / "mixed.jsonl", [rows[0], *_rows()[1:]])
    assert cli.run(model, long).code == 1
    done = cli.run(model, mixed)
    assert done.code == 0
    assert "prompts: 1 skipped (q0: needs " in done.err


# --- remarks on models ---------------------------------------------------------------------------


def _metadata(path: Path, **changed: Any) -> Metadata:
    values = dict(read_header(path).metadata)
    for key, value in changed.items():
        name = f"tokenizer.ggml.{key}"
        values.pop(name, None)
        if value is not None:
            values[name] = value
    return Metadata(path, values)


@pytest.mark.parametrize("tokenizer", ["bpe", "spm"])
def test_nothing_is_said_of_a_tokenizer_that_is_whole(tiny: Tiny, tokenizer: str) -> None:
    path = tiny(tokenizer=tokenizer)
    assert tokenizer_remarks(_metadata(path)) == ()
    assert read_model(path).remarks() == ()


def test_merges_and_the_split_before_them_are_of_byte_level_tokenizers_alone(tiny: Tiny) -> None:
    path = tiny(tokenizer="spm")
    assert tokenizer_remarks(_metadata(path, pre=None, merges=("odd",))) == ()


def test_what_makes_other_tokens_of_a_text_is_remarked(tiny: Tiny) -> None:
    path = tiny()
    merges = read_header(path).metadata["tokenizer.ggml.merges"]
    assert isinstance(merges, tuple)
    n = len(merges)
    odd = {
        (): "its file has no merges",
        tuple(str(m).replace(" ", "") for m in merges): f"{n} of the {n} merges",
        (*merges, "qq zz", "zz qq"): f"2 of the {n + 2} merges",
        (f"{str(merges[0]).split(' ', maxsplit=1)[0]} ", *merges): f"1 of the {n + 1} merges",
        (" ", *merges): f"1 of the {n + 1} merges",
    }
    for value, said in odd.items():
        (remark,) = tokenizer_remarks(_metadata(path, merges=value))
        assert remark.startswith(said), value
        assert "get a file that was converted anew" in remark
    (remark,) = tokenizer_remarks(_metadata(path, pre=None))
    assert remark.startswith("its file has no tokenizer.ggml.pre")
    assert len(tokenizer_remarks(_metadata(path, pre="", merges=()))) == 2


@pytest.mark.model
def test_nothing_is_said_of_the_default_model() -> None:
    info = resolve("smollm2-135m", fetch=True)
    assert len(read_header(info.paths[0]).metadata["tokenizer.ggml.merges"]) > 40_000
    assert info.remarks() == ()


def test_a_remark_on_a_model_stands_beside_its_scores_everywhere(cli: Cli) -> None:
    path = tiny_model(cli.folder, "guessed")
    path.write_bytes(path.read_bytes().replace(b"tokenizer.ggml.pre", b"tokenizer.ggml.prX", 1))
    questions = write_questions(cli.folder / "q.jsonl", 3)
    done = cli.run(path, questions, "--ctx", "700")
    said = ("its file has no tokenizer.ggml.pre", "llama.cpp warns: ", "--ctx 700 is more than the")
    for sentence in said:
        assert done.err.count(f"guessed: {sentence}") >= 1, sentence
        assert f"guessed: {sentence}" in cli("show").err
    assert "DEGRADED" in done.err
    assert "the 512 tokens that it was trained for: 512 are used" in done.err
    assert "no tokenizer.ggml.pre" in cli("models", "inspect", path, "-F", "json").out
    assert "no tokenizer.ggml.pre" in cli("lens", "the city", "-m", path).err
    with Store(cli.db, create=False) as store:
        run = store.find_run("last")
        kept = remarks(store.cells(run))
        shown = page.gather(store, [run])
    assert all(any(sentence in remark for remark in kept) for sentence in said)
    assert set(kept) <= set(shown.remarks)
    assert not any("DEGRADED" in value for value in shown.versions.values())


def test_nothing_is_said_of_a_model_that_is_whole(cli: Cli) -> None:
    model, questions = tiny_model(cli.folder), write_questions(cli.folder / "q.jsonl", 3)
    done = cli.run(model, questions, "--ctx", "512")
    assert "tiny: " not in done.err
    with Store(cli.db, create=False) as store:
        assert remarks(store.cells(store.find_run("last"))) == []
    assert "remarks" not in cli("models", "inspect", model, "-F", "json").out


@pytest.mark.parametrize("base", [math.inf, math.nan, 0.0, -1.0])
@pytest.mark.parametrize("arch", ["llama", "gemma"])
def test_a_base_of_rotations_that_no_model_has_is_refused(
    tmp_path: Path, arch: str, base: float
) -> None:
    path = tiny_model(tmp_path, arch=arch, rope_freq_base=base)
    with pytest.raises(ModelFileError, match=r"is damaged: metadata \w+.rope.freq_base is "):
        read_model(path)


def test_a_scale_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    path = tiny_model(tmp_path, rope_linear=math.inf)
    with pytest.raises(ModelFileError, match=r"metadata llama.rope.scaling.factor is inf"):
        read_model(path)
