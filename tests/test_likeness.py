"""CKA and cosines of models' states, against CKA written out here of the numpy oracle's states."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from nativellama import tokenised
from stateshelp import (
    PLAIN,
    Floats,
    models_of,
    oracle_states,
    questions_of,
    work_inside,
    write_files,
)

from llprobe.analysis.similarity import deal
from llprobe.errors import UsageError
from llprobe.likeness import Reading, layer_similarity
from llprobe.report.similarity import similarity_rows
from llprobe.task import Questions


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_files(tmp_path_factory.mktemp("files"))


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch) -> None:
    work_inside(monkeypatch)


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
