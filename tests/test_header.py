"""The reader of GGUF headers: good files whole, bad ones refused in words."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

import gguf
import pytest
from smallgguf import write_gguf

from llprobe.errors import ModelFileError
from llprobe.model.header import Header, LongArray, read_header

if TYPE_CHECKING:
    from pathlib import Path


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def pair(key: str, kind: int, value: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + value


def tensor(
    name: str = "a", shape: tuple[int, ...] = (32,), kind: int = 0, offset: int = 0
) -> bytes:
    dims = struct.pack(f"<{len(shape)}Q", *shape)
    return text(name) + struct.pack("<I", len(shape)) + dims + struct.pack("<IQ", kind, offset)


def build(
    pairs: tuple[bytes, ...] = (),
    tensors: tuple[bytes, ...] = (),
    data: int = 0,
    *,
    start: bytes = b"GGUF\x03\0\0\0",
    counts: tuple[int, int] | None = None,
) -> bytes:
    """Return a GGUF by hand, with `data` bytes of weights after the padded header."""
    n_tensors, n_pairs = counts or (len(tensors), len(pairs))
    head = start + struct.pack("<QQ", n_tensors, n_pairs) + b"".join(pairs + tensors)
    return head + b"\0" * (-len(head) % 32 + data)


def read(tmp_path: Path, content: bytes) -> Header:
    path = tmp_path / "x.gguf"
    path.write_bytes(content)
    return read_header(path)


def test_a_written_file_is_read_as_gguf_reads_it(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "m.gguf", untied=True)
    header, reader = read_header(path), gguf.GGUFReader(path)
    assert [
        (t.name, list(t.shape), t.type, t.offset, t.nbytes, t.n_elements) for t in header.tensors
    ] == [
        (t.name, t.shape.tolist(), t.tensor_type, t.data_offset, t.n_bytes, t.n_elements)
        for t in reader.tensors
    ]
    assert header.data_offset == reader.data_offset
    assert header.metadata == {
        key: tuple(value) if isinstance(value := field.contents(), list) else value
        for key, field in reader.fields.items()
        if not key.startswith("GGUF.")
    }
    assert header.file_bytes == path.stat().st_size


def test_version_2_and_every_scalar_type(tmp_path: Path) -> None:
    kinds = [(0, "<B", 200), (1, "<b", -3), (2, "<H", 60000), (3, "<h", -300), (4, "<I", 1 << 31)]
    kinds += [(5, "<i", -70000), (7, "<?", True), (10, "<Q", 1 << 60), (11, "<q", -(1 << 60))]
    pairs = [pair(f"k{k}", k, struct.pack(form, value)) for k, form, value in kinds]
    pairs += [pair("k6", 6, struct.pack("<f", 0.5)), pair("k12", 12, struct.pack("<d", 0.1))]
    header = read(tmp_path, build(tuple(pairs), start=b"GGUF\x02\0\0\0"))
    assert header.version == 2
    assert header.metadata == {**{f"k{k}": v for k, _, v in kinds}, "k6": 0.5, "k12": 0.1}


def test_long_arrays_keep_their_length_only(tmp_path: Path) -> None:
    words = b"".join(text(f"token {i}" * (1 + i % 7)) for i in range(300_000))
    strings = struct.pack("<IQ", 8, 300_000) + words
    numbers = struct.pack("<IQ", 5, 128_000) + bytes(4 * 128_000)
    last = pair("last", 8, text("here"))
    content = build((pair("s", 9, strings), pair("n", 9, numbers), last))
    header = read(tmp_path, content)
    assert header.metadata == {
        "s": LongArray("STRING", 300_000),
        "n": LongArray("INT32", 128_000),
        "last": "here",
    }


def test_a_string_longer_than_the_window_is_stepped_over(tmp_path: Path) -> None:
    words = text("x" * 3_000_000) + b"".join(text("y") for _ in range(300))
    content = build((pair("s", 9, struct.pack("<IQ", 8, 301) + words), pair("e", 8, text("end"))))
    assert read(tmp_path, content).metadata["e"] == "end"


ARRAY, U64_MAX = 9, (1 << 64) - 1
BAD = {
    "empty": (b"", "is empty"),
    "three bytes": (b"GGU", "is cut short"),
    "magic only": (b"GGUF", "is cut short"),
    "version 1": (build(start=b"GGUF\x01\0\0\0"), "is GGUF version 1"),
    "version 9": (build(start=b"GGUF\x09\0\0\0"), "is GGUF version 9"),
    "big-endian": (build(start=b"GGUF\0\0\0\x03"), "big-endian"),
    "safetensors": (struct.pack("<Q", 64) + b'{"a":{}}' + bytes(60), "safetensors"),
    "html": (b"<!DOCTYPE html><html></html>", "HTML"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git-LFS"),
    "zip": (b"PK\x03\x04" + bytes(40), "zip"),
    "zeros": (bytes(4096), "zero bytes"),
    "ggml": (b"tjgg" + bytes(40), "before GGUF"),
    "text": (b"hello, this is not a model", "something else"),
    "pairs lie": (build(counts=(0, 1 << 40)), "do not fit"),
    "tensors lie": (build(counts=(U64_MAX, 0)), "do not fit"),
    "key lies": (build((struct.pack("<Q", U64_MAX) + bytes(40),)), "claims"),
    "empty key": (build((pair("", 4, bytes(4)),)), "is empty"),
    "double key": (build((pair("k", 4, bytes(4)),) * 2), "twice"),
    "key no text": (build((struct.pack("<Q", 2) + b"\xff\xfe" + bytes(20),)), "not text"),
    "unknown type": (build((pair("k", 77, bytes(8)),)), "unknown type 77"),
    "array lies": (build((pair("k", ARRAY, struct.pack("<IQ", 4, 1 << 50)),)), "do not fit"),
    "array of arrays": (build((pair("k", ARRAY, struct.pack("<IQ", 9, 1)),)), "array of arrays"),
    "string in array lies": (
        build((pair("k", ARRAY, struct.pack("<IQ", 8, 300) + b"\xff" * 3000),)),
        "ends after the file",
    ),
    "alignment 3": (build((pair("general.alignment", 4, struct.pack("<I", 3)),)), "alignment 3"),
    "alignment 0": (build((pair("general.alignment", 4, bytes(4)),)), "alignment 0"),
    "alignment text": (build((pair("general.alignment", 8, text("32")),)), "alignment"),
    "no dimensions": (build((), (tensor(shape=()),), 64), "0 dimensions"),
    "five dimensions": (build((), (tensor(shape=(1,) * 5),), 64), "5 dimensions"),
    "zero dimension": (build((), (tensor(shape=(32, 0)),), 64), "shape (32, 0)"),
    "overflow": (build((), (tensor(shape=(1 << 40, 1 << 40)),), 64), "lies about its sizes"),
    "unknown tensor type": (build((), (tensor(kind=4),), 64), "unknown type 4"),
    "half a block": (build((), (tensor(shape=(48, 2), kind=8),), 512), "no multiple of"),
    "not aligned": (build((), (tensor(offset=4),), 512), "not aligned"),
    "double tensor": (build((), (tensor(), tensor(offset=128)), 512), "twice"),
    "overlap": (build((), (tensor(), tensor("b", offset=64)), 512), "overlaps"),
    "gap": (build((), (tensor(), tensor("b", offset=256)), 512), "gap"),
    "long name": (build((), (tensor("n" * 64),), 512), "claims 64 bytes"),
    "cut by one byte": (build((), (tensor(),), 127), "cut short by 1 bytes"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_refused_in_one_line_that_names_them(tmp_path: Path, case: str) -> None:
    content, message = BAD[case]
    with pytest.raises(ModelFileError) as caught:
        read(tmp_path, content)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'x.gguf'} ")
    assert "\n" not in str(caught.value)


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "m.gguf")
    read_header(path)
    for length in reversed(range(0, path.stat().st_size - 32, 7)):
        os.truncate(path, length)
        with pytest.raises(ModelFileError):
            read_header(path)


def test_what_is_no_plain_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, message in [
        (tmp_path, "is a folder"),
        (tmp_path / "none.gguf", "does not exist"),
        (tmp_path / "pipe", "not a plain file"),
    ]:
        with pytest.raises(ModelFileError, match=message):
            read_header(path)
