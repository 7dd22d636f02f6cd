"""On which device the head is replayed, and with which copies of its weights.

The rule: the device that holds the output matrix, with the model's own tensors. Where a weight
has no device of its own (plain and memory-mapped host buffers) that is the CPU. Where the device
cannot use a weight's buffer (pinned host memory claims the GPU, but the GPU cannot multiply from
it) the head goes to the CPU, with weights copied out of the model file.

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
from llprobe.engine.head import Step

__all__ = ["ReadWeight", "device_of", "place"]

ReadWeight = Callable[[str], npt.NDArray[np.uint8]]
"""Reads a tensor's bytes, in the type it has in the model file, by its name."""


def device_of(weight: Any) -> int:
    """Return the device that computes with `weight`: its buffer's own, the CPU for host memory."""
    buffer_type = ggml.buffer_type_of(weight)
    device = lib.ggml_backend_buft_get_device(buffer_type) if buffer_type else None
    return device or ggml.cpu_device()


def place(
    steps: Sequence[Step], n_threads: int, read_weight: ReadWeight, stack: ExitStack
) -> tuple[Backend, tuple[Step, ...]]:
    """Open the head's backend on `stack` and return it with steps whose weights it can use.

    `read_weight` is called only for weights that have to be copied from the file.
    """
    matrix = next(step.weight for step in steps if step.op == "MUL_MAT")
    device = device_of(matrix)
    if all(_usable(step.weight, device) for step in steps if step.weight):
        return stack.enter_context(Backend(device, n_threads)), tuple(steps)
    backend = stack.enter_context(Backend(ggml.cpu_device(), n_threads))
    return backend, tuple(_copied(step, backend, read_weight, stack) for step in steps)


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
