"""The logit lens on any text: what every layer predicts after every token.

A layer's prediction is the softmax of its hidden state's logits (nostalgebraist, "interpreting
GPT: the logit lens", 2020). This module knows one text. It does not know tasks or printing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llprobe.engine.capture import Capture
from llprobe.engine.lens import normed_layers
from llprobe.engine.probe import Probe
from llprobe.engine.session import Context
from llprobe.errors import UsageError

__all__ = ["Grid", "look"]

Cell = tuple[tuple[str, float], ...]
"""The best (token text, probability) pairs of one layer at one token."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Predictions of every layer at every token; fields as in `events.LensGrid`."""

    tokens: tuple[str, ...]
    top: tuple[tuple[Cell, ...], ...]
    entropy: npt.NDArray[np.float64]
    ranks: dict[str, npt.NDArray[np.int64]]
    notes: tuple[str, ...]


def look(
    probe: Probe, text: str, lens: str, layers: Sequence[int], top_k: int, track: Sequence[str]
) -> Grid:
    """Decode `text` once and read every layer's predictions.

    `track` are words whose first token's rank is followed. Raises UsageError for an empty text,
    one longer than the model's context, or a word without tokens.
    """
    model = probe.model
    tokens = [*model.bos, *model.tokenize(text)]
    limit = probe.context_limit
    if not tokens:
        raise UsageError("the text is empty: give some words to look at")
    if len(tokens) > limit:
        raise UsageError(f"the text has {len(tokens)} tokens, the context holds {limit}")
    words, notes = _tracked(probe, track)
    states = _states(probe, tokens, layers)
    normed = normed_layers(lens, layers, model.n_layers)
    rows = [_read(probe, states[i], bool(normed[i]), top_k, words) for i in range(len(layers))]
    ranks = {word: np.stack([row[2][word] for row in rows]) for word in words}
    entropy = np.stack([row[1] for row in rows])
    texts = tuple(model.token_text(token) for token in tokens)
    return Grid(texts, tuple(row[0] for row in rows), entropy, ranks, notes)


def _tracked(probe: Probe, track: Sequence[str]) -> tuple[dict[str, int], tuple[str, ...]]:
    words: dict[str, int] = {}
    notes: list[str] = []
    for word in track:
        tokens = probe.model.tokenize(word)
        if not tokens:
            raise UsageError("--track: an empty word has no rank")
        words[word] = tokens[0]
        if len(tokens) > 1:
            first = probe.model.token_text(tokens[0])
            notes.append(
                f"{word!r} is {len(tokens)} tokens: the rank is that of the first, {first!r}"
            )
    return words, tuple(notes)


def _states(probe: Probe, tokens: Sequence[int], layers: Sequence[int]) -> npt.NDArray[np.float32]:
    """Hidden states (n_layers, n_tokens, n_embd) of all tokens."""
    parts = []
    with Context(probe.model, len(tokens), 1, probe.max_rows) as context:
        capture = Capture(layers, probe.model.n_embd, context.n_ubatch, probe.input_name)
        context.callback.listener = capture
        for a in range(0, len(tokens), context.max_outputs):
            part = np.array(tokens[a : a + context.max_outputs], np.int32)
            flagged, zero = np.ones(len(part), bool), np.zeros(len(part), np.int32)
            capture.begin(flagged)
            positions = np.arange(a, a + len(part), dtype=np.int32)
            context.decode(part, positions, zero, zero + 1, flagged)
            parts.append(capture.end().copy())
    return np.concatenate(parts, axis=1)


def _read(
    probe: Probe, states: npt.NDArray[np.float32], normed: bool, top_k: int, words: dict[str, int]
) -> tuple[tuple[Cell, ...], npt.NDArray[np.float64], dict[str, npt.NDArray[np.int64]]]:
    """Read one layer: top predictions, entropy in bits, and ranks, at each token."""
    logits = probe.head.logits(states, normed=normed).astype(np.float64)
    shifted = logits - logits.max(axis=1, keepdims=True)
    weights = np.exp(shifted)
    total = weights.sum(axis=1)
    entropy = (np.log(total) - (weights * shifted).sum(axis=1) / total) / np.log(2)
    k = min(top_k, logits.shape[1])
    best = np.argpartition(-logits, k - 1, axis=1)[:, :k]
    cells = []
    for row, ids in enumerate(best):
        order = sorted(ids.tolist(), key=lambda t, scores=logits[row]: (-scores[t], t))  # type: ignore[misc]
        cells.append(
            tuple((probe.model.token_text(t), float(weights[row, t] / total[row])) for t in order)
        )
    ranks = {word: 1 + (logits > logits[:, [t]]).sum(axis=1) for word, t in words.items()}
    return tuple(cells), entropy, ranks
