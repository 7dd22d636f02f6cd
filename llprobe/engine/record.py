"""The head as it stands in llama.cpp's graph: the nodes after the last block, read into steps.

This module knows nodes. It does not know how steps are computed again (head.py), or where.
"""

from __future__ import annotations

import ctypes as ct
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from llprobe.engine import ggml
from llprobe.engine.ggml import lib
from llprobe.errors import ModelNotSupported

__all__ = ["Step", "record_head"]

_COPY = re.compile(r".+#(.+)#\d+$")  # a source that crossed a graph split: BACKEND#name#copy
_SELECTS: Final = ("GET_ROWS", "RESHAPE", "VIEW", "CONT")


@dataclass(frozen=True)
class Step:
    """One op of the head: ggml's name of it, its parameters, and the weight it reads, if any."""

    op: str
    params: bytes
    weight: Any
    label: str

    @property
    def floats(self) -> tuple[float, float]:
        """The first two parameters read as float32 (an epsilon; a scale and its bias)."""
        return struct.unpack("2f", self.params[:8])


def record_head(nodes: Sequence[Any], n_layers: int) -> tuple[Step, ...]:
    """Turn the nodes of one short decode, in graph order, into the head's steps.

    Raises ModelNotSupported with the name of the first op or tensor that is not understood.
    """
    names = [node.contents.name.decode(errors="replace") for node in nodes]
    last = f"l_out-{n_layers - 1}"
    if last not in names or "result_output" not in names:
        missing = last if last not in names else "result_output"
        raise ModelNotSupported(f"no tensor {missing} in this architecture's graph")
    start = names.index(last)
    steps: list[Step] = []
    chain = nodes[start]
    for node in nodes[start + 1 : names.index("result_output") + 1]:
        if _reads(node, chain):
            step = _step(node, chain)
            steps += [step] if step else []
            chain = node
    if chain.contents.name != b"result_output":
        raise ModelNotSupported("result_output is not computed from the last block alone")
    if sum(step.op == "MUL_MAT" for step in steps) != 1:
        raise ModelNotSupported("the head multiplies by more than one matrix")
    return tuple(steps)


def _same(source: Any, chain: Any) -> bool:
    if ct.addressof(source.contents) == ct.addressof(chain.contents):
        return True
    copy = _COPY.match(source.contents.name.decode(errors="replace"))
    return copy is not None and copy[1] == chain.contents.name.decode(errors="replace")


def _reads(node: Any, chain: Any) -> bool:
    return any(bool(source) and _same(source, chain) for source in node.contents.src)


def _step(node: Any, chain: Any) -> Step | None:
    op = lib.ggml_op_name(node.contents.op).decode()
    params = bytes(node.contents.op_params)
    if op in _SELECTS:
        return None
    if op == "UNARY":
        op = lib.ggml_unary_op_name(struct.unpack("i", params[:4])[0]).decode()
    others = [s for s in node.contents.src if s and not _same(s, chain)]
    label = node.contents.name.decode(errors="replace")
    arity = {"MUL": 1, "ADD": 1, "MUL_MAT": 1, "NORM": 0, "RMS_NORM": 0, "SCALE": 0, "TANH": 0}
    if op not in arity:
        raise ModelNotSupported(f"the head's op {op} ({label}) is not known")
    if len(others) != arity[op]:
        raise ModelNotSupported(f"the head's op {op} ({label}) reads {len(others)} other tensors")
    return Step(op, params, _weight(others[0], label) if others else None, label)


def _weight(tensor: Any, label: str) -> Any:
    name = tensor.contents.name.decode(errors="replace")
    buffer = tensor.contents.buffer
    if not buffer or lib.ggml_backend_buffer_get_usage(buffer) != ggml.USAGE_WEIGHTS:
        raise ModelNotSupported(f"{name}, which {label} reads, is no weight of the model")
    # a new pointer: this one is a view of the node's own slot, which the next graph overwrites
    return ct.cast(tensor, ggml.TensorPtr)
