"""How alike the states of two layers are on the same items: linear CKA and cosines.

Centred kernel alignment compares how two layers place the same items to each other, whatever the
width of each layer and whichever way its axes point (Kornblith, Norouzi, Lee, Hinton 2019). The
plain estimate is biased: with few items and wide states unrelated layers look alike. Here every
HSIC is the unbiased HSIC_1 (Song, Smola, Gretton, Bedo, Borgwardt 2012), summed over batches before
the ratio is taken (Nguyen, Raghu, Kornblith 2021, section 3), so that no more than one batch of
states has to be held.

This module knows arrays. It does not know models, layers' numbers or where states come from.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

__all__ = [
    "FEWEST_BATCHES",
    "FEWEST_ITEMS",
    "Cka",
    "MeanCosine",
    "centred",
    "cosine_to_last",
    "cosine_to_next",
    "deal",
    "gram",
]

FloatArray = npt.NDArray[np.float64]
States = npt.NDArray[np.floating[Any]]
"""(n_items, n_layers, width)."""

FEWEST_ITEMS: Final = 4
"""HSIC_1 divides by n - 3."""
FEWEST_BATCHES: Final = 5
"""Below that a jackknife says too little of how far batches differ."""


def deal(n_items: int, size: int, seed: int = 0) -> tuple[tuple[int, ...], ...]:
    """Deal items 0..n_items to batches of about `size`, in random order, each ascending.

    A task's neighbours are often alike, so neighbours must not make up a batch. Batches differ by
    at most one item, and none has fewer than `FEWEST_ITEMS` where there are that many at all.
    `n_items` is at least 1, `size` at least `FEWEST_ITEMS`.
    """
    count = -(-n_items // size)
    if n_items // count < FEWEST_ITEMS:
        count = max(1, n_items // size)
    order = np.random.default_rng(seed).permutation(n_items)
    return tuple(tuple(sorted(part.tolist())) for part in np.array_split(order, count))


def gram(states: States) -> FloatArray:
    """Inner products of the items' states at every layer, (n_layers, n_items, n_items).

    The items' mean is taken off first: HSIC_1 does not see it, and digits are kept.
    """
    return np.stack([_gram(states[:, at]) for at in range(states.shape[1])])


def _gram(states: States) -> FloatArray:
    apart = np.asarray(states, np.float64)
    apart = apart - apart.mean(axis=0)
    return np.asarray(apart @ apart.T)


def centred(grams: FloatArray) -> FloatArray:
    """Centre Gram matrices (n_layers, m, m) so that HSIC_1 is an inner product.

    Returns (n_layers, m (m - 1) / 2): what stands above the diagonal after U-centring (Székely,
    Rizzo 2014, definition 2), scaled so that the product of two layers' rows is their HSIC_1.
    `m` is at least `FEWEST_ITEMS`.
    """
    m = grams.shape[1]
    bare = grams * ~np.eye(m, dtype=bool)
    sums = bare.sum(axis=2)
    whole = sums.sum(axis=1)[:, None, None] / ((m - 1) * (m - 2))
    even = bare - (sums[:, :, None] + sums[:, None, :]) / (m - 2) + whole
    rows, columns = np.triu_indices(m, 1)
    return np.asarray(even[:, rows, columns] * np.sqrt(2 / (m * (m - 3))))


class Cka:
    """Debiased linear CKA between the layers of two models, batch by batch.

    The models may be one and the same. Only sums by batch are kept, (n_a, n_b) each.
    """

    def __init__(self) -> None:
        self._cross: list[FloatArray] = []
        self._own: list[tuple[FloatArray, FloatArray]] = []

    @property
    def n_batches(self) -> int:
        """Batches added so far."""
        return len(self._cross)

    def add(self, grams_a: FloatArray, grams_b: FloatArray) -> None:
        """Add a batch's Gram matrices (n_a, m, m) and (n_b, m, m), of the same items in order."""
        a = centred(grams_a)
        b = a if grams_b is grams_a else centred(grams_b)
        self._cross.append(a @ b.T)
        self._own.append((np.square(a).sum(axis=1), np.square(b).sum(axis=1)))

    def matrix(self) -> FloatArray:
        """CKA (n_a, n_b): 1 for alike, about 0 for unrelated, below 0 by chance.

        NaN where a layer's states are the same for all items.
        """
        return _ratio(*(np.sum(part, axis=0) for part in self._parts()))

    def error(self) -> FloatArray | None:
        """Standard error (n_a, n_b) by the jackknife over batches (Tukey 1958).

        None for fewer than `FEWEST_BATCHES`.
        """
        n = self.n_batches
        if n < FEWEST_BATCHES:
            return None
        without = _ratio(*(part.sum(axis=0) - part for part in self._parts()))
        return np.asarray(np.sqrt((n - 1) * without.var(axis=0)))

    def _parts(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Every batch's sums: cross (n, n_a, n_b), own (n, n_a) and (n, n_b)."""
        own_a, own_b = zip(*self._own, strict=True)
        return np.stack(self._cross), np.stack(own_a), np.stack(own_b)


def _ratio(cross: FloatArray, own_a: FloatArray, own_b: FloatArray) -> FloatArray:
    """CKA of sums (..., n_a, n_b), (..., n_a) and (..., n_b); NaN where a sum is not above 0."""
    scale = np.sqrt(own_a.clip(0))[..., :, None] * np.sqrt(own_b.clip(0))[..., None, :]
    found = np.full_like(cross, np.nan)
    np.divide(cross, scale, out=found, where=scale > 0)
    return found


def cosine_to_next(states: States) -> FloatArray:
    """Cosine of each item's states at a layer and the next one, (n_items, n_layers - 1).

    The states are taken as they are: dimensions that are large everywhere count as such. NaN
    where a state is zero.
    """
    pairs = range(states.shape[1] - 1)
    found = [_cosine(states[:, at], states[:, at + 1]) for at in pairs]
    return np.stack(found, axis=1) if found else np.empty((len(states), 0))


def cosine_to_last(states: States) -> FloatArray:
    """Cosine of each item's states at a layer and the last one, (n_items, n_layers)."""
    found = [_cosine(states[:, at], states[:, -1]) for at in range(states.shape[1])]
    return np.stack(found, axis=1)


def _cosine(a: States, b: States) -> FloatArray:
    """Cosine of rows (n_items, width) with rows, (n_items,)."""
    left, right = np.asarray(a, np.float64), np.asarray(b, np.float64)
    product = np.asarray((left * right).sum(axis=1))
    scale = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    found = np.full_like(product, np.nan)
    np.divide(product, scale, out=found, where=scale > 0)
    return found


class MeanCosine:
    """Mean and standard error over items, by layer, of cosines that come batch by batch."""

    def __init__(self) -> None:
        self._parts: list[FloatArray] = []

    def add(self, cosines: FloatArray) -> None:
        """Add a batch's cosines (m, n_layers)."""
        self._parts.append(cosines)

    def mean(self) -> FloatArray:
        """Mean over all items, (n_layers,)."""
        return np.asarray(np.concatenate(self._parts).mean(axis=0))

    def error(self) -> FloatArray:
        """Standard error of the mean, (n_layers,); there are at least 2 items."""
        values = np.concatenate(self._parts)
        return np.asarray(values.std(axis=0, ddof=1) / np.sqrt(len(values)))
