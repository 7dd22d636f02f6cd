"""Which node of a graph reads which, and whether a block's parts can be left out of it.

Overwriting a tensor leaves a part out only where the graph says so: the block must add its parts
to its input, one after the other, with the sums in tensors of their own. That is read off the
nodes of one short decode, never off the name of an architecture.

This module knows nodes. It does not know tokens, values or how a tensor is overwritten.
"""

from __future__ import annotations

import ctypes as ct
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from llprobe.ablation import Part
from llprobe.engine.ggml import lib
from llprobe.errors import ModelNotSupported

__all__ = ["Flow", "check_part", "read_flow"]

_COPY: Final = re.compile(rb".+#(.+)#\d+$")  # a source that crossed a graph split
_OUTPUT_SCALES: Final = ("MUL", "SCALE")


@dataclass(frozen=True)
class Flow:
    """The nodes of one graph in order; `sources` are the places of the nodes that each reads."""

    names: tuple[str, ...]
    ops: tuple[str, ...]
    sources: tuple[tuple[int, ...], ...]

    def find(self, name: str) -> int:
        """Return the place of the one node of that name; raises ModelNotSupported."""
        count = self.names.count(name)
        if count != 1:
            raise ModelNotSupported(f"{'no' if not count else 'more than one'} tensor {name}")
        return self.names.index(name)

    def readers(self, start: int, but: int = -1) -> set[int]:
        """Return the nodes that depend on node `start`, other than by way of node `but`."""
        found = {start}
        for place in range(start + 1, len(self.names)):
            if place != but and not found.isdisjoint(self.sources[place]):
                found.add(place)
        return found - {start}

    def terms(self, place: int) -> list[int]:
        """Return the two nodes that a sum adds, before rows were chosen of them; else nothing."""
        if self.ops[place] != "ADD" or len(self.sources[place]) != 2:
            return []
        return [self._before_rows(source) for source in self.sources[place]]

    def _before_rows(self, place: int) -> int:
        sources = self.sources[place]
        return sources[0] if self.ops[place] == "GET_ROWS" and sources else place

    def unscaled(self, place: int) -> int:
        """Return the node of which this one is a multiple, itself where it is none."""
        while self.ops[place] in _OUTPUT_SCALES and len(self.sources[place]) == 1:
            place = self.sources[place][0]
        return place


def read_flow(nodes: Sequence[Any]) -> Flow:
    """Describe the recorded nodes of one graph; the pointers must still be valid."""
    places: dict[int, int] = {}
    latest: dict[bytes, int] = {}
    sources = []
    for place, node in enumerate(nodes):
        read = [s.contents for s in node.contents.src if s]
        found = (places.get(ct.addressof(s), _original(s.name, latest)) for s in read)
        sources.append(tuple(s for s in found if s is not None))
        places[ct.addressof(node.contents)] = latest[node.contents.name] = place
    names = tuple(node.contents.name.decode(errors="replace") for node in nodes)
    ops = tuple(lib.ggml_op_name(node.contents.op).decode() for node in nodes)
    return Flow(names, ops, tuple(sources))


def _original(name: bytes, latest: dict[bytes, int]) -> int | None:
    """Return the node of which a tensor is the copy for another device, by its name."""
    copy = _COPY.match(name)
    return latest.get(copy[1]) if copy else None


def check_part(flow: Flow, block: int, part: Part, before: str) -> None:
    """Refuse to leave `part` out of `block` (counted from 1) where overwriting would not do that.

    `before` names the block's input. Raises ModelNotSupported with the tensor that is missing or
    computed otherwise.
    """
    start, end = flow.find(before), flow.find(f"l_out-{block - 1}")
    if part == "block":
        inside = flow.readers(start) | {start}
        if not _reaches(flow, flow.unscaled(end), start, inside):
            raise ModelNotSupported(f"{flow.names[end]} does not add to {before}")
    else:
        _check_halves(flow, start, flow.find(f"ffn_inp-{block - 1}"), end)
    leaks = {place for place in flow.readers(start, but=end) if place > end}
    if leaks:
        raise ModelNotSupported(f"{flow.names[min(leaks)]}, after the block, reads from inside it")


def _reaches(flow: Flow, end: int, start: int, inside: set[int]) -> bool:
    """Whether `end` is `start` plus terms out of `inside`, the nodes that depend on it."""
    if end == start:
        return True
    terms = flow.terms(end)
    return inside.issuperset(terms) and any(_reaches(flow, t, start, inside) for t in terms)


def _check_halves(flow: Flow, start: int, middle: int, end: int) -> None:
    """Refuse a block that is not ``middle = start + attention; end = middle + feed-forward``."""
    for total, first in ((middle, start), (end, middle)):
        terms = flow.terms(total)
        others = [term for term in terms if term != first]
        if len(others) != len(terms) - 1 or not flow.readers(first).issuperset(others):
            total_name, first_name = flow.names[total], flow.names[first]
            raise ModelNotSupported(f"{total_name} is not {first_name} and what is added to it")
    if end in flow.readers(start, but=middle):
        names = flow.names
        raise ModelNotSupported(f"{names[end]} reads {names[start]} past {names[middle]}")
