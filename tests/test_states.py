"""States of prompts in batches, and CKA and cosines of them, against the numpy oracle.

The oracle's states are compared with CKA written out here, once through the engine and once
through the child process that commands use.
"""

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
from clihelp import tiny_model, write_questions, write_rows
from conftest import OpenProbe
from nativellama import tokenised
from numpy.typing import NDArray
from oracle import NumpyLlama

from llprobe import children, likeness
from llprobe.analysis.similarity import deal
from llprobe.children import Cancel
from llprobe.engine.states import read_states
from llprobe.errors import LlprobeError, RunError, UnknownName, UsageError
from llprobe.likeness import Reading, layer_similarity, similarity_of_runs
from llprobe.model import ModelInfo, read_model
from llprobe.plan import Sweep, make_plan
from llprobe.report.similarity import Similarity, similarity_rows
from llprobe.settings import EngineSettings
from llprobe.store import Store
from llprobe.task import Questions, TaskRequest, load_questions
from llprobe.worker import carry_out

Floats = NDArray[np.floating[Any]]
Tiny = Callable[..., Path]
Prompt = tuple[int, ...]

PLAIN = EngineSettings(n_threads=1, n_gpu_layers=0, kv_f32=True, flash_attention=False)
# Of the states' spread; as measured in test_capture.
EXACT = 3e-5
SHARED = (7, 90, 33, 204, 11)


def random_prompts(n: int, seed: int = 5) -> list[Prompt]:
    """Give prompts of 6 to 20 tokens that begin alike; two share more than the others do."""
    draw = np.random.default_rng(seed)
    own = [tuple(draw.integers(3, 384, draw.integers(1, 16)).tolist()) for _ in range(n)]
    own[1] = (*own[0], 40)
    return [SHARED + each for each in own]


def oracle_states(path: Path, prompts: Sequence[Prompt], shared: int | None = None) -> Floats:
    """Give (n_prompts, n_layers + 1, width): at the last token, or the mean after `shared`."""
    oracle = NumpyLlama(path)
    found = [oracle.hidden_states(prompt) for prompt in prompts]
    if shared is None:
        return np.stack([states[:, -1] for states in found])
    return np.stack([states[:, shared:].mean(axis=1) for states in found])


def close(ours: Floats, theirs: Floats, error: float = EXACT) -> None:
    assert ours.shape == theirs.shape
    spread = theirs.std(axis=(0, 2), keepdims=True)
    assert (spread > 0.1).all(), "states this flat would prove little"
    assert (np.abs(ours - theirs) / spread).max() < error


def cut(prompts: Sequence[Prompt], sizes: Sequence[int]) -> list[Sequence[Prompt]]:
    ends = np.cumsum(sizes)
    return [prompts[end - size : end] for end, size in zip(ends, sizes, strict=True)]


# --- the engine ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [{}, {"n_ubatch": 3}, {"n_batch": 4, "n_ubatch": 4}, {"share": False}, {"n_ctx": 24}],
    ids=str,
)
@pytest.mark.parametrize("mean", [False, True])
def test_states_equal_the_oracles(
    tiny: Tiny, exact: OpenProbe, settings: dict[str, Any], mean: bool
) -> None:
    path, prompts = tiny(), random_prompts(21)
    batches = cut(prompts, [4, 12, 5])
    found = list(read_states(exact(path, **settings), batches, (0, 1, 2, 3), mean=mean))
    assert [len(states) for states in found] == [4, 12, 5]
    assert all(states.dtype == np.float32 for states in found)
    close(np.concatenate(found), oracle_states(path, prompts, len(SHARED) if mean else None))


def test_layers_can_be_chosen(tiny: Tiny, exact: OpenProbe) -> None:
    probe, prompts = exact(tiny()), random_prompts(5)
    (every,) = read_states(probe, [prompts], (1, 2, 3))
    (some,) = read_states(probe, [prompts], (1, 2))
    np.testing.assert_allclose(some, every[:, :2], atol=1e-5)


