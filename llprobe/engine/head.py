"""Everything llama.cpp does after the last block, recorded once and replayed on other inputs.

The nodes between the last ``l_out`` and ``result_output`` are the head: a norm and its weights,
the unembedding, perhaps a scale, a bias or a soft cap. They are read off a short decode
(record.py) and built again as a small graph on the device that holds the output matrix, with that
very tensor.

This module knows one input row -> one row of logits. It does not know layers, lenses or options.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from llprobe.engine import ggml
from llprobe.engine.ggml import Backend, Graph
from llprobe.engine.record import Step, record_head
from llprobe.engine.rules import scale_exponents
from llprobe.errors import ModelNotSupported

__all__ = ["Head", "Step", "can_compute", "record_head", "scale_exponents"]

_NORMS: Final = ("NORM", "RMS_NORM")
# Rows of a chunk: 64 reach the full matmul rate and their logits stay near the caches.
_CHUNKS: Final = (16, 32, 64)

FloatArray = npt.NDArray[np.float32]


def can_compute(steps: Sequence[Step], backend: Backend) -> bool:
    """Whether the backend's device says that it computes every op of the head."""
    with Head(steps, backend, 0) as head:
        try:
            head.lay_out(1, 1, normed=True, scaled=True).graph.close()
        except ModelNotSupported:
            return False
    return True


@dataclass(frozen=True)
class _Replay:
    """A built graph and its ends; `picked` and `peak` are None in graphs that keep logits."""

    graph: Graph
    hidden: Any
    scale: Any
    targets: Any
    logits: Any
    picked: Any = None
    peak: Any = None
    peak_probability: Any = None


