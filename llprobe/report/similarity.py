"""How alike layers are, as records and rows: a matrix of CKA, cosines along the layers.

This module knows what a reader of a comparison wants to see. It does not know terminals, nor how
the numbers were found.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["LayerCosines", "Similarity", "similarity_rows"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LayerCosines:
    """Cosines of an item's states at two layers of one model, means over items with their errors.

    The states are taken as they are: dimensions that are large in every item count as such.
    """

    model: str
    layers: tuple[int, ...]
    """Numbered 1..n."""
    to_next: FloatArray
    """Each layer and the next of `layers`, (n_layers - 1,)."""
    to_next_error: FloatArray
    """Standard errors of `to_next`."""
    to_last: FloatArray
    """Each layer and the last of `layers`, (n_layers,)."""
    to_last_error: FloatArray
    """Standard errors of `to_last`."""


@dataclass(frozen=True, slots=True)
class Similarity:
    """How alike the layers of one model, or of two, are on the same items."""

    labels: tuple[str, str]
    """The models of rows and columns; the same name twice where there is one model."""
    task: str
    position: str
    """Whose states: `last`, the last token of each prompt, or `mean`, the mean over its tokens
    after those that all prompts begin with."""
    layers_a: tuple[int, ...]
    """Layers of the rows, numbered 1..n."""
    layers_b: tuple[int, ...]
    """Layers of the columns."""
    n_blocks: tuple[int, int]
    """Blocks of the two models, for relative depth."""
    matrix: FloatArray
    """Debiased linear CKA (n_a, n_b); NaN where a layer's states are the same for all items."""
    error: FloatArray | None
    """Standard errors (n_a, n_b) by the jackknife over batches; None for too few batches."""
    cosines: tuple[LayerCosines, ...]
    """Of each model, one or two."""
    n_items: int
    """Items of which the states were compared, the same of both models."""
    batch: int
    """Items of a batch as asked for; batches are as even as they can be."""
    n_batches: int
    notes: tuple[str, ...] = ()
    """What was left out, and what the numbers cannot say, a sentence each."""

    @property
    def is_one_model(self) -> bool:
        """Whether rows and columns are layers of the same model."""
        return len(self.cosines) == 1


def similarity_rows(found: Similarity) -> list[dict[str, Any]]:
    """Return a row per number: CKA of every pair of layers, then the cosines of each model.

    `measure` is cka, cosine_to_next or cosine_to_last; `value` and `error` (the standard error)
    are None where there is no such number.
    """
    shared = {
        "task": found.task,
        "position": found.position,
        "items": found.n_items,
        "batches": found.n_batches,
    }
    numbers = [*_pairs(found), *(row for each in found.cosines for row in _along(each))]
    return [row | shared for row in numbers]


def _pairs(found: Similarity) -> Iterator[dict[str, Any]]:
    a, b = found.labels
    for i, row in enumerate(found.layers_a):
        for j, column in enumerate(found.layers_b):
            error = None if found.error is None else found.error[i, j]
            yield _row("cka", a, row, b, column, found.matrix[i, j], error)


def _along(found: LayerCosines) -> Iterator[dict[str, Any]]:
    name, layers = found.model, found.layers
    pairs = zip(layers, layers[1:], found.to_next, found.to_next_error, strict=False)
    for layer, after, value, error in pairs:
        yield _row("cosine_to_next", name, layer, name, after, value, error)
    for layer, value, error in zip(layers, found.to_last, found.to_last_error, strict=True):
        yield _row("cosine_to_last", name, layer, name, layers[-1], value, error)


def _row(
    measure: str, a: str, layer_a: int, b: str, layer_b: int, value: float, error: float | None
) -> dict[str, Any]:
    return {
        "measure": measure,
        "model_a": a,
        "layer_a": layer_a,
        "model_b": b,
        "layer_b": layer_b,
        "value": _number(value),
        "error": None if error is None else _number(error),
    }


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