def test_more_rows_than_the_buffer_holds_are_read_in_parts(tiny: Tiny, exact: OpenProbe) -> None:
    """Where every token counts, a decode is bounded by memory too."""
    path = tiny(n_embd=256, n_ff=32, n_layers=8)
    prompts = [prompt + prompt * 2 for prompt in random_prompts(9)]
    probe = exact(path, buffer_mb=1)
    assert probe.max_rows < sum(len(p) - len(SHARED) for p in prompts[:8])
    (states,) = read_states(probe, [prompts], (1, 8), mean=True)
    close(states, oracle_states(path, prompts, len(SHARED))[:, [1, 8]])


@pytest.mark.parametrize("arch", ["gemma2", "gpt2", "qwen3"])
def test_together_is_as_alone(tiny: Tiny, exact: OpenProbe, arch: str) -> None:
    probe, prompts = exact(tiny(arch)), random_prompts(6)
    (together,) = read_states(probe, [prompts], (1, 2, 3))
    alone = np.concatenate([next(read_states(probe, [[p]], (1, 2, 3))) for p in prompts])
    # batches of another size are summed in another order; measured: 6e-5
    close(together, alone, 1e-3)


def test_batches_come_one_by_one_then_end(tiny: Tiny, exact: OpenProbe) -> None:
    probe, prompts = exact(tiny()), random_prompts(40)
    reading = read_states(probe, cut(prompts, [20, 20]), (3,))
    assert next(reading).shape == (20, 1, 64)
    assert next(reading).shape == (20, 1, 64)
    assert next(reading, None) is None


# --- through a child ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    tiny_model(folder, "one")
    tiny_model(folder, "two", seed=1, n_layers=2, n_embd=32, n_heads=2, n_kv_heads=1)
    tiny_model(folder, "short", seed=2, n_ctx=32)
    write_questions(folder / "q.jsonl", 23, words=9)
    return folder


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the worker's part be done in this process: a child takes a second to start."""
    monkeypatch.setattr(likeness, "call", lambda request, _cancel: carry_out(request))


def questions_of(files: Path, name: str = "q.jsonl") -> Questions:
    return load_questions(TaskRequest("prompts", data=str(files / name)))


def models_of(files: Path, *names: str) -> list[ModelInfo]:
    return [read_model(files / f"{name}.gguf") for name in names]


def states_of(files: Path, model: str, questions: Questions) -> Floats:
    """Give the oracle's states after each block at the last token: (n_items, n_layers, width)."""
    path = files / f"{model}.gguf"
    prompts = [tuple(tokenised(path, item.prompt)) for item in questions.items]
    return oracle_states(path, prompts)[:, 1:]


def cka(a: Floats, b: Floats, batches: Sequence[Sequence[int]]) -> Floats:
    """Debiased CKA by minibatches, from states."""
    out = np.empty((a.shape[1], b.shape[1]))
    for i, j in np.ndindex(*out.shape):
        x, y = [a[list(n), i] for n in batches], [b[list(n), j] for n in batches]
        cross = sum(map(hsic1, x, y))
        out[i, j] = cross / np.sqrt(sum(map(hsic1, x, x)) * sum(map(hsic1, y, y)))
    return out


def hsic1(x: Floats, y: Floats) -> float:
    """Song et al. 2012, equation 5, in its matrix form."""
    n, bare = len(x), ~np.eye(len(x), dtype=bool)
    k, ell = ((z.astype(np.float64) @ z.T.astype(np.float64)) * bare for z in (x, y))
    cross = (k * ell).sum() + k.sum() * ell.sum() / ((n - 1) * (n - 2))
    return float(cross - 2 / (n - 2) * (k.sum(axis=0) @ ell.sum(axis=1))) / (n * (n - 3))


def test_one_model_s_layers_compare_as_the_oracles_do(files: Path) -> None:
    questions, told = questions_of(files), list[tuple[str, int, int]]()
    found = layer_similarity(
        models_of(files, "one"), questions, Reading(batch=6, engine=PLAIN),
        watch=lambda *now: told.append(now),
    )  # fmt: skip
    states, batches = states_of(files, "one", questions), deal(23, 6)
    np.testing.assert_allclose(found.matrix, cka(states, states, batches), atol=1e-5)
    assert found.matrix.min() < 0.95
    np.testing.assert_allclose(np.diag(found.matrix), 1, rtol=1e-12)
    assert (found.labels, found.layers_a, found.layers_b) == (("one", "one"), (1, 2, 3), (1, 2, 3))
    assert (found.n_items, found.n_batches, found.n_blocks) == (23, 4, (3, 3))
    assert found.is_one_model
    assert found.error is None
    assert any("no standard errors" in note for note in found.notes)
    assert told[0] == ("one", 0, 23)
    assert told[-1] == ("one", 23, 23)
    assert len(told) == 5


