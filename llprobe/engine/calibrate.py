"""A few seconds of real work on a loaded model, timed: what estimates of a sweep stand on.

The pieces are those of scoring and writing: decodes of short sequences with their states copied
out, projections with the final norm, steps of answers side by side. Attention over long prompts
is not in them. This module does not know what the rates are for, nor where they are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Final

import numpy as np
import numpy.typing as npt

from llprobe.engine.capture import Capture
from llprobe.engine.packed import GROUP_SIZE
from llprobe.engine.probe import Probe
from llprobe.engine.session import Context
from llprobe.estimate import Rates

__all__ = ["calibrate"]

Clock = Callable[[], float]

_LENGTH: Final = 16  # tokens of a sequence, about those of an option
_SEED: Final = 0
_SECONDS: Final = (4.0, 1.5, 1.0)  # at most, beyond the first piece: decodes, projections, steps


def calibrate(probe: Probe, load_seconds: float, clock: Clock = perf_counter) -> Rates:
    """Measure the rates of a probe that took `load_seconds` to open, in about 3 to 7 seconds.

    Pieces of work grow while the next one is expected to end in time, and the last one's rate is
    taken; a slow model has small ones only, and so rates on the low side.
    """
    with Context(probe.model, *_room(probe)) as context:
        decodes = _Decodes(probe, context)
        sizes = _growing(_LENGTH, context.n_batch)
        prefill = _rate(decodes.run, sizes, _SECONDS[0], clock)
        states = decodes.states()
    rows = _projection_rate(probe, states, clock)
    return Rates(prefill, rows, load_seconds, _write_rate(probe, clock))


def _room(probe: Probe) -> tuple[int, int, int]:
    """Cache, sequences and flagged rows of a context as scoring opens it."""
    settings = probe.settings
    leaves = min(settings.max_leaves, probe.max_rows) if settings.share else 1
    return settings.n_ctx or 2 * settings.n_batch, leaves + 1, probe.max_rows


def _growing(first: int, last: int) -> list[int]:
    """Sizes from `first` to `last`, each four times the one before."""
    sizes = [min(first, last)]
    while sizes[-1] < last:
        sizes.append(min(4 * sizes[-1], last))
    return sizes


def _rate(run: Callable[[int], None], sizes: Sequence[int], most: float, clock: Clock) -> float:
    """Units a second of the last of `sizes` that was expected to end within `most` seconds.

    The first is run in any case, and warms up.
    """
    spent = rate = 0.0
    for size in sizes:
        if rate and spent + size / rate > most:
            break
        started = clock()
        run(size)
        took = max(clock() - started, 1e-9)
        spent, rate = spent + took, size / took
    return rate


class _Decodes:
    """Decodes of any number of tokens, in sequences like those of options."""

    def __init__(self, probe: Probe, context: Context) -> None:
        self._context, self._model = context, probe.model
        layers = range(1, probe.model.n_layers + 1)
        self._capture = Capture(layers, probe.model.n_embd, context.n_ubatch, probe.input_name)
        context.callback.listener = self._capture
        _, sequences, _ = _room(probe)
        self._leaves = sequences - 1

    def run(self, n_tokens: int) -> None:
        """Decode random tokens; the second half of each sequence is flagged, if there is room."""
        random = np.random.default_rng(_SEED)
        length = max(_LENGTH, -(-n_tokens // self._leaves))
        node = np.arange(n_tokens, dtype=np.int32)
        sequence, position = node // length + 1, node % length
        flagged = position >= length // 2
        flagged &= np.cumsum(flagged) <= self._context.max_outputs
        tokens = random.integers(0, self._model.n_vocab, n_tokens).astype(np.int32)
        self._capture.begin(flagged)
        self._context.decode(tokens, position, sequence, sequence + 1, flagged)
        self._capture.end()
        self._context.drop_all()

    def states(self) -> npt.NDArray[np.float32]:
        """States (n, n_embd) of the last decode, of all layers."""
        return self._capture.states.reshape(-1, self._model.n_embd)


def _projection_rate(probe: Probe, states: npt.NDArray[np.float32], clock: Clock) -> float:
    head = probe.head
    hidden = np.resize(states, (4 * head.chunk_rows, head.n_embd))

    def project(n_rows: int) -> None:
        rows = np.arange(n_rows)
        head.log_probs(hidden[:n_rows], rows, np.zeros_like(rows), normed=True)

    return _rate(project, (head.chunk_rows, len(hidden)), _SECONDS[1], clock)


def _write_rate(probe: Probe, clock: Clock) -> float:
    settings = probe.settings
    side = min(GROUP_SIZE, settings.max_leaves, probe.max_rows) if settings.share else 1
    with Context(probe.model, 16 * side, side + 1, side) as context:

        def write(n_tokens: int) -> None:
            answer, every = np.arange(side, dtype=np.int32) + 1, np.ones(side, bool)
            for step in range(n_tokens // side):
                tokens = context.logits(side).argmax(axis=1).astype(np.int32) if step else answer
                context.decode(tokens, np.full_like(answer, step), answer, answer + 1, every)
            context.drop_all()

        return _rate(write, (side, 8 * side), _SECONDS[2], clock)
