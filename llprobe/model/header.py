"""Read the header of one GGUF file, believing nothing that it says about its own sizes.

llama.cpp aborts the process on some malformed files, and `gguf.GGUFReader` raises anything at
all and takes seconds on a large vocabulary, so every file passes through here first. No loop
depends on a count that was not held against the bytes left in the file.

This module knows the container only: not which keys a model needs (see `read`), not split models,
not llama.cpp.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias

from gguf.constants import (
    GGML_QUANT_SIZES,
    GGUF_DEFAULT_ALIGNMENT,
    GGMLQuantizationType,
    GGUFValueType,
    Keys,
)

from llprobe.errors import ModelFileError
from llprobe.model.cursor import Cursor, brief
from llprobe.model.magic import check_kind, read_version

__all__ = ["Header", "LongArray", "MetaValue", "TensorInfo", "read_header"]

_MAX_TEXT: Final = 16 << 20  # bytes of one kept string; a chat template has kilobytes
_MAX_KEY: Final = 65_535  # the format's own limit
_MAX_ARRAY: Final = 1 << 26  # elements; the largest vocabularies have 2**18
_KEPT_ARRAY: Final = 256  # longer arrays are skipped over and only their length is kept
_MAX_NAME: Final = 63  # llama.cpp refuses longer tensor names
_MAX_DIMS: Final = 4
_MAX_COUNT: Final = (1 << 63) - 1
_MIN_PAIR, _MIN_TENSOR = 13, 33  # bytes of the shortest key-value pair and tensor entry

_SCALARS: Final = {
    GGUFValueType.UINT8: struct.Struct("<B"),
    GGUFValueType.INT8: struct.Struct("<b"),
    GGUFValueType.UINT16: struct.Struct("<H"),
    GGUFValueType.INT16: struct.Struct("<h"),
    GGUFValueType.UINT32: struct.Struct("<I"),
    GGUFValueType.INT32: struct.Struct("<i"),
    GGUFValueType.FLOAT32: struct.Struct("<f"),
    GGUFValueType.BOOL: struct.Struct("<?"),
    GGUFValueType.UINT64: struct.Struct("<Q"),
    GGUFValueType.INT64: struct.Struct("<q"),
    GGUFValueType.FLOAT64: struct.Struct("<d"),
}


@dataclass(frozen=True)
class LongArray:
    """An array that was skipped over: `len()` gives how many elements it has."""

    element: str
    """GGUF's name of the element type, e.g. `STRING`."""
    length: int
    """How many elements it has."""
    offset: int = field(default=0, compare=False)
    """First byte of its first element, counted from the start of the file."""

    def __len__(self) -> int:
        """Return the number of elements."""
        return self.length


Scalar: TypeAlias = str | int | float | bool
MetaValue: TypeAlias = Scalar | tuple[Scalar, ...] | LongArray


@dataclass(frozen=True)
class TensorInfo:
    """One entry of the tensor table."""

    name: str
    """At most 63 bytes of UTF-8."""
    shape: tuple[int, ...]
    """1 to 4 dimensions in ggml's order: `shape[0]` is the length of a row."""
    type: GGMLQuantizationType
    """How its elements are stored."""
    offset: int
    """First byte of its data, counted from the start of the file."""
    nbytes: int
    """Bytes of its data, without padding."""

    @property
    def n_elements(self) -> int:
        """Return the number of elements."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Header:
    """Everything in front of the data section, checked against the file's length."""

    version: int
    """2 or 3."""
    metadata: Mapping[str, MetaValue]
    """Scalars, arrays of up to 256 elements as tuples, longer ones as `LongArray`."""
    tensors: tuple[TensorInfo, ...]
    """In file order; their data do not overlap and end within the file."""
    alignment: int
    """A power of two, in bytes."""
    data_offset: int
    """First byte of the data section."""
    file_bytes: int
    """Length of the file."""
    header_bytes: int
    """Length of everything before the data section's padding."""


def read_header(path: str | Path) -> Header:
    """Return the header of the GGUF file at `path`.

    Raises ModelFileError, naming the file, where it is missing, a folder, empty, unreadable, not
    GGUF, of an unknown version or byte order, cut short, or contradicts itself.
    """
    path = Path(path)
    try:
        check_kind(path)
        with path.open("rb") as file:
            return _header(Cursor(path, file))
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte in it
        raise ModelFileError(f"{path} cannot be read: {error}") from error


def _header(cursor: Cursor) -> Header:
    version = read_version(cursor)
    n_tensors, n_pairs = cursor.u64("the header"), cursor.count("metadata", _MIN_PAIR)
    if n_tensors * _MIN_TENSOR > cursor.left:
        raise cursor.fail(f"is cut short or lies: {n_tensors:,} tensors do not fit in it")
    metadata: dict[str, MetaValue] = {}
    for index in range(n_pairs):
        key = _key(cursor, index, metadata)
        metadata[key] = _value(cursor, brief(key))
    alignment = _alignment(cursor, metadata)
    entries = [_entry(cursor, index) for index in range(n_tensors)]
    end = cursor.position
    data = _padded(end, alignment)
    tensors = _placed(cursor, entries, data, alignment)
    return Header(version, MappingProxyType(metadata), tensors, alignment, data, cursor.size, end)


# -- metadata ----------------------------------------------------------------------------------