class Head:
    """The recorded head on a device; a context manager that owns the graphs it builds.

    `n_embd` is the width of a hidden state, `n_vocab` the number of logits, `device` where they
    are computed. Rows are computed in
    chunks of at most `chunk_rows`, which bounds the memory that logits take on the device.
    """

    def __init__(self, steps: Sequence[Step], backend: Backend, chunk_bytes: int) -> None:
        self._stack = ExitStack()
        self._steps, self._backend = tuple(steps), backend
        matrix = next(step.weight for step in steps if step.op == "MUL_MAT")
        self.n_embd, self.n_vocab = int(matrix.contents.ne[0]), int(matrix.contents.ne[1])
        fits = chunk_bytes // (4 * self.n_vocab)
        self._sizes = tuple(n for n in _CHUNKS if n <= fits) or _CHUNKS[:1]
        self.chunk_rows = self._sizes[-1]
        self._capacity = 256
        self.device = backend.device
        self._graphs: dict[tuple[int, int, bool, bool], _Replay] = {}

    def _build(self, n_rows: int, n_targets: int, normed: bool, scaled: bool) -> _Replay:
        replay = self.lay_out(n_rows, n_targets, normed=normed, scaled=scaled)
        self._stack.enter_context(replay.graph)
        replay.graph.allocate()
        return replay

    def lay_out(self, n_rows: int, n_targets: int, *, normed: bool, scaled: bool) -> _Replay:
        """Build the graph of one chunk, without storage; the caller closes it.

        Raises ModelNotSupported, naming the op, where the device does not compute it.
        """
        graph = Graph(self._backend)
        try:
            return self._laid_out(graph, n_rows, n_targets, normed, scaled)
        except BaseException:
            graph.close()
            raise

    def _laid_out(
        self, graph: Graph, n_rows: int, n_targets: int, normed: bool, scaled: bool
    ) -> _Replay:
        hidden = graph.input(ggml.F32, self.n_embd, n_rows)
        scale = graph.input(ggml.F32, 1, n_rows) if scaled else None
        logits = self._apply(graph, hidden, scale, normed)
        if not n_targets:
            graph.output(logits)
            return _Replay(graph, hidden, scale, None, logits)
        targets = graph.input(ggml.I32, n_targets)
        flat = graph.op("reshape_2d", logits, 1, self.n_vocab * n_rows)
        picked = graph.output(graph.op("get_rows", flat, targets))
        argmax = graph.op("argmax", logits)
        best = graph.op("reshape_2d", argmax, 1, n_rows)
        rows = graph.op("reshape_3d", logits, 1, self.n_vocab, n_rows)
        peak = graph.output(graph.op("get_rows", rows, best))
        softmax = graph.op("soft_max", logits)
        rows = graph.op("reshape_3d", softmax, 1, self.n_vocab, n_rows)
        probability = graph.output(graph.op("get_rows", rows, best))
        for node in (picked, argmax, peak, softmax, probability):
            graph.check(node, "the projection")
        return _Replay(graph, hidden, scale, targets, logits, picked, peak, probability)

    def _apply(self, graph: Graph, x: Any, scale: Any, normed: bool) -> Any:
        before_matrix = True
        for step in self._steps:
            vector = step.op in ("MUL", "ADD") and before_matrix
            if not normed and (step.op in _NORMS or vector):
                continue
            x = self._replay(graph, step, x)
            graph.check(x, step.label)
            if step.op == "MUL_MAT":
                before_matrix = False
                x = self._scaled(graph, x, scale) if scale else x
        return x

    @staticmethod
    def _scaled(graph: Graph, x: Any, scale: Any) -> Any:
        scaled = graph.op("mul", x, scale)
        graph.check(scaled, "the scaling of large states")
        return scaled

    @staticmethod
    def _replay(graph: Graph, step: Step, x: Any) -> Any:
        if step.op in _NORMS:
            return graph.op(step.op.lower(), x, step.floats[0])
        if step.op == "MUL_MAT":
            return graph.op("mul_mat", step.weight, x)
        if step.op == "SCALE":
            return graph.op("scale_bias", x, *step.floats)
        if step.op == "TANH":
            return graph.op("unary", x, struct.unpack("i", step.params[:4])[0])
        return graph.op(step.op.lower(), x, step.weight)

    def _replay_for(self, n_rows: int, n_targets: int, normed: bool, scaled: bool) -> _Replay:
        key = (n_rows, n_targets, normed, scaled)
        if key not in self._graphs:
            self._graphs[key] = self._build(*key)
        return self._graphs[key]

    def _fill(self, hidden: FloatArray, n_targets: int, normed: bool) -> _Replay:
        """Load up to `chunk_rows` rows, padded with copies of the first, into a fitting graph."""
        n_rows = next(n for n in self._sizes if n >= len(hidden))
        padded = np.empty((n_rows, self.n_embd), np.float32)
        padded[: len(hidden)], padded[len(hidden) :] = hidden, hidden[0]
        exponents = np.zeros(n_rows, np.int32) if normed else scale_exponents(padded)
        replay = self._replay_for(n_rows, n_targets, normed, bool(exponents.any()))
        if replay.scale:
            padded = np.ldexp(padded, -exponents[:, None])
            ggml.write_tensor(replay.scale, np.ldexp(np.float32(1), exponents))
        ggml.write_tensor(replay.hidden, padded)
        return replay

    def logits(self, hidden: FloatArray, *, normed: bool) -> FloatArray:
        """Project hidden states (n, n_embd) to logits float32 (n, n_vocab)."""
        out = np.empty((len(hidden), self.n_vocab), np.float32)
        for a in range(0, len(hidden), self.chunk_rows):
            part = hidden[a : a + self.chunk_rows]
            replay = self._fill(part, 0, normed)
            replay.graph.compute()
            ggml.read_tensor(replay.logits, out[a : a + len(part)])
        return out

    def log_probs(
        self,
        hidden: FloatArray,
        rows: npt.NDArray[np.int64],
        tokens: npt.NDArray[np.int64],
        *,
        normed: bool,
    ) -> npt.NDArray[np.float64]:
        """Natural-log probabilities float64 (m,) of `tokens` (m,) predicted from `rows` (m,).

        `rows` index `hidden` (n, n_embd) and ascend. No logits leave the device: the log-sum-exp
        of a row is ``logit[argmax] - log(softmax[argmax])``, which cannot underflow. NaN where a
        state is not finite; what is not finite beside that has overflowed on the device.
        """
        out = np.empty(len(rows), np.float64)
        finite: npt.NDArray[np.bool_] = np.asarray(np.isfinite(hidden).all(axis=1))
        if not finite.all():
            # a device may look for the largest of a row's logits, and find none of them
            hidden = np.where(finite[:, None], hidden, np.float32(0))
        cuts = np.searchsorted(rows, np.arange(0, len(hidden) + self.chunk_rows, self.chunk_rows))
        for i, (a, b) in enumerate(pairwise(cuts)):
            first = i * self.chunk_rows
            part = hidden[first : first + self.chunk_rows]
            out[a:b] = self._chunk(part, rows[a:b] - first, tokens[a:b], normed)
        return np.where(finite[rows], out, np.nan)

    def _chunk(
        self,
        hidden: FloatArray,
        rows: npt.NDArray[np.int64],
        tokens: npt.NDArray[np.int64],
        normed: bool,
    ) -> npt.NDArray[np.float64]:
        self._reserve(len(rows))
        replay = self._fill(hidden, self._capacity, normed)
        n_rows = int(replay.hidden.contents.ne[1])
        targets = np.zeros(self._capacity, np.int32)
        targets[: len(rows)] = rows * self.n_vocab + tokens
        ggml.write_tensor(replay.targets, targets)
        replay.graph.compute()
        picked, peak = np.empty(self._capacity, np.float32), np.empty((2, n_rows), np.float32)
        ggml.read_tensor(replay.picked, picked)
        ggml.read_tensor(replay.peak, peak[0])
        ggml.read_tensor(replay.peak_probability, peak[1])
        top, probability = peak.astype(np.float64)
        return picked[: len(rows)] - (top - np.log(probability))[rows]

    def _reserve(self, n_targets: int) -> None:
        """Make room for that many targets a chunk; graphs of the old room are let go."""
        if n_targets > self._capacity:
            self._capacity = 1 << (n_targets - 1).bit_length()
            self.close()

    def close(self) -> None:
        """Free every graph; they are built again when needed."""
        self._graphs.clear()
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
