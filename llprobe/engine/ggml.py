"""Tensors, devices, backends and small graphs of ggml, as the engine uses them.

This module knows tensors, devices and graphs. It knows nothing of models, layers or probes.
"""

from __future__ import annotations

import ctypes as ct
from contextlib import ExitStack
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from llprobe.engine.binding import (
    InitParams,
    Tensor,
    TensorPtr,
    has_library,
    lib,
    library_path,
)
from llprobe.errors import ModelNotSupported, RunError

__all__ = [
    "F16",
    "F32",
    "I32",
    "USAGE_WEIGHTS",
    "Backend",
    "Device",
    "Graph",
    "Tensor",
    "TensorPtr",
    "buffer_type_of",
    "cpu_device",
    "devices",
    "gpus",
    "has_library",
    "lib",
    "library_path",
    "read_tensor",
    "write_tensor",
]

F32: Final = 0
F16: Final = 1
I32: Final = 26
USAGE_WEIGHTS: Final = 1
DEVICE_CPU: Final = 0
DEVICE_GPU: Final = 1
DEVICE_INTEGRATED: Final = 2

FloatArray = npt.NDArray[np.float32]


class Device:
    """One of ggml's devices: `handle`, `name`, `description`, memory in bytes, and its kind."""

    def __init__(self, handle: int) -> None:
        self.handle = handle
        self.name: str = lib.ggml_backend_dev_name(handle).decode()
        self.description: str = lib.ggml_backend_dev_description(handle).decode()
        self.kind: int = lib.ggml_backend_dev_type(handle)
        self.is_cpu: bool = self.kind == DEVICE_CPU
        self.has_own_memory: bool = self.kind == DEVICE_GPU
        free, total = ct.c_size_t(), ct.c_size_t()
        lib.ggml_backend_dev_memory(handle, ct.byref(free), ct.byref(total))
        self.memory_free, self.memory_total = free.value, total.value


def devices() -> list[Device]:
    """Every device that this build of llama.cpp sees, the CPU included."""
    return [Device(lib.ggml_backend_dev_get(i)) for i in range(lib.ggml_backend_dev_count())]


def gpus() -> list[Device]:
    """Return this machine's GPUs as llama.cpp chooses them: integrated ones where no other is."""
    found = devices()
    chosen = [each for each in found if each.kind == DEVICE_GPU]
    return chosen or [each for each in found if each.kind == DEVICE_INTEGRATED][:1]


def cpu_device() -> int:
    """Return the handle of the CPU's device."""
    handle: int = lib.ggml_backend_dev_by_type(DEVICE_CPU)
    return handle


def buffer_type_of(tensor: Any) -> int | None:
    """Return the buffer type that a tensor's storage is of, None where it has no storage yet."""
    buffer = tensor.contents.buffer
    return lib.ggml_backend_buffer_get_type(buffer) if buffer else None


def read_tensor(tensor: Any, out: FloatArray, offset: int = 0) -> None:
    """Copy float32 values from any device into `out`, from `offset` bytes on."""
    lib.ggml_backend_tensor_get(tensor, out.ctypes.data, offset, out.nbytes)


def write_tensor(tensor: Any, values: npt.NDArray[Any]) -> None:
    """Copy `values` (contiguous, of the tensor's type and size) to wherever the tensor lives."""
    lib.ggml_backend_tensor_set(tensor, values.ctypes.data, 0, values.nbytes)


class Backend:
    """A compute stream on a device, with its number of CPU threads set; a context manager."""

    def __init__(self, device: int, n_threads: int) -> None:
        self._stack = ExitStack()
        self.device = device
        self.handle: int = lib.ggml_backend_dev_init(device, None)
        if not self.handle:
            name = lib.ggml_backend_dev_name(device).decode()
            raise RunError(f"the device {name} could not be initialised: see `llprobe doctor`")
        self._stack.callback(lib.ggml_backend_free, self.handle)
        self._set_threads(n_threads)

    def _set_threads(self, n_threads: int) -> None:
        registry = lib.ggml_backend_dev_backend_reg(self.device)
        address = lib.ggml_backend_reg_get_proc_address(registry, b"ggml_backend_set_n_threads")
        if address:  # void (*ggml_backend_set_n_threads_t)(ggml_backend_t, int); CPU-like only
            ct.CFUNCTYPE(None, ct.c_void_p, ct.c_int)(address)(self.handle, n_threads)

    def supports_buffer_type(self, buffer_type: int) -> bool:
        """Whether a tensor of this buffer type can be used here without copying it."""
        return bool(lib.ggml_backend_dev_supports_buft(self.device, buffer_type))

    def close(self) -> None:
        """Free the stream; safe to call twice."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Graph:
    """A small graph being built, then allocated on a backend, then computed any number of times.

    Ops are methods by way of `op`: ``graph.op("mul_mat", weight, x)``. Inputs are filled with
    `write_tensor` after `allocate` and results read with `read_tensor` after `compute`.
    """

    def __init__(self, backend: Backend, size: int = 64) -> None:
        self._stack = ExitStack()
        self.backend = backend
        nbytes = size * lib.ggml_tensor_overhead() + lib.ggml_graph_overhead()
        self.context: int = lib.ggml_init(InitParams(nbytes, None, True))  # noqa: FBT003
        self._stack.callback(lib.ggml_free, self.context)
        self._graph: int = lib.ggml_new_graph(self.context)

    def input(self, type_: int, *shape: int) -> Any:
        """Add an input of `shape`, innermost dimension first; it keeps its storage."""
        new = lib.ggml_new_tensor_1d if len(shape) == 1 else lib.ggml_new_tensor_2d
        tensor = new(self.context, type_, *shape)
        lib.ggml_set_input(tensor)
        return tensor

    def op(self, name: str, *arguments: Any) -> Any:
        """Append the node ``ggml_<name>(context, *arguments)`` and return it."""
        return getattr(lib, f"ggml_{name}")(self.context, *arguments)

    def output(self, tensor: Any) -> Any:
        """Mark a node as a result: it is computed and its storage is not reused."""
        lib.ggml_set_output(tensor)
        lib.ggml_build_forward_expand(self._graph, tensor)
        return tensor

    def check(self, tensor: Any, what: str) -> None:
        """Refuse an op that the graph's device cannot compute."""
        if not lib.ggml_backend_dev_supports_op(self.backend.device, tensor):
            name = lib.ggml_backend_dev_name(self.backend.device).decode()
            op = lib.ggml_op_name(tensor.contents.op).decode()
            raise ModelNotSupported(f"{name} cannot compute {op} for {what}: try -ngl 0")

    def allocate(self) -> None:
        """Give every node storage on the backend's device, shared where lifetimes allow."""
        buffer_type = lib.ggml_backend_get_default_buffer_type(self.backend.handle)
        allocator = lib.ggml_gallocr_new(buffer_type)
        self._stack.callback(lib.ggml_gallocr_free, allocator)
        if not lib.ggml_gallocr_alloc_graph(allocator, self._graph):
            raise RunError("no memory left on the device for the projection: use a smaller -b")

    def compute(self) -> None:
        """Compute all outputs, and return when they are ready."""
        status = lib.ggml_backend_graph_compute(self.backend.handle, self._graph)
        if status != 0:
            raise RunError(f"the projection failed on the device (ggml status {status})")

    def close(self) -> None:
        """Free the storage and the graph; safe to call twice."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
