"""Puts the head where the rules (rules.py) say, with copies of the weights that have to move.

This module knows tensors and devices. It does not know what the head computes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from llprobe.engine import ggml
from llprobe.engine.ggml import Backend, lib
from llprobe.engine.head import Step, can_compute
from llprobe.engine.rules import Holding, place_head

__all__ = ["ReadWeight", "device_of", "place"]

ReadWeight = Callable[[str], npt.NDArray[np.uint8]]
"""Reads a tensor's bytes, in the type it has in the model file, by its name."""


def device_of(weight: Any) -> int:
    """Return the device that computes with `weight`: its buffer's own, the CPU for host memory."""
    return _own_device(weight) or ggml.cpu_device()


def _own_device(weight: Any) -> int | None:
    buffer_type = ggml.buffer_type_of(weight)
    return lib.ggml_backend_buft_get_device(buffer_type) if buffer_type else None


def place(
    steps: Sequence[Step], n_threads: int, read_weight: ReadWeight, stack: ExitStack
) -> tuple[Backend, tuple[Step, ...]]:
    """Open the head's backend on `stack` and return it with steps whose weights it can use.

    `read_weight` is called only for weights that have to be copied from the file.
    """

    def computes(device: int) -> bool:
        with Backend(device, n_threads) as backend:
            return can_compute(steps, backend)

    weights = [_holding(step.weight) for step in steps if step.weight]
    matrix = next(_holding(step.weight) for step in steps if step.op == "MUL_MAT")
    placed = place_head(matrix, weights, computes, ggml.cpu_device())
    backend = stack.enter_context(Backend(placed.device, n_threads))
    if not placed.copied:
        return backend, tuple(steps)
    return backend, tuple(_copied(step, backend, read_weight, stack) for step in steps)


def _holding(weight: Any) -> Holding:
    name = weight.contents.name.decode(errors="replace")
    return Holding(name, _own_device(weight), lambda device: _usable(weight, device))


def _usable(weight: Any, device: int) -> bool:
    buffer_type = ggml.buffer_type_of(weight)
    return bool(buffer_type) and lib.ggml_backend_dev_supports_buft(device, buffer_type)


def _copied(step: Step, backend: Backend, read_weight: ReadWeight, stack: ExitStack) -> Step:
    if not step.weight or _usable(step.weight, backend.device):
        return step
    source = step.weight.contents
    context = stack.enter_context(ggml.Graph(backend))
    copy = context.input(source.type, *source.ne[: 2 if source.ne[1] > 1 else 1])
    buffer = lib.ggml_backend_alloc_ctx_tensors(context.context, backend.handle)
    stack.callback(lib.ggml_backend_buffer_free, buffer)
    ggml.write_tensor(copy, read_weight(source.name.decode()))
    return replace(step, weight=copy)