@pytest.mark.usefixtures("inside")
def test_cosines_are_the_oracles(files: Path) -> None:
    questions = questions_of(files)
    found = layer_similarity(models_of(files, "one"), questions, Reading(batch=5, engine=PLAIN))
    states = states_of(files, "one", questions).astype(np.float64)
    unit = states / np.linalg.norm(states, axis=2, keepdims=True)
    (cosines,) = found.cosines
    to_next = (unit[:, :-1] * unit[:, 1:]).sum(axis=2)
    np.testing.assert_allclose(cosines.to_next, to_next.mean(axis=0), atol=1e-5)
    errors = to_next.std(axis=0, ddof=1) / np.sqrt(23)
    np.testing.assert_allclose(cosines.to_next_error, errors, atol=1e-5)
    to_last = (unit * unit[:, -1:]).sum(axis=2).mean(axis=0)
    np.testing.assert_allclose(cosines.to_last, to_last, atol=1e-5)
    assert to_last[0] < 0.9


@pytest.mark.usefixtures("inside")
def test_two_models_compare_on_the_same_batches(files: Path) -> None:
    questions = questions_of(files)
    how = Reading(batch=4, engine=PLAIN, seed=3)
    found = layer_similarity(models_of(files, "one", "two"), questions, how)
    a, b = (states_of(files, name, questions) for name in ("one", "two"))
    np.testing.assert_allclose(found.matrix, cka(a, b, deal(23, 4, 3)), atol=1e-5)
    assert found.matrix.shape == (3, 2)
    assert (found.labels, found.layers_b, found.n_blocks) == (("one", "two"), (1, 2), (3, 2))
    assert [each.model for each in found.cosines] == ["one", "two"]
    assert not found.is_one_model
    assert found.error is not None
    assert (found.error > 0).all()
    turned = layer_similarity(models_of(files, "two", "one"), questions, how)
    np.testing.assert_allclose(turned.matrix, found.matrix.T, atol=1e-9)


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize("order", [("one", "short"), ("short", "one")])
def test_what_one_model_cannot_hold_is_left_out_of_both(
    files: Path, order: tuple[str, str]
) -> None:
    questions = questions_of(files)
    items = list(questions.items)
    for at in (2, 9, 10, 17):
        items[at] = replace(items[at], prompt=items[at].prompt + " xyz" * 20)
    long = replace(questions, items=tuple(items))
    how = Reading(batch=7, engine=PLAIN)
    found = layer_similarity(models_of(files, *order), long, how)
    fits = [i for i in range(23) if i not in {2, 9, 10, 17}]
    batches = [[i for i in batch if i in fits] for batch in deal(23, 7)]
    batches = [batch for batch in batches if len(batch) >= 4]
    a, b = (states_of(files, name, questions) for name in order)
    np.testing.assert_allclose(found.matrix, cka(a, b, batches), atol=1e-5)
    assert found.n_items == sum(map(len, batches))
    kept = sorted(i for batch in batches for i in batch)
    for cosines, states in zip(found.cosines, (a, b), strict=True):
        unit = states[kept] / np.linalg.norm(states[kept], axis=2, keepdims=True)
        to_last = (unit * unit[:, -1:]).sum(axis=2).mean(axis=0)
        np.testing.assert_allclose(cosines.to_last, to_last, atol=1e-5)
    assert found.notes[0].startswith("short: 4 do not fit (q2: needs ")
    assert f"{23 - found.n_items} questions are not in the numbers" in found.notes[1]


@pytest.mark.usefixtures("inside")
def test_batches_too_small_for_cka_do_not_count(files: Path) -> None:
    """Of 4 items that are dealt together one does not fit."""
    questions = questions_of(files)
    items = list(questions.items[:8])
    items[0] = replace(items[0], prompt=items[0].prompt + " xyz" * 20)
    long = replace(questions, items=tuple(items))
    found = layer_similarity(models_of(files, "short"), long, Reading(batch=4, engine=PLAIN))
    assert (found.n_items, found.n_batches) == (4, 1)
    with pytest.raises(UsageError, match="has 0 questions that fit the context together"):
        layer_similarity(
            models_of(files, "short"), replace(long, items=tuple(items[:4])),
            Reading(batch=4, engine=PLAIN),
        )  # fmt: skip


