"""Hidden states -> log-probs of target tokens, layer by layer, through one of three lenses.

`norm` applies the model's final norm at every layer (the usual logit lens), `paper` only before
the last layer's logits (arXiv 2312.04333), `raw` never. Each lens is computed by itself, so that
its numbers do not depend on which others are computed beside it.

This module knows layers and rows. It does not know options, questions or llama.cpp.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from llprobe.engine.head import Head
from llprobe.errors import UsageError
from llprobe.settings import LENSES

__all__ = ["normed_layers", "target_log_probs"]


def normed_layers(lens: str, layers: Sequence[int], n_layers: int) -> npt.NDArray[np.bool_]:
    """Which of `layers` (numbered to `n_layers`) the lens applies the final norm to."""
    if lens not in LENSES:
        raise UsageError(f"no lens {lens!r}; known: {', '.join(LENSES)}")
    if lens == "paper":
        return np.array([layer == n_layers for layer in layers], bool)
    return np.full(len(layers), lens == "norm", bool)


def target_log_probs(
    head: Head,
    states: npt.NDArray[np.float32],
    normed: npt.NDArray[np.bool_],
    rows: npt.NDArray[np.int64],
    tokens: npt.NDArray[np.int64],
) -> npt.NDArray[np.float64]:
    """Log-probs (n_targets, n_layers) of `tokens` predicted from `rows` at every layer.

    `states` is (n_layers, n_rows, n_embd), `normed` (n_layers,), `rows` ascend.
    """
    n_layers, n_rows, n_embd = states.shape
    out = np.empty((len(rows), n_layers), np.float64)
    for norm in (False, True):
        chosen = np.flatnonzero(normed == norm)
        if not len(chosen):
            continue
        whole = len(chosen) == n_layers
        flat = (states if whole else states[chosen]).reshape(-1, n_embd)
        all_rows = (np.arange(len(chosen))[:, None] * n_rows + rows).ravel()
        values = head.log_probs(flat, all_rows, np.tile(tokens, len(chosen)), normed=norm)
        out[:, chosen] = values.reshape(len(chosen), -1).T
    return out
