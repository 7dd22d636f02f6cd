"""The head's projection again, in plain numpy and float64: what tests hold the real one against.

Used only in tests. The steps say what is computed; the weights are read from the model's file
and dequantised, never from a device, because a repacked or remote tensor cannot be read back. A
device rounds the input of a quantised matrix and this does not, so for those the two agree as
closely as that rounding lets them, and to float32 rounding for F32 weights.

This module knows one input row -> one row of logits. It does not know llama.cpp or devices.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import gguf
import numpy as np
import numpy.typing as npt
from gguf.quants import dequantize

from llprobe.engine.head import Step
from llprobe.errors import ModelFileError, ModelNotSupported

__all__ = ["ReferenceHead"]

DoubleArray = npt.NDArray[np.float64]

_NORMS: Final = ("NORM", "RMS_NORM")
_OPS: Final = (*_NORMS, "MUL", "ADD", "MUL_MAT", "SCALE", "TANH")


class ReferenceHead:
    """The head that `steps` describe, with the weights of the GGUF file, or parts, at `paths`.

    `steps` must name their weights as the file does: take them as `record_head` returns them.
    Raises ModelFileError where the files have no such weight, ModelNotSupported for another op.
    """

    def __init__(self, paths: Sequence[Path], steps: Sequence[Step]) -> None:
        self._steps = tuple(steps)
        if unknown := {step.op for step in steps} - set(_OPS):
            raise ModelNotSupported(f"the reference does not know the head's op {min(unknown)}")
        names = {step.weight.contents.name.decode() for step in steps if step.weight}
        self._weights = _read(paths, names)

    def logits(self, hidden: npt.NDArray[np.floating], *, normed: bool) -> DoubleArray:
        """Project hidden states (n, n_embd) to logits (n, n_vocab), the norm ops applied or not."""
        x: DoubleArray = np.asarray(hidden, np.float64)
        is_norm = True
        for step in self._steps:
            is_norm = is_norm and step.op != "MUL_MAT"
            if normed or not _belongs_to_norm(step, is_norm):
                x = self._apply(step, x)
        return x

    def log_probs(
        self,
        hidden: npt.NDArray[np.floating],
        rows: npt.NDArray[np.int64],
        tokens: npt.NDArray[np.int64],
        *,
        normed: bool,
    ) -> DoubleArray:
        """Natural-log probabilities (m,) of `tokens` (m,) predicted from `rows` (m,) of `hidden`.

        The normaliser is the log-sum-exp over all logits of a row.
        """
        logits = self.logits(hidden, normed=normed)
        peak = logits.max(axis=1)
        lse = peak + np.log(np.exp(logits - peak[:, None]).sum(axis=1))
        return np.asarray(logits[rows, tokens] - lse[rows])

    def _apply(self, step: Step, x: DoubleArray) -> DoubleArray:
        first, second = step.floats
        if step.op in _NORMS:
            return _unit(x - x.mean(axis=1, keepdims=True) if step.op == "NORM" else x, first)
        if step.op == "SCALE":
            return x * first + second
        if step.op == "TANH":
            return np.tanh(x)
        weight = self._weights[step.weight.contents.name.decode()]
        if step.op == "MUL_MAT":
            return x @ weight.T
        return x * weight if step.op == "MUL" else x + weight


def _unit(x: DoubleArray, epsilon: float) -> DoubleArray:
    """Divide each row by its root mean square."""
    return np.asarray(x / np.sqrt(np.square(x).mean(axis=1, keepdims=True) + epsilon))


def _belongs_to_norm(step: Step, before_matrix: bool) -> bool:
    """Whether a step is a norm, or one of the vectors that come with it."""
    return step.op in _NORMS or (before_matrix and step.op in {"MUL", "ADD"})


def _read(paths: Sequence[Path], names: set[str]) -> dict[str, DoubleArray]:
    """Give the named tensors, dequantised: vectors (n,), matrices (rows, columns)."""
    found = {
        tensor.name: np.asarray(dequantize(tensor.data, tensor.tensor_type), np.float64)
        for path in paths
        for tensor in gguf.GGUFReader(path).tensors
        if tensor.name in names
    }
    if missing := names - set(found):
        raise ModelFileError(f"{paths[0]} has no tensor {', '.join(sorted(missing))}")
    return found