@pytest.mark.usefixtures("inside")
def test_a_prompt_that_comes_again_counts_once(files: Path) -> None:
    questions = questions_of(files)
    again = tuple(replace(item, id=f"{item.id} again") for item in questions.items[:9])
    how = Reading(engine=PLAIN)
    once = layer_similarity(models_of(files, "one"), questions, how)
    twice = layer_similarity(
        models_of(files, "one"), replace(questions, items=questions.items + again), how
    )
    np.testing.assert_array_equal(once.matrix, twice.matrix)
    assert twice.notes[0] == "9 questions with the prompt of another one are left out"


@pytest.mark.usefixtures("inside")
def test_the_mean_position_and_layers_are_passed_on(files: Path) -> None:
    questions = questions_of(files)
    how = Reading(layers="1,-1", position="mean", engine=PLAIN)
    found = layer_similarity(models_of(files, "one"), questions, how)
    path = files / "one.gguf"
    prompts = [tuple(tokenised(path, item.prompt)) for item in questions.items]
    assert len({prompt[0] for prompt in prompts}) > 1, "nothing is shared, all tokens count"
    states = oracle_states(path, prompts, 0)[:, [1, 3]]
    np.testing.assert_allclose(found.matrix, cka(states, states, [range(23)]), atol=1e-5)
    assert (found.layers_a, found.position) == ((1, 3), "mean")


@pytest.mark.usefixtures("inside")
def test_rows_hold_every_number(files: Path) -> None:
    found = layer_similarity(
        models_of(files, "one", "two"), questions_of(files), Reading(batch=4, engine=PLAIN)
    )
    rows = similarity_rows(found)
    assert len(rows) == 3 * 2 + (2 + 3) + (1 + 2)
    key = ("measure", "model_a", "layer_a", "model_b", "layer_b")
    by_key = {tuple(row[name] for name in key): row for row in rows}
    row = by_key["cka", "one", 3, "two", 1]
    assert found.error is not None
    assert (row["value"], row["error"]) == (found.matrix[2, 0], found.error[2, 0])
    assert by_key["cosine_to_next", "two", 1, "two", 2]["value"] == found.cosines[1].to_next[0]
    assert by_key["cosine_to_last", "one", 3, "one", 3]["value"] == pytest.approx(1)
    none = replace(found, matrix=np.full((3, 2), np.nan), error=None)
    assert {r["value"] for r in similarity_rows(none)[:6]} == {None}
    assert {r["error"] for r in similarity_rows(none)[:6]} == {None}


# --- what is refused, and what goes wrong -------------------------------------------------------


def test_what_cannot_be_compared_is_refused(files: Path) -> None:
    questions, models = questions_of(files), models_of(files, "one", "two", "short")
    for given in ([], models):
        with pytest.raises(UsageError, match=f"{len(given)} models are given: name one, or two"):
            layer_similarity(given, questions)
    few = replace(questions, items=questions.items[:3])
    with pytest.raises(UsageError, match="prompts has 3 questions with different prompts, CKA"):
        layer_similarity(models[:1], few)
    with pytest.raises(UsageError, match="no position 'first'; known: last, mean"):
        Reading(position="first")
    with pytest.raises(UsageError, match="a batch of 3: CKA needs at least 4 items"):
        Reading(batch=3)
    with pytest.raises(UsageError, match="--layers 4: this model has layers 0 to 3"):
        layer_similarity(models[:1], questions, Reading(layers="4"))


def test_a_model_that_is_gone_is_one_line(files: Path, tmp_path: Path) -> None:
    path = tiny_model(tmp_path, "gone")
    model = read_model(path)
    path.unlink()
    with pytest.raises(LlprobeError, match=r"gone\.gguf") as found:
        layer_similarity([model], questions_of(files), Reading(engine=PLAIN))
    assert "\n" not in str(found.value)


