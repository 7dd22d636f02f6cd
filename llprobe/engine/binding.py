"""ggml through ctypes: its tensor struct, and the functions that the engine calls.

llama-cpp-python binds llama.h only; the few functions of ggml.h, ggml-alloc.h and
ggml-backend.h that the engine stands on are bound here, each beside its C declaration. Layout of
`Tensor` is checked against the library at import, so another llama.cpp cannot be misread.

This module knows C declarations. It does not know what is done with them.
"""

from __future__ import annotations

import ctypes as ct
from pathlib import Path
from typing import Any, Final

import llama_cpp

from llprobe.errors import ModelNotSupported

__all__ = [
    "InitParams",
    "Tensor",
    "TensorPtr",
    "has_library",
    "lib",
    "library_path",
]


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


class InitParams(ct.Structure):
    """`struct ggml_init_params` of ggml.h."""

    # struct ggml_init_params { size_t mem_size; void * mem_buffer; bool no_alloc; };
    _fields_ = (("mem_size", ct.c_size_t), ("mem_buffer", ct.c_void_p), ("no_alloc", ct.c_bool))


# name: (result, arguments), in ggml's own order
_P, _T, _S, _I64 = ct.c_void_p, TensorPtr, ct.c_size_t, ct.c_int64
_SIGNATURES: Final[dict[str, tuple[Any, list[Any]]]] = {
    # size_t ggml_tensor_overhead(void);  size_t ggml_graph_overhead(void);
    "ggml_tensor_overhead": (_S, []),
    "ggml_graph_overhead": (_S, []),
    # struct ggml_context * ggml_init(struct ggml_init_params params);  void ggml_free(ctx);
    "ggml_init": (_P, [InitParams]),
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
    "ggml_backend_buft_is_host": (ct.c_bool, [_P]),
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
    # size_t ggml_backend_reg_dev_count(reg);  ggml_backend_dev_t ggml_backend_reg_dev_get(reg, i);
    "ggml_backend_reg_dev_count": (_S, [_P]),
    "ggml_backend_reg_dev_get": (_P, [_P, _S]),
    # ggml_abort_callback_t ggml_set_abort_callback(void (*callback)(const char * message));
    "ggml_set_abort_callback": (_P, [_P]),
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


def _elsewhere(name: str) -> Any:
    """Find a function where the system does not look through libllama's own libraries."""
    base, registry = ct.CDLL(str(library_path("ggml-base"))), ct.CDLL(str(library_path("ggml")))
    return getattr(base, name, None) or getattr(registry, name)


def _bind() -> ct.CDLL:
    """Give every function its types, found by way of libllama.

    A wheel holds each library under several names, as files of their own. Loaded by another name
    than llama.cpp's, ggml would be there twice, and what is set in one would not hold in the other.
    """
    ours = ct.CDLL(str(library_path("llama")))
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(ours, name, None) or _elsewhere(name)
        function.restype, function.argtypes = result, arguments
        setattr(ours, name, function)
    struct = ct.sizeof(Tensor)
    overhead = ours.ggml_tensor_overhead()
    # ggml_tensor_overhead is the struct and one ggml_object header of 32 bytes
    if overhead - struct != 32:
        raise ModelNotSupported(
            f"this llama.cpp's tensors take {overhead - 32} bytes where llprobe knows {struct}: "
            "install llama-cpp-python 0.3.36"
        )
    return ours


lib: Final = _bind()
