"""What is said between parent and worker about the states of prompts: a request, its events.

They are part of `events`, through which the rest of llprobe knows them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llprobe.model import ModelInfo
from llprobe.settings import EngineSettings
from llprobe.task import Questions, Skipped

__all__ = ["StatesBatch", "StatesRequest", "StatesStarted"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class StatesRequest:
    """Compare the states of prompts at `layers`: within each layer by item, and between layers.

    `batches` are indices of the questions' items; what is left of a batch is read together. A
    prompt's state is that of its last token, or with `mean` the mean over the tokens
    that not all prompts begin with.
    """

    model: ModelInfo
    settings: EngineSettings
    questions: Questions
    batches: tuple[tuple[int, ...], ...]
    layers: tuple[int, ...]
    mean: bool = False


@dataclass(frozen=True, slots=True)
class StatesStarted:
    """How many of the prompts fit the context and are read; the others are `skipped`."""

    n_items: int
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True, slots=True)
class StatesBatch:
    """What is kept of one batch's states; `items` are the indices (m,) of those that fit.

    `gram` (n_layers, m, m): inner products of the items' states at each layer, less their mean.
    `to_next` (m, n_layers - 1), `to_last` (m, n_layers): cosines of an item's states at a layer
    and at the next of the layers, or the last.
    """

    batch: int
    items: tuple[int, ...]
    gram: FloatArray
    to_next: FloatArray
    to_last: FloatArray