def dying(n_batches: int) -> Callable[[int, IO[bytes]], "subprocess.Popen[bytes]"]:
    """Start real workers that kill themselves after some batches."""
    program = f"""
import os, signal, sys
from llprobe import worker
from llprobe.events import StatesBatch

real = worker._states

def sabotaged(request):
    for event in real(request):
        if isinstance(event, StatesBatch) and event.batch == {n_batches}:
            os.kill(os.getpid(), signal.SIGKILL)
        yield event

worker._states = sabotaged
worker.main(int(sys.argv[1]))
"""
    return lambda fd, noise: subprocess.Popen(
        [sys.executable, "-c", program, str(fd)],
        pass_fds=(fd,), stdout=noise, stderr=noise, process_group=0,
    )  # fmt: skip


def test_a_child_that_is_killed_is_one_line(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "_start", dying(1))
    with pytest.raises(RunError, match=r"^one: the worker died of SIGKILL: ") as found:
        layer_similarity(
            models_of(files, "one", "two"), questions_of(files), Reading(batch=6, engine=PLAIN)
        )
    assert "\n" not in str(found.value)


def test_stopping_ends_in_an_interrupt(files: Path) -> None:
    cancel = Cancel()

    def watch(_model: str, done: int, _total: int) -> None:
        if done:
            cancel.request()

    with pytest.raises(KeyboardInterrupt):
        layer_similarity(
            models_of(files, "one"), questions_of(files), Reading(batch=4, engine=PLAIN), cancel,
            watch,
        )  # fmt: skip


# --- stored runs ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stored(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a database with runs of one model, of another, of both, and of one more.

    What a run has scored does not matter here: nothing is.
    """
    path = tmp_path_factory.mktemp("stored") / "a.db"
    requests = (TaskRequest("prompts", data=str(files / "q.jsonl"), limit=20),)
    named = {"first": ("one",), "second": ("two",), "pair": ("one", "two"), "all": ()}
    with Store(path) as store:
        for name, models in named.items():
            infos = tuple(models_of(files, *(models or ("one", "two", "short"))))
            sweep = Sweep(infos, requests, settings=PLAIN, pmi=True)
            store.begin(make_plan(sweep, name), "llprobe run")
    return path


def same(a: Similarity, b: Similarity) -> None:
    assert (a.labels, a.task, a.layers_a, a.layers_b, a.n_items) == (
        b.labels, b.task, b.layers_a, b.layers_b, b.n_items
    )  # fmt: skip
    np.testing.assert_array_equal(a.matrix, b.matrix)


@pytest.mark.usefixtures("inside")
def test_runs_give_models_and_questions(files: Path, stored: Path) -> None:
    asked = questions_of(files)
    asked = replace(asked, items=asked.items[:20])
    expected = layer_similarity(models_of(files, "one", "two"), asked, Reading(engine=PLAIN))
    with Store(stored) as store:
        same(similarity_of_runs(store, ["first", "second"]), expected)
        same(similarity_of_runs(store, ["pair"], "prompts"), expected)
        alone = similarity_of_runs(store, ["first", "first"], n_items=12)
    assert alone.is_one_model
    assert alone.n_items == 12


def test_runs_that_cannot_be_compared_are_refused(files: Path, stored: Path) -> None:
    with Store(stored) as store:
        with pytest.raises(UsageError, match="3 models are given"):
            similarity_of_runs(store, ["all"])
        with pytest.raises(UnknownName, match="no task in this run named 'facts'"):
            similarity_of_runs(store, ["first"], "facts")
        data = (files / "q.jsonl").read_text()
        rows = [{"id": "new", "prompt": "the city", "choices": [" a", " b"], "correct": [0]}]
        try:
            write_rows(files / "q.jsonl", rows)
            with pytest.raises(UsageError, match="asks other questions than the run did"):
                similarity_of_runs(store, ["first"])
        finally:
            (files / "q.jsonl").write_text(data)
        (files / "one.gguf").rename(files / "moved.gguf")
        try:
            with pytest.raises(UsageError, match="one is no longer at "):
                similarity_of_runs(store, ["first"])
            tiny_model(files, "one", seed=9)
            with pytest.raises(UsageError, match="is no longer the one of the run"):
                similarity_of_runs(store, ["first"])
        finally:
            (files / "moved.gguf").replace(files / "one.gguf")
