"""On which device each layer lies: read off the nodes of one short decode.

This module knows nodes and buffers. It does not know why llama.cpp put a layer where it did.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from llprobe.engine import ggml
from llprobe.engine.ggml import lib

__all__ = ["CPU", "Split", "place_of", "read_split"]

CPU: Final = "CPU"
_BLOCK: Final = re.compile(rb"-(\d+)$")


@dataclass(frozen=True, slots=True)
class Split:
    """The devices of layers 1 to n, in order, and the one that computes the head."""

    layers: tuple[str, ...]
    head: str

    @property
    def places(self) -> tuple[str, ...]:
        """Every device in use, the CPU included, in order."""
        return tuple(dict.fromkeys((*self.layers, self.head)))

    @property
    def devices(self) -> tuple[str, ...]:
        """Every device in use but the CPU, in order."""
        return tuple(place for place in self.places if place != CPU)

    def __str__(self) -> str:
        runs = [(device, [n for n, _ in of]) for device, of in groupby(
            enumerate(self.layers, 1), key=lambda numbered: numbered[1]
        )]  # fmt: skip
        said = [f"layers {n[0]}-{n[-1]} {device}" for device, n in runs]
        return ", ".join([*said, f"head {self.head}"])


def place_of(tensor: Any) -> str:
    """Return the name of the memory that a tensor lies in; what the host computes is the CPU's."""
    buffer_type = ggml.buffer_type_of(tensor)
    if not buffer_type or lib.ggml_backend_buft_is_host(buffer_type):
        return CPU
    if lib.ggml_backend_buft_get_device(buffer_type) == ggml.cpu_device():  # repacked weights
        return CPU
    name: bytes = lib.ggml_backend_buft_name(buffer_type)
    return name.decode(errors="replace")


def read_split(nodes: Sequence[Any], n_layers: int, matrix: Any) -> Split:
    """Return where the matrices that the blocks' nodes read lie, and the head's `matrix` in use.

    A block's output may lie elsewhere: llama.cpp adds where the next block needs the sum.
    """
    places: dict[int, str] = {}
    for node in nodes:
        block = _BLOCK.search(node.contents.name)
        if block and (weight := _weight(node)):
            places.setdefault(int(block[1]), place_of(weight))
    return Split(tuple(places.get(block, CPU) for block in range(n_layers)), place_of(matrix))


def _weight(node: Any) -> Any:
    """Return the matrix of the model that a node multiplies by, None for other nodes."""
    if lib.ggml_op_name(node.contents.op) != b"MUL_MAT":
        return None
    source = node.contents.src[0]
    buffer = source.contents.buffer
    is_weight = buffer and lib.ggml_backend_buffer_get_usage(buffer) == ggml.USAGE_WEIGHTS
    return source if is_weight else None