def _key(cursor: Cursor, index: int, known: Mapping[str, MetaValue]) -> str:
    key = cursor.text(f"metadata key {index + 1}", _MAX_KEY)
    if not key:
        raise cursor.fail(f"is damaged: metadata key {index + 1} is empty")
    if key in known:
        raise cursor.fail(f"is damaged: metadata key {brief(key)!r} is twice in it")
    return key


def _value(cursor: Cursor, key: str) -> MetaValue:
    kind = _kind(cursor, key)
    return _array(cursor, key) if kind is GGUFValueType.ARRAY else _scalar(cursor, kind, key)


def _kind(cursor: Cursor, key: str) -> GGUFValueType:
    raw = cursor.u32(key)
    try:
        return GGUFValueType(raw)
    except ValueError:
        raise cursor.fail(f"is damaged: metadata {key!r} has the unknown type {raw}") from None


def _scalar(cursor: Cursor, kind: GGUFValueType, key: str) -> Scalar:
    if kind is GGUFValueType.STRING:
        return cursor.text(key, _MAX_TEXT, strict=False)
    form = _SCALARS[kind]
    value: Scalar = form.unpack(cursor.take(form.size, key))[0]
    return value


def _array(cursor: Cursor, key: str) -> MetaValue:
    kind = _kind(cursor, key)
    if kind is GGUFValueType.ARRAY:
        raise cursor.fail(f"is damaged: metadata {key!r} is an array of arrays")
    each = 8 if kind is GGUFValueType.STRING else _SCALARS[kind].size
    length = cursor.count(f"elements of {key}", each)
    if length > _MAX_ARRAY:
        raise cursor.fail(f"lies about its sizes: {key} claims {length:,} elements")
    if length <= _KEPT_ARRAY:
        return tuple(_scalar(cursor, kind, key) for _ in range(length))
    start = cursor.position
    if kind is GGUFValueType.STRING:
        cursor.skip_texts(length, key)
    else:
        cursor.skip(length * each)
    return LongArray(kind.name, length, start)


def _alignment(cursor: Cursor, metadata: Mapping[str, MetaValue]) -> int:
    value = metadata.get(Keys.General.ALIGNMENT, GGUF_DEFAULT_ALIGNMENT)
    if type(value) is not int or value <= 0 or value & (value - 1) or value >= 1 << 32:
        raise cursor.fail(f"is damaged: its alignment {value!r} is not a power of two")
    return value


# -- the tensor table --------------------------------------------------------------------------


def _entry(cursor: Cursor, index: int) -> TensorInfo:
    """Return one tensor, its offset still counted from the data section."""
    name = cursor.text(f"the name of tensor {index + 1}", _MAX_NAME)
    what = f"tensor {name!r}"
    n_dims = cursor.u32(what)
    if not 1 <= n_dims <= _MAX_DIMS:
        raise cursor.fail(f"is damaged: {what} has {n_dims} dimensions")
    shape = tuple(cursor.u64(what) for _ in range(n_dims))
    type_ = _tensor_type(cursor, what)
    offset = cursor.u64(what)
    return TensorInfo(name, shape, type_, offset, _nbytes(cursor, what, shape, type_))


def _tensor_type(cursor: Cursor, what: str) -> GGMLQuantizationType:
    raw = cursor.u32(what)
    try:
        return GGMLQuantizationType(raw)
    except ValueError:
        raise cursor.fail(f"has {what} of the unknown type {raw}") from None


def _nbytes(cursor: Cursor, what: str, shape: tuple[int, ...], type_: GGMLQuantizationType) -> int:
    block, block_bytes = (int(size) for size in GGML_QUANT_SIZES[type_])
    elements = math.prod(shape)
    if not 0 < elements <= _MAX_COUNT:
        raise cursor.fail(f"lies about its sizes: {what} has the shape {shape}")
    if shape[0] % block:
        raise cursor.fail(
            f"is damaged: rows of {shape[0]} in {what} are no multiple of "
            f"{type_.name}'s block of {block}"
        )
    return elements // block * block_bytes


def _placed(
    cursor: Cursor, entries: Iterable[TensorInfo], data: int, alignment: int
) -> tuple[TensorInfo, ...]:
    """Return the tensors with file offsets, each checked to lie where llama.cpp wants it."""
    placed: dict[str, TensorInfo] = {}
    expected = data
    for entry in entries:
        tensor = replace(entry, offset=data + entry.offset)
        _check_place(cursor, tensor, expected, alignment)
        if tensor.name in placed:
            raise cursor.fail(f"is damaged: tensor {tensor.name!r} is twice in it")
        placed[tensor.name] = tensor
        expected = _padded(tensor.offset + tensor.nbytes, alignment)
    return tuple(placed.values())


def _check_place(cursor: Cursor, tensor: TensorInfo, expected: int, alignment: int) -> None:
    name, end = tensor.name, tensor.offset + tensor.nbytes
    if tensor.offset % alignment:
        raise cursor.fail(f"is damaged: tensor {name!r} is not aligned to {alignment} bytes")
    if tensor.offset < expected:
        raise cursor.fail(f"is damaged: tensor {name!r} overlaps the one before it")
    if end > cursor.size:
        raise cursor.fail(
            f"is cut short by {end - cursor.size:,} bytes, or lies: tensor {name!r} ends after it"
        )
    if tensor.offset > expected:  # llama.cpp's loader takes no gaps
        raise cursor.fail(f"is damaged: there is a gap before tensor {name!r}")


def _padded(size: int, alignment: int) -> int:
    return -(-size // alignment) * alignment
