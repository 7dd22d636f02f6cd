"""A cursor over one file that hands out only bytes the file has.

No allocation depends on a count that was not held against the bytes left. This module knows
GGUF's integers and strings, not what they mean nor in which order they come.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from llprobe.errors import ModelFileError

__all__ = ["Cursor", "brief"]

_WINDOW: Final = 1 << 20
_SHOWN: Final = 80  # characters of a text that errors quote
_U32: Final = struct.Struct("<I")
_U64: Final = struct.Struct("<Q")


def brief(text: str) -> str:
    """Return a text that a file says of itself, cut to what one line of an error has room for."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


class Cursor:
    """Where reading stands in an open file; errors name the file and what was wanted of it."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path, self.file = path, file
        self.size = path.stat().st_size
        self._window = b""
        self._start = 0  # where in the file the window begins
        self._at = 0  # the cursor, in the window

    @property
    def position(self) -> int:
        """Return how many bytes lie before the cursor."""
        return self._start + self._at

    @property
    def left(self) -> int:
        """Return the number of bytes after the cursor."""
        return self.size - self.position

    def fail(self, text: str) -> ModelFileError:
        """Return (not raise) the error, so that a `raise` stands where it happens."""
        line = "".join(c if c.isprintable() else "?" for c in text)
        return ModelFileError(f"{self.path} {line}")

    def skip(self, step: int, window: int = _WINDOW) -> None:
        """Put the cursor `step` bytes on and read a new window there."""
        self._start, self._at = self.position + step, 0
        self.file.seek(self._start)
        self._window = self.file.read(window)

    def peek(self, count: int) -> bytes:
        """Return the next `count` bytes, or what is left, and stay before them."""
        count = min(count, self.left)
        start = self.take(count, "the start")
        self._at -= count
        return start

    def take(self, count: int, what: str) -> bytes:
        """Return the next `count` bytes."""
        self._need(count, what)
        self._at += count
        return self._window[self._at - count : self._at]

    def _need(self, count: int, what: str) -> None:
        """Make the next `count` bytes lie in the window."""
        short = count - self.left
        if short > 0:
            raise self.fail(f"is cut short: {what} wants {short:,} bytes more than the file has")
        if self._at + count > len(self._window):
            self.skip(0, max(count, _WINDOW))
        if self._at + count > len(self._window):
            raise self.fail("was cut short while it was read")

    def u32(self, what: str) -> int:
        """Return an unsigned integer of 4 bytes."""
        return int(_U32.unpack(self.take(4, what))[0])

    def u64(self, what: str) -> int:
        """Return an unsigned integer of 8 bytes."""
        return int(_U64.unpack(self.take(8, what))[0])

    def text(self, what: str, limit: int, *, strict: bool = True) -> str:
        """Return a string of at most `limit` bytes; what is no UTF-8 is replaced if not strict."""
        size = self.u64(what)
        if size > self.left:
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
        count = self.u64(f"the number of {what}")
        if count * least > self.left:
            raise self.fail(
                f"is cut short or lies: {count:,} {what} do not fit in {self.left:,} bytes"
            )
        return count

    def jump(self, position: int) -> None:
        """Put the cursor `position` bytes after the file's start."""
        self.skip(position - self.position)

    def texts(self, length: int, what: str) -> Iterator[bytes]:
        """Return `length` strings as they stand in the file, one after another."""
        unpack = _U64.unpack_from
        while length:
            self._need(8, what)
            self._need(8 + unpack(self._window, self._at)[0], what)
            window, end = self._window, self._at
            while length and end + 8 <= len(window):
                start = end + 8
                last = start + unpack(window, end)[0]
                if last > len(window):
                    break
                yield window[start:last]
                end, length = last, length - 1
            self._at = end

    def skip_texts(self, length: int, what: str) -> None:
        """Step over `length` strings; a tight loop, for vocabularies have 128,000 and more."""
        unpack = _U64.unpack_from
        while length:
            self._need(8, what)
            window, at, last = self._window, self._at, len(self._window) - 8
            while length and at <= last:
                at += 8 + unpack(window, at)[0]
                length -= 1
            if self._start + at > self.size:
                raise self.fail(f"is cut short or lies: a string of {what} ends after the file")
            self._at = at
            if at > len(window):
                self.skip(0)
