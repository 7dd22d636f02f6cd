"""Read the header of one GGUF file, believing nothing that it says about its own sizes.

llama.cpp aborts the process on some malformed files, and `gguf.GGUFReader` raises anything at
all and takes seconds on a large vocabulary, so every file passes through here first. No loop
and no allocation depends on a count that was not held against the bytes left in the file.

This module knows the container only: not which keys a model needs (see `llprobe.model`), not
split models, not llama.cpp.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, BinaryIO, Final, TypeAlias

from gguf.constants import (
    GGML_QUANT_SIZES,
    GGUF_DEFAULT_ALIGNMENT,
    GGMLQuantizationType,
    GGUFValueType,
    Keys,
)

from llprobe.errors import ModelFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Header", "LongArray", "MetaValue", "TensorInfo", "read_header"]

_WINDOW: Final = 1 << 20
_MAX_TEXT: Final = 16 << 20  # bytes of one kept string; a chat template has kilobytes
_MAX_KEY: Final = 65_535  # the format's own limit
_MAX_ARRAY: Final = 1 << 26  # elements; the largest vocabularies have 2**18
_KEPT_ARRAY: Final = 256  # longer arrays are skipped over and only their length is kept
_MAX_NAME: Final = 63  # llama.cpp refuses longer tensor names
_MAX_DIMS: Final = 4
_MAX_COUNT: Final = (1 << 63) - 1
_VERSIONS: Final = (2, 3)
_MIN_PAIR, _MIN_TENSOR = 13, 33  # bytes of the shortest key-value pair and tensor entry

_CODES: Final = "UINT8:B INT8:b UINT16:H INT16:h UINT32:I INT32:i FLOAT32:f BOOL:? UINT64:Q INT64:q"
_SCALARS: Final = {
    GGUFValueType[name]: struct.Struct(f"<{code}")
    for name, code in (pair.split(":") for pair in (*_CODES.split(), "FLOAT64:d"))
}
_U32, _U64 = _SCALARS[GGUFValueType.UINT32], _SCALARS[GGUFValueType.UINT64]

_LOOKS_LIKE: Final[tuple[tuple[Callable[[bytes], bool], str], ...]] = (
    (lambda b: b.startswith(b"version https://git-lfs"), "a Git-LFS pointer; run 'git lfs pull'"),
    (lambda b: b.lstrip()[:5].lower() in {b"<!doc", b"<html"}, "an HTML page, not the download"),
    (lambda b: b[8:9] == b"{" and b[4:8] == b"\0\0\0\0", "safetensors; convert it to GGUF"),
    (lambda b: b[:2] == b"PK", "a zip archive (a PyTorch file or a wheel)"),
    (lambda b: b[:2] == b"\x1f\x8b", "a gzip archive; unpack it first"),
    (lambda b: b[:4] in {b"lmgg", b"tjgg", b"fmgg", b"algg"}, "a GGML file from before GGUF"),
    (lambda b: b[:1] == b"\x80", "a Python pickle; convert it to GGUF"),
    (lambda b: b.lstrip()[:1] in {b"{", b"["}, "JSON"),
    (lambda b: not b.strip(b"\0"), "nothing but zero bytes, as a broken download leaves them"),
)


@dataclass(frozen=True)
class LongArray:
    """An array that was skipped over: `len()` gives how many elements it has."""

    element: str
    """GGUF's name of the element type, e.g. `STRING`."""
    length: int
    """How many elements it has."""

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
        count = 1
        for size in self.shape:
            count *= size
        return count


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
        _check_kind(path)
        with path.open("rb") as file:
            return _Reader(path, file).header()
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte in it
        raise ModelFileError(f"{path} cannot be read: {error}") from error


def _check_kind(path: Path) -> None:
    """Refuse what is not a plain file; opening a pipe would wait for ever."""
    if path.is_dir():
        raise ModelFileError(f"{path} is a folder; name the .gguf file in it")
    if not path.exists():
        raise ModelFileError(f"{path} does not exist")
    if not path.is_file():
        raise ModelFileError(f"{path} is not a plain file")


