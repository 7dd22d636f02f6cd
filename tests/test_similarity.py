"""Debiased CKA and cosines against loops, invariances and simulation; how items are dealt."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from llprobe.analysis.similarity import (
    FEWEST_BATCHES,
    FEWEST_ITEMS,
    Cka,
    MeanCosine,
    centred,
    cosine_to_last,
    cosine_to_next,
    deal,
    gram,
)

Floats = NDArray[np.floating[Any]]


@pytest.fixture
def draw() -> np.random.Generator:
    return np.random.default_rng(3)


def hsic1(k: Floats, ell: Floats) -> float:
    """Song et al. 2012, equation 5, entry by entry."""
    n = len(k)
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    trace = sum(k[i, j] * ell[j, i] for i, j in pairs)
    whole = sum(k[i, j] for i, j in pairs) * sum(ell[i, j] for i, j in pairs)
    chain = sum(k[i, j] * ell[j, m] for i, j in pairs for m in range(n) if m != j)
    return float((trace + whole / ((n - 1) * (n - 2)) - 2 * chain / (n - 2)) / (n * (n - 3)))


def biased(a: Floats, b: Floats) -> float:
    """Give linear CKA as first defined (Kornblith et al. 2019), of (n, width) each."""
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    norms = np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b)
    return float(np.linalg.norm(a.T @ b) ** 2 / norms)


def cka(*batches: tuple[Floats, Floats]) -> Floats:
    found = Cka()
    for a, b in batches:
        found.add(gram(a), gram(b))
    return found.matrix()


def test_gram_is_every_layer_s_inner_products(draw: np.random.Generator) -> None:
    states = draw.normal(5, 1, (6, 3, 8)).astype(np.float32)
    grams = gram(states)
    assert (grams.shape, grams.dtype) == ((3, 6, 6), np.dtype(np.float64))
    for layer in range(3):
        for i in range(6):
            for j in range(6):
                mean = states[:, layer].astype(np.float64).mean(axis=0)
                expected = (states[i, layer] - mean) @ (states[j, layer] - mean)
                assert grams[layer, i, j] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("m", [4, 5, 9])
def test_products_of_centred_matrices_are_hsic1(draw: np.random.Generator, m: int) -> None:
    states = draw.normal(size=(m, 2, 5)) + 1
    raw = np.stack([states[:, layer] @ states[:, layer].T for layer in range(2)])
    rows = centred(gram(states))
    assert rows.shape == (2, m * (m - 1) // 2)
    for i in range(2):
        for j in range(2):
            assert rows[i] @ rows[j] == pytest.approx(hsic1(raw[i], raw[j]), rel=1e-9)


def test_cka_equals_a_loop_over_batches_and_layers(draw: np.random.Generator) -> None:
    a = [draw.normal(size=(m, 3, 7)) for m in (5, 6, 5)]
    b = [np.einsum("mlw,wv->mlv", x[:, :2], draw.normal(size=(7, 4))) for x in a]
    expected = np.empty((3, 2))
    for i in range(3):
        for j in range(2):
            k = [x[:, i] @ x[:, i].T for x in a]
            ell = [x[:, j] @ x[:, j].T for x in b]
            cross = sum(hsic1(*pair) for pair in zip(k, ell, strict=True))
            own = sum(map(hsic1, k, k)) * sum(map(hsic1, ell, ell))
            expected[i, j] = cross / np.sqrt(own)
    np.testing.assert_allclose(cka(*zip(a, b, strict=True)), expected, rtol=1e-9)
    assert np.ptp(expected) > 0.1


def test_one_batch_is_the_whole(draw: np.random.Generator) -> None:
    """A minibatch estimate of one batch is the unbiased estimate from all items."""
    a = draw.normal(size=(20, 1, 6))
    b = a @ draw.normal(size=(6, 3))
    k, ell = a[:, 0] @ a[:, 0].T, b[:, 0] @ b[:, 0].T
    whole = hsic1(k, ell) / np.sqrt(hsic1(k, k) * hsic1(ell, ell))
    assert cka((a, b)).item() == pytest.approx(whole, rel=1e-9)


def test_rotation_scale_and_shift_do_not_matter(draw: np.random.Generator) -> None:
    a = draw.normal(size=(16, 2, 12))
    turn, _ = np.linalg.qr(draw.normal(size=(12, 12)))
    moved = 30 * a @ turn + 1000 * draw.normal(size=12)
    np.testing.assert_allclose(cka((a, moved)), cka((a, a)), atol=1e-9)
    stretched = a * np.geomspace(1, 100, 12)
    assert cka((a, stretched))[0, 0] < 0.9, "a stretch of some dimensions does matter"


def test_a_layer_is_just_like_itself(draw: np.random.Generator) -> None:
    states = [draw.normal(size=(8, 4, 30)) for _ in range(3)]
    matrix = cka(*((x, x) for x in states))
    np.testing.assert_allclose(np.diag(matrix), 1, rtol=1e-12)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-12)
    assert np.abs(matrix[~np.eye(4, dtype=bool)]).max() < 0.5


def test_unrelated_states_give_zero_where_the_biased_estimate_does_not(
    draw: np.random.Generator,
) -> None:
    """Few items of wide states, as here, are the usual case for models."""
    a, b = (draw.normal(size=(400, 16, 1, 500)) for _ in range(2))
    plain = [biased(x[:, 0], y[:, 0]) for x, y in zip(a[:20], b[:20], strict=True)]
    assert np.mean(plain) > 0.9
    single = [cka((x, y)).item() for x, y in zip(a, b, strict=True)]
    assert abs(np.mean(single)) < 4 * np.std(single) / np.sqrt(400)
    assert abs(cka(*zip(a, b, strict=True)).item()) < 0.03


def test_batches_estimate_what_a_large_one_does(draw: np.random.Generator) -> None:
    a = draw.normal(size=(1600, 1, 10)) * np.geomspace(1, 4, 10)
    b = a[:, :, 4:] + 2 * draw.normal(size=(1600, 1, 6))
    whole = cka((a, b)).item()
    parts = cka(*zip(np.split(a, 100), np.split(b, 100), strict=True)).item()
    assert 0.2 < whole < 0.8
    assert parts == pytest.approx(whole, abs=0.03)


def test_layers_that_say_nothing_of_the_items_have_no_cka(draw: np.random.Generator) -> None:
    states = draw.normal(size=(7, 3, 5)).astype(np.float32)
    states[:, 1] = states[0, 1]
    matrix = cka((states, states))
    assert np.isnan(matrix[1]).all()
    assert np.isnan(matrix[:, 1]).all()
    assert np.isfinite(matrix[np.ix_([0, 2], [0, 2])]).all()


def test_items_can_be_taken_out_of_a_gram_matrix(draw: np.random.Generator) -> None:
    """The mean of those that are gone does not show."""
    states, keep = draw.normal(3, 1, (9, 2, 6)), [0, 2, 3, 5, 8]
    cut = gram(states)[:, keep][:, :, keep]
    np.testing.assert_allclose(centred(cut), centred(gram(states[keep])), atol=1e-12)


def test_the_jackknife_says_how_far_estimates_scatter(draw: np.random.Generator) -> None:
    found, errors = [], []
    for _ in range(150):
        one = Cka()
        for _ in range(10):
            a = draw.normal(size=(12, 1, 6))
            one.add(gram(a), gram(a[:, :, :3] + draw.normal(size=(12, 1, 3))))
        found.append(one.matrix().item())
        error = one.error()
        assert error is not None
        errors.append(error.item())
    assert np.mean(errors) == pytest.approx(np.std(found), rel=0.25)


def test_few_batches_have_no_error(draw: np.random.Generator) -> None:
    one = Cka()
    for n in range(FEWEST_BATCHES):
        assert one.n_batches == n
        states = gram(draw.normal(size=(6, 2, 4)))
        one.add(states, states)
        assert (one.error() is None) is (n + 1 < FEWEST_BATCHES)
    error = one.error()
    assert error is not None
    assert error.shape == (2, 2)
    assert np.diag(error) == pytest.approx(0, abs=1e-12)


# --- cosines --------------------------------------------------------------------------------------


def test_cosines_equal_a_loop(draw: np.random.Generator) -> None:
    states = draw.normal(size=(5, 4, 6)).astype(np.float32)
    to_next, to_last = cosine_to_next(states), cosine_to_last(states)
    assert (to_next.shape, to_last.shape) == ((5, 3), (5, 4))

    def cosine(a: Floats, b: Floats) -> float:
        return float(a @ b / np.sqrt((a @ a) * (b @ b)))

    for i, item in enumerate(states.astype(np.float64)):
        for at in range(4):
            assert to_last[i, at] == pytest.approx(cosine(item[at], item[3]), rel=1e-9)
            if at < 3:
                assert to_next[i, at] == pytest.approx(cosine(item[at], item[at + 1]), rel=1e-9)


def test_one_layer_has_no_next() -> None:
    assert cosine_to_next(np.ones((4, 1, 3))).shape == (4, 0)
    np.testing.assert_allclose(cosine_to_last(np.ones((4, 1, 3))), 1)


def test_a_zero_state_has_no_direction() -> None:
    states = np.ones((2, 2, 3))
    states[1, 0] = 0
    np.testing.assert_array_equal(np.isnan(cosine_to_next(states)), [[False], [True]])


def test_means_over_batches_are_means_over_items(draw: np.random.Generator) -> None:
    values = draw.normal(size=(11, 3))
    mean = MeanCosine()
    for part in np.array_split(values, 4):
        mean.add(part)
    np.testing.assert_allclose(mean.mean(), values.mean(axis=0))
    np.testing.assert_allclose(mean.error(), values.std(axis=0, ddof=1) / np.sqrt(11))


# --- batches --------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [4, 5, 7, 64])
@pytest.mark.parametrize("n", [4, 5, 9, 63, 65, 127, 128, 1000])
def test_every_item_is_dealt_once_and_batches_are_even(n: int, size: int) -> None:
    batches = deal(n, size)
    assert sorted(i for batch in batches for i in batch) == list(range(n))
    sizes = [len(batch) for batch in batches]
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) >= FEWEST_ITEMS
    assert max(sizes) <= max(size, 2 * FEWEST_ITEMS - 1)
    assert all(list(batch) == sorted(batch) for batch in batches)


def test_neighbours_are_dealt_apart_and_the_same_way_each_time() -> None:
    batches = deal(200, 20, seed=1)
    assert batches == deal(200, 20, seed=1) != deal(200, 20, seed=2)
    assert all(max(batch) - min(batch) > 100 for batch in batches)
