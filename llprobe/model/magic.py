"""Tell a GGUF file by its first bytes from what is mistaken for one.

This module knows the magic number and the version, nothing of what follows them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from llprobe.errors import ModelFileError
from llprobe.model.cursor import Cursor

__all__ = ["check_kind", "read_version"]

_MAGIC: Final = b"GGUF"
_VERSIONS: Final = (2, 3)
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
    (lambda _: True, "something else"),
)


def check_kind(path: Path) -> None:
    """Refuse what is not a plain file; opening a pipe would wait for ever."""
    if path.is_dir():
        raise ModelFileError(f"{path} is a folder; name the .gguf file in it")
    if not path.exists():
        raise ModelFileError(f"{path} does not exist")
    if not path.is_file():
        raise ModelFileError(f"{path} is not a plain file")


def read_version(cursor: Cursor) -> int:
    """Return the version of GGUF, or refuse; the cursor stands at the file's start."""
    if cursor.size == 0:
        raise cursor.fail("is empty")
    start = cursor.peek(24)
    if not start.startswith(_MAGIC[: len(start)]):
        kind = next(text for test, text in _LOOKS_LIKE if test(start))
        raise cursor.fail(f"is not GGUF: it looks like {kind}")
    cursor.take(4, "the start")
    version = cursor.u32("the header")
    if version in _VERSIONS:
        return version
    if version & 0xFFFF == 0 and version >> 24:
        raise cursor.fail("is a big-endian GGUF; get or convert the little-endian one")
    raise cursor.fail(f"is GGUF version {version}; versions 2 and 3 can be read")
