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
from llprobe.engine.session import Context, Model
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

    `track` are words whose first token's rank is followed. One that does not begin with a space is
    followed with or without, as the model would rather write it after this text; `notes` say how.
    Raises UsageError for an empty text, one longer than the model's context, or an empty word.
    """
    model = probe.model
    tokens = [*model.bos, *model.tokenize(text)]
    limit = probe.context_limit
    if not tokens:
        raise UsageError("the text is empty: give some words to look at")
    if len(tokens) > limit:
        raise UsageError(f"the text has {len(tokens)} tokens, the context holds {limit}")
    if not all(track):
        raise UsageError("--track: an empty word has no rank")
    # what the model would write is its last layer's to say, whichever layers are read
    kept = tuple(dict.fromkeys((*layers, model.n_layers))) if track else tuple(layers)
    states = _states(probe, tokens, kept)
    words, notes = dict[str, int](), list[str]()
    if track:
        logits = probe.head.logits(states[kept.index(model.n_layers), -1:], normed=True)[0]
        words, notes = _tracked(model, text, track, logits)
    normed = normed_layers(lens, layers, model.n_layers)
    rows = [_read(probe, states[i], bool(normed[i]), top_k, words) for i in range(len(layers))]
    ranks = {word: np.stack([row[2][word] for row in rows]) for word in words}
    entropy = np.stack([row[1] for row in rows])
    texts = tuple(model.token_text(token) for token in tokens)
    return Grid(texts, tuple(row[0] for row in rows), entropy, ranks, tuple(notes))


def _tracked(
    model: Model, text: str, track: Sequence[str], logits: npt.NDArray[np.float32]
) -> tuple[dict[str, int], list[str]]:
    """Return each word's token, and what is to be said of it; `logits` (n_vocab,) follow `text`."""
    words: dict[str, int] = {}
    notes: list[str] = []
    for word in track:
        forms = [word] if word[0].isspace() else [f" {word}", word]
        tokens = {form: _after(model, text, form) for form in forms}
        form = max(forms, key=lambda form: logits[tokens[form][0]])
        words[word] = first = tokens[form][0]
        if len(forms) > 1:
            how = "without a space before it" if form == word else "with a space before it"
            notes.append(
                f"{word!r} is followed as {form!r}, {how}: so the model would rather write it here"
            )
        if (n := len(tokens[form])) > 1:
            spelled = model.token_text(first)
            notes.append(f"{form!r} is {n} tokens: the rank is that of the first, {spelled!r}")
    return words, notes


def _after(model: Model, text: str, form: str) -> list[int]:
    """Return the tokens of `form` where it goes on from a text, of this one if they do not merge.

    Alone, SentencePiece would put a space before it.
    """
    for before in (text, "\n"):
        begun, whole = model.tokenize(before), model.tokenize(before + form)
        if whole[: len(begun)] == begun and len(whole) > len(begun):
            return whole[len(begun) :]
    return model.tokenize(form)


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