class _Reader:
    """A cursor over one open file that hands out only bytes the file has."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path, self.file = path, file
        self.size = path.stat().st_size
        self.window = b""
        self.start = 0  # where in the file the window begins
        self.at = 0  # the cursor, in the window

    def fail(self, text: str) -> ModelFileError:
        """Return (not raise) the error, so that a `raise` stands where it happens."""
        line = "".join(c if c.isprintable() else "?" for c in text)
        return ModelFileError(f"{self.path} {line}")

    def left(self) -> int:
        """Return the number of bytes after the cursor."""
        return self.size - self.start - self.at

    def need(self, count: int, what: str) -> None:
        """Make the next `count` bytes lie in the window."""
        short = count - self.left()
        if short > 0:
            raise self.fail(f"is cut short: {what} wants {short:,} bytes more than the file has")
        if self.at + count > len(self.window):
            self.move(0, max(count, _WINDOW))
        if self.at + count > len(self.window):
            raise self.fail("was cut short while it was read")

    def move(self, step: int, window: int = _WINDOW) -> None:
        """Put the cursor `step` bytes on and read a new window there."""
        self.start, self.at = self.start + self.at + step, 0
        self.file.seek(self.start)
        self.window = self.file.read(window)

    def take(self, count: int, what: str) -> bytes:
        self.need(count, what)
        self.at += count
        return self.window[self.at - count : self.at]

    def number(self, form: struct.Struct, what: str) -> int:
        """Return one integer of the file."""
        return int(form.unpack(self.take(form.size, what))[0])

    def text(self, what: str, limit: int, *, strict: bool = True) -> str:
        size = self.number(_U64, what)
        if size > self.left():
            raise self.fail(f"is cut short or lies: {what} claims {size:,} bytes")
        if size > limit:
            raise self.fail(f"lies about its sizes: {what} claims {size:,} bytes")
        raw = self.take(size, what)
        try:
            return raw.decode("utf-8", "strict" if strict else "replace")
        except UnicodeDecodeError:
            raise self.fail(f"is damaged: {what} is not text") from None

    def count(self, what: str, least: int) -> int:
        """Return a number of entries of at least `least` bytes each, all within the file."""
        count = self.number(_U64, f"the number of {what}")
        if count * least > self.left():
            raise self.fail(
                f"is cut short or lies: {count:,} {what} do not fit in {self.left():,} bytes"
            )
        return count

    def header(self) -> Header:
        version = self.version()
        n_tensors, n_pairs = self.number(_U64, "the header"), self.count("metadata", _MIN_PAIR)
        if n_tensors * _MIN_TENSOR > self.left():
            raise self.fail(f"is cut short or lies: {n_tensors:,} tensors do not fit in it")
        metadata: dict[str, MetaValue] = {}
        for index in range(n_pairs):
            self.pair(index, metadata)
        alignment = self.alignment(metadata)
        raw = [self.entry(index) for index in range(n_tensors)]
        end = self.start + self.at
        data = _padded(end, alignment)
        tensors = self.placed(raw, data, alignment)
        return Header(version, MappingProxyType(metadata), tensors, alignment, data, self.size, end)

    def version(self) -> int:
        if self.size == 0:
            raise self.fail("is empty")
        start = self.take(min(self.size, 24), "the start")
        if start[:4] != b"GGUF"[: len(start)]:
            kind = next((text for test, text in _LOOKS_LIKE if test(start)), "something else")
            raise self.fail(f"is not GGUF: it looks like {kind}")
        self.at = 4
        version = self.number(_U32, "the header")
        if version in _VERSIONS:
            return version
        if version & 0xFFFF == 0 and version >> 24:
            raise self.fail("is a big-endian GGUF; get or convert the little-endian one")
        raise self.fail(f"is GGUF version {version}; versions 2 and 3 can be read")

    def pair(self, index: int, into: dict[str, MetaValue]) -> None:
        key = self.text(f"metadata key {index + 1}", _MAX_KEY)
        if not key:
            raise self.fail(f"is damaged: metadata key {index + 1} is empty")
        if key in into:
            raise self.fail(f"is damaged: metadata key {key!r} is twice in it")
        kind = self.kind(key)
        into[key] = self.array(key) if kind is GGUFValueType.ARRAY else self.scalar(kind, key)

    def kind(self, key: str) -> GGUFValueType:
        raw = self.number(_U32, key)
        try:
            return GGUFValueType(raw)
        except ValueError:
            raise self.fail(f"is damaged: metadata {key!r} has the unknown type {raw}") from None

    def scalar(self, kind: GGUFValueType, key: str) -> Scalar:
        if kind is GGUFValueType.STRING:
            return self.text(key, _MAX_TEXT, strict=False)
        form = _SCALARS[kind]
        value: Scalar = form.unpack(self.take(form.size, key))[0]
        return value

    def array(self, key: str) -> MetaValue:
        kind = self.kind(key)
        if kind is GGUFValueType.ARRAY:
            raise self.fail(f"is damaged: metadata {key!r} is an array of arrays")
        each = 8 if kind is GGUFValueType.STRING else _SCALARS[kind].size
        length = self.count(f"elements of {key}", each)
        if length > _MAX_ARRAY:
            raise self.fail(f"lies about its sizes: {key} claims {length:,} elements")
        if length <= _KEPT_ARRAY:
            return tuple(self.scalar(kind, key) for _ in range(length))
        if kind is GGUFValueType.STRING:
            self.skip_texts(length, key)
        else:
            self.move(length * each)
        return LongArray(kind.name, length)

    def skip_texts(self, length: int, key: str) -> None:
        """Step over `length` strings; a tight loop, for vocabularies have 128,000 and more."""
        unpack = _U64.unpack_from
        while length:
            self.need(8, key)
            window, at, last = self.window, self.at, len(self.window) - 8
            while length and at <= last:
                at += 8 + unpack(window, at)[0]
                length -= 1
            if self.start + at > self.size:
                raise self.fail(f"is cut short or lies: a string of {key} ends after the file")
            self.at = at
            if at > len(window):
                self.move(0)

    def alignment(self, metadata: Mapping[str, MetaValue]) -> int:
        value = metadata.get(Keys.General.ALIGNMENT, GGUF_DEFAULT_ALIGNMENT)
        if type(value) is not int or value <= 0 or value & (value - 1) or value >= 1 << 32:
            raise self.fail(f"is damaged: its alignment {value!r} is not a power of two")
        return value

    def entry(self, index: int) -> TensorInfo:
        """Return one tensor, its offset still counted from the data section."""
        name = self.text(f"the name of tensor {index + 1}", _MAX_NAME)
        n_dims = self.number(_U32, f"tensor {name!r}")
        if not 1 <= n_dims <= _MAX_DIMS:
            raise self.fail(f"is damaged: tensor {name!r} has {n_dims} dimensions")
        shape = tuple(self.number(_U64, f"tensor {name!r}") for _ in range(n_dims))
        type_ = self.tensor_type(name)
        offset = self.number(_U64, f"tensor {name!r}")
        return TensorInfo(name, shape, type_, offset, self.nbytes(name, shape, type_))

    def tensor_type(self, name: str) -> GGMLQuantizationType:
        raw = self.number(_U32, f"tensor {name!r}")
        try:
            return GGMLQuantizationType(raw)
        except ValueError:
            raise self.fail(f"has tensor {name!r} of the unknown type {raw}") from None

    def nbytes(self, name: str, shape: tuple[int, ...], type_: GGMLQuantizationType) -> int:
        """Return the bytes of a tensor's data; the dimensions are at most 2**64, so no overflow."""
        block, block_bytes = _block(type_)
        elements = 1
        for size in shape:
            elements *= size
        if not 0 < elements <= _MAX_COUNT:
            raise self.fail(f"lies about its sizes: tensor {name!r} has the shape {shape}")
        if shape[0] % block:
            raise self.fail(
                f"is damaged: rows of {shape[0]} in tensor {name!r} are no multiple of "
                f"{type_.name}'s block of {block}"
            )
        return elements // block * block_bytes

    def placed(self, raw: list[TensorInfo], data: int, alignment: int) -> tuple[TensorInfo, ...]:
        """Return the tensors with file offsets, each checked to lie where llama.cpp wants it."""
        placed: dict[str, TensorInfo] = {}
        expected = 0
        for tensor in raw:
            self.check_place(tensor, expected, data, alignment)
            if tensor.name in placed:
                raise self.fail(f"is damaged: tensor {tensor.name!r} is twice in it")
            placed[tensor.name] = TensorInfo(
                tensor.name, tensor.shape, tensor.type, data + tensor.offset, tensor.nbytes
            )
            expected = _padded(tensor.offset + tensor.nbytes, alignment)
        return tuple(placed.values())

    def check_place(self, tensor: TensorInfo, expected: int, data: int, alignment: int) -> None:
        name, end = tensor.name, data + tensor.offset + tensor.nbytes
        if tensor.offset % alignment:
            raise self.fail(f"is damaged: tensor {name!r} is not aligned to {alignment} bytes")
        if tensor.offset < expected:
            raise self.fail(f"is damaged: tensor {name!r} overlaps the one before it")
        if end > self.size:
            raise self.fail(
                f"is cut short by {end - self.size:,} bytes, or lies: tensor {name!r} ends after it"
            )
        if tensor.offset > expected:  # llama.cpp's loader takes no gaps
            raise self.fail(f"is damaged: there is a gap before tensor {name!r}")


def _block(type_: GGMLQuantizationType) -> tuple[int, int]:
    """Return how many elements a block holds, and its bytes."""
    elements, size = GGML_QUANT_SIZES[type_]
    return int(elements), int(size)


def _padded(size: int, alignment: int) -> int:
    return -(-size // alignment) * alignment
