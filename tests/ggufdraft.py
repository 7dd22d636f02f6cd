"""A GGUF file taken apart, so that any field of it can be made to lie, and put together again.

`Draft` knows the container: header, key-values, tensor table, data. It does not know which keys or
tensors mean anything, nor which lies are interesting (see `mutations`).
"""

from __future__ import annotations

import copy
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import gguf

__all__ = [
    "ARRAY",
    "FORMS",
    "STRING",
    "Draft",
    "Pair",
    "Tensor",
    "pack",
    "read_draft",
    "text",
    "words",
]

STRING, ARRAY = 8, 9
FORMS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "B", 10: "Q", 11: "q", 12: "d"}
"""Types of scalars, and `struct`'s letters for them."""


@dataclass
class Pair:
    """One key-value; `payload` is the value as it stands in the file."""

    key: bytes
    kind: int
    payload: bytes
    key_size: int | None = None
    """What the file says of the key's length, where that is a lie."""

    def encode(self) -> bytes:
        size = len(self.key) if self.key_size is None else self.key_size
        return struct.pack("<Q", size) + self.key + struct.pack("<I", self.kind) + self.payload

    @property
    def element(self) -> int | None:
        """Type of an array's elements; None for scalars."""
        return int.from_bytes(self.payload[:4], "little") if self.kind == ARRAY else None

    @property
    def length(self) -> int:
        """Elements of an array."""
        return int.from_bytes(self.payload[4:12], "little")


@dataclass
class Tensor:
    """One tensor with its data; `offset`, `n_dims` and `name_size` only where they lie."""

    name: bytes
    dims: list[int]
    kind: int
    data: bytes
    offset: int | None = None
    n_dims: int | None = None
    name_size: int | None = None

    def encode(self, offset: int) -> bytes:
        size = len(self.name) if self.name_size is None else self.name_size
        n_dims = len(self.dims) if self.n_dims is None else self.n_dims
        head = struct.pack("<Q", size) + self.name + struct.pack("<I", n_dims)
        at = offset if self.offset is None else self.offset
        return head + struct.pack(f"<{len(self.dims)}QIQ", *self.dims, self.kind, at)


@dataclass
class Draft:
    """A whole file; counts only where they lie."""

    pairs: list[Pair]
    tensors: list[Tensor]
    alignment: int = 32
    magic: bytes = b"GGUF"
    version: int = 3
    n_pairs: int | None = None
    n_tensors: int | None = None
    tail: bytes = b""

    def copy(self) -> Draft:
        """Give a draft that can be changed without changing this one."""
        return copy.deepcopy(self)

    def pair(self, key: str) -> Pair | None:
        """Give the key-value of that name."""
        return next((pair for pair in self.pairs if pair.key == key.encode()), None)

    @property
    def arch(self) -> str:
        """The architecture that the file names."""
        pair = self.pair("general.architecture")
        return pair.payload[8:].decode() if pair else ""

    def chunks(self) -> Iterator[bytes]:
        """Give the file piece by piece, cut where its structure has joints."""
        n_tensors = len(self.tensors) if self.n_tensors is None else self.n_tensors
        n_pairs = len(self.pairs) if self.n_pairs is None else self.n_pairs
        yield from (self.magic, struct.pack("<I", self.version))
        yield struct.pack("<QQ", n_tensors, n_pairs)
        size = 24
        for piece in (*(pair.encode() for pair in self.pairs), *self._table()):
            size += len(piece)
            yield piece
        yield b"\0" * (-size % self.alignment)
        for tensor in self.tensors:
            yield tensor.data
            yield b"\0" * (-len(tensor.data) % self.alignment)
        yield self.tail

    def _table(self) -> Iterator[bytes]:
        offset = 0
        for tensor in self.tensors:
            yield tensor.encode(offset)
            offset += len(tensor.data) + -len(tensor.data) % self.alignment

    def encode(self) -> bytes:
        """Give the file."""
        return b"".join(self.chunks())


def read_draft(path: Path, alignment: int = 32) -> Draft:
    """Take a valid file apart; with another alignment than 32 it says so, and is laid out anew."""
    reader = gguf.GGUFReader(path)
    pairs = []
    for name, found in reader.fields.items():
        if not name.startswith("GGUF."):
            _, key, kind, *value = (part.tobytes() for part in found.parts)
            pairs.append(Pair(key, int.from_bytes(kind, "little"), b"".join(value)))
    if alignment != 32:
        pairs.insert(1, Pair(b"general.alignment", 4, struct.pack("<I", alignment)))
    tensors = [
        Tensor(t.name.encode(), [int(n) for n in t.shape], int(t.tensor_type), t.data.tobytes())
        for t in reader.tensors
    ]
    return Draft(pairs, tensors, alignment)


def pack(kind: int, value: float) -> bytes:
    """Give a number as GGUF's scalar `kind`; integers wrap around, what is not finite is 0."""
    form = "<" + FORMS[kind]
    if kind in {6, 12}:
        return struct.pack(form, value)
    size = struct.calcsize(form)
    number = int(value) % (1 << 8 * size) if math.isfinite(value) else 0
    return number.to_bytes(size, "little")


def text(value: bytes) -> bytes:
    """Give a string as GGUF writes it."""
    return struct.pack("<Q", len(value)) + value


def words(pair: Pair) -> list[bytes]:
    """Give the elements of an array of strings."""
    found, at = [], 12
    for _ in range(pair.length):
        size = int.from_bytes(pair.payload[at : at + 8], "little")
        found.append(pair.payload[at + 8 : at + 8 + size])
        at += 8 + size
    return found
