"""ggml through ctypes: its tensor struct, the functions that the engine calls, backends and graphs.

llama-cpp-python binds llama.h only; the few functions of ggml.h, ggml-alloc.h and
ggml-backend.h that the engine stands on are bound here, each beside its C declaration. Layout of
`Tensor` is checked against the library at import, so another llama.cpp cannot be misread.

This module knows tensors, devices and graphs. It knows nothing of models, layers or probes.
"""

from __future__ import annotations

import ctypes as ct
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Self

import llama_cpp
import numpy as np
import numpy.typing as npt

from llprobe.errors import ModelNotSupported, RunError

__all__ = [
    "F16",
    "F32",
    "I32",
    "USAGE_WEIGHTS",
    "Backend",
    "Graph",
    "Tensor",
    "TensorPtr",
    "buffer_type_of",
    "devices",
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

FloatArray = npt.NDArray[np.float32]


class Tensor(ct.Structure):
    """`struct ggml_tensor` of ggml.h. `data` may be a device pointer: never read through it."""


TensorPtr = ct.POINTER(Tensor)

# struct ggml_tensor {
#     enum ggml_type type;  struct ggml_backend_buffer * buffer;
#     int64_t ne[4];  size_t nb[4];
#     enum ggml_op op;  int32_t op_params[16];  int32_t flags;
#     struct ggml_tensor * src[10];
#     struct ggml_tensor * view_src;  size_t view_offs;
#     void * data;  char name[64];  void * extra;  char padding[8];
# };
Tensor._fields_ = [
    ("type", ct.c_int),
    ("buffer", ct.c_void_p),
    ("ne", ct.c_int64 * 4),
    ("nb", ct.c_size_t * 4),
    ("op", ct.c_int),
    ("op_params", ct.c_int32 * 16),
    ("flags", ct.c_int32),
    ("src", TensorPtr * 10),
    ("view_src", TensorPtr),
    ("view_offs", ct.c_size_t),
    ("data", ct.c_void_p),
    ("name", ct.c_char * 64),
    ("extra", ct.c_void_p),
    ("padding", ct.c_char * 8),
]


class _InitParams(ct.Structure):
    # struct ggml_init_params { size_t mem_size; void * mem_buffer; bool no_alloc; };
    _fields_ = (("mem_size", ct.c_size_t), ("mem_buffer", ct.c_void_p), ("no_alloc", ct.c_bool))


# name: (result, arguments), in ggml's own order
_P, _T, _S, _I64 = ct.c_void_p, TensorPtr, ct.c_size_t, ct.c_int64
_SIGNATURES: Final[dict[str, tuple[Any, list[Any]]]] = {
    # size_t ggml_tensor_overhead(void);  size_t ggml_graph_overhead(void);
    "ggml_tensor_overhead": (_S, []),
    "ggml_graph_overhead": (_S, []),
    # struct ggml_context * ggml_init(struct ggml_init_params params);  void ggml_free(ctx);
    "ggml_init": (_P, [_InitParams]),
    "ggml_free": (None, [_P]),
    # struct ggml_tensor * ggml_new_tensor_1d/2d(ctx, enum ggml_type type, int64_t ne0[, ne1]);
    "ggml_new_tensor_1d": (_T, [_P, ct.c_int, _I64]),
    "ggml_new_tensor_2d": (_T, [_P, ct.c_int, _I64, _I64]),
    "ggml_reshape_2d": (_T, [_P, _T, _I64, _I64]),
    "ggml_reshape_3d": (_T, [_P, _T, _I64, _I64, _I64]),
    # ops: struct ggml_tensor * ggml_OP(ctx, a[, b][, float])
    "ggml_add": (_T, [_P, _T, _T]),
    "ggml_mul": (_T, [_P, _T, _T]),
    "ggml_div": (_T, [_P, _T, _T]),
    "ggml_mul_mat": (_T, [_P, _T, _T]),
    "ggml_get_rows": (_T, [_P, _T, _T]),
    "ggml_norm": (_T, [_P, _T, ct.c_float]),
    "ggml_rms_norm": (_T, [_P, _T, ct.c_float]),
    # struct ggml_tensor * ggml_scale_bias(ctx, a, float s, float b);
    "ggml_scale_bias": (_T, [_P, _T, ct.c_float, ct.c_float]),
    # struct ggml_tensor * ggml_unary(ctx, a, enum ggml_unary_op op);
    "ggml_unary": (_T, [_P, _T, ct.c_int]),
    "ggml_soft_max": (_T, [_P, _T]),
    "ggml_argmax": (_T, [_P, _T]),
    # const char * ggml_op_name(enum ggml_op op);  const char * ggml_unary_op_name(op);
    "ggml_op_name": (ct.c_char_p, [ct.c_int]),
    "ggml_unary_op_name": (ct.c_char_p, [ct.c_int]),
    "ggml_type_name": (ct.c_char_p, [ct.c_int]),
    "ggml_nbytes": (_S, [_T]),
    "ggml_is_contiguous": (ct.c_bool, [_T]),
    # void ggml_set_input/ggml_set_output(struct ggml_tensor * tensor);
    "ggml_set_input": (None, [_T]),
    "ggml_set_output": (None, [_T]),
    # struct ggml_cgraph * ggml_new_graph(ctx);  void ggml_build_forward_expand(graph, tensor);
    "ggml_new_graph": (_P, [_P]),
    "ggml_build_forward_expand": (None, [_P, _T]),
    # ggml_gallocr_t ggml_gallocr_new(buft);  bool ggml_gallocr_alloc_graph(galloc, graph);
    "ggml_gallocr_new": (_P, [_P]),
    "ggml_gallocr_alloc_graph": (ct.c_bool, [_P, _P]),
    "ggml_gallocr_free": (None, [_P]),
    # void ggml_backend_tensor_set/get(tensor, const void * data, size_t offset, size_t size);
    "ggml_backend_tensor_set": (None, [_T, _P, _S, _S]),
    "ggml_backend_tensor_get": (None, [_T, _P, _S, _S]),
    # enum ggml_status ggml_backend_graph_compute(backend, graph);
    "ggml_backend_graph_compute": (ct.c_int, [_P, _P]),
    "ggml_backend_dev_init": (_P, [_P, ct.c_char_p]),
    "ggml_backend_free": (None, [_P]),
    "ggml_backend_get_default_buffer_type": (_P, [_P]),
    "ggml_backend_buffer_get_type": (_P, [_P]),
    "ggml_backend_buffer_get_usage": (ct.c_int, [_P]),
    "ggml_backend_buffer_free": (None, [_P]),
    "ggml_backend_alloc_ctx_tensors": (_P, [_P, _P]),
    "ggml_backend_buft_get_device": (_P, [_P]),
    "ggml_backend_buft_name": (ct.c_char_p, [_P]),
    "ggml_backend_dev_count": (_S, []),
    "ggml_backend_dev_get": (_P, [_S]),
    "ggml_backend_dev_by_type": (_P, [ct.c_int]),
    "ggml_backend_dev_name": (ct.c_char_p, [_P]),
    "ggml_backend_dev_description": (ct.c_char_p, [_P]),
    "ggml_backend_dev_memory": (None, [_P, ct.POINTER(_S), ct.POINTER(_S)]),
    "ggml_backend_dev_type": (ct.c_int, [_P]),
    "ggml_backend_dev_supports_buft": (ct.c_bool, [_P, _P]),
    "ggml_backend_dev_supports_op": (ct.c_bool, [_P, _T]),
    "ggml_backend_dev_backend_reg": (_P, [_P]),
    "ggml_backend_reg_get_proc_address": (_P, [_P, ct.c_char_p]),
}


def _find_library(stem: str) -> Path | None:
    folder = Path(llama_cpp.__file__).parent / "lib"
    names = (f"lib{stem}.so", f"lib{stem}.dylib", f"{stem}.dll", f"lib{stem}.dll")
    return next((folder / name for name in names if (folder / name).exists()), None)


def has_library(stem: str) -> bool:
    """Whether this build of llama-cpp-python ships the shared library `stem`."""
    return _find_library(stem) is not None


def library_path(stem: str) -> Path:
    """Where llama-cpp-python keeps the shared library `stem`, such as ``ggml-base``."""
    path = _find_library(stem)
    if path is None:
        raise ModelNotSupported(
            f"llama-cpp-python has no {stem} library: reinstall it with shared libraries"
        )
    return path


def _bind() -> ct.CDLL:
    """Load ggml-base (and ggml, for the device registry) and give every function its types."""
    base, registry = ct.CDLL(str(library_path("ggml-base"))), ct.CDLL(str(library_path("ggml")))
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(base, name, None) or getattr(registry, name)
        function.restype, function.argtypes = result, arguments
        setattr(base, name, function)
    struct = ct.sizeof(Tensor)
    overhead = base.ggml_tensor_overhead()
    # ggml_tensor_overhead is the struct and one ggml_object header of 32 bytes
    if overhead - struct != 32:
        raise ModelNotSupported(
            f"this llama.cpp's tensors take {overhead - 32} bytes where llprobe knows {struct}: "
            "install llama-cpp-python 0.3.36"
        )
    return base


lib: Final = _bind()


class Device:
    """One of ggml's devices: `handle`, `name`, `description`, memory in bytes, and its kind."""

    def __init__(self, handle: int) -> None:
        self.handle = handle
        self.name: str = lib.ggml_backend_dev_name(handle).decode()
        self.description: str = lib.ggml_backend_dev_description(handle).decode()
        self.is_cpu: bool = lib.ggml_backend_dev_type(handle) == DEVICE_CPU
        free, total = ct.c_size_t(), ct.c_size_t()
        lib.ggml_backend_dev_memory(handle, ct.byref(free), ct.byref(total))
        self.memory_free, self.memory_total = free.value, total.value


def devices() -> list[Device]:
    """Every device that this build of llama.cpp sees, the CPU included."""
    return [Device(lib.ggml_backend_dev_get(i)) for i in range(lib.ggml_backend_dev_count())]


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
        self.context: int = lib.ggml_init(_InitParams(nbytes, None, True))  # noqa: FBT003
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
