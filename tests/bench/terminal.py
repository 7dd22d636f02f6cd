"""A program in a terminal of its own, as a person has it: keys go in, painted frames come out.

This module knows pseudo-terminals and the few sequences of bytes that end a frame. It does not know
the program.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["Ended", "Terminal", "opened"]

_ASKS_FOR_SYNC: Final = b"\x1b[?2026$p"
_HAS_SYNC: Final = b"\x1b[?2026;2$y"
_FRAME_ENDS: Final = b"\x1b[?2026l"
_SEQUENCE: Final = re.compile(rb"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[()].|[ -~])")
_MIB: Final = 2**20


@dataclass(frozen=True)
class Ended:
    """What a program took."""

    peak_mib: float
    """Its largest resident memory, that of its children left out."""
    read_mib: float
    """What it had to read from the disk; NaN where the system does not say."""


class Terminal:
    """A terminal that tells the program that it paints whole frames, and takes them one by one."""

    def __init__(self, fd: int, pid: int) -> None:
        self._fd, self.pid = fd, pid
        self._got = b""
        self._seen = ""
        self.groups: tuple[str, ...] = ()
        self._since = time.perf_counter()

    def press(self, keys: str) -> None:
        """Type, and start the clock. Frames that were painted before are forgotten."""
        while select.select([self._fd], [], [], 0)[0]:
            self._read()
        self._got = b""
        self._since = time.perf_counter()
        os.write(self._fd, keys.encode())

    def shows(self, pattern: str, patience: float = 60.0) -> float:
        """Return the seconds from the last key to the end of the frame that holds a pattern.

        Of a frame the text counts, without colours and moves of the cursor; `groups` holds what
        the pattern's groups found. Raises TimeoutError where there is none within `patience`
        seconds.
        """
        wanted = re.compile(pattern)
        while time.perf_counter() - self._since < patience:
            arrived = time.perf_counter()
            while _FRAME_ENDS in self._got:
                frame, _, self._got = self._got.partition(_FRAME_ENDS)
                self._seen = _text(frame)
                if match := wanted.search(self._seen):
                    self.groups = match.groups()
                    return arrived - self._since
            if select.select([self._fd], [], [], patience)[0]:
                self._read()
        raise TimeoutError(f"no frame holds {pattern!r}; the last was {self._seen[-2000:]!r}")

    def _read(self) -> None:
        got = os.read(self._fd, 65536)
        if _ASKS_FOR_SYNC in got:
            os.write(self._fd, _HAS_SYNC)
        self._got += got


def _text(frame: bytes) -> str:
    return _SEQUENCE.sub(b" ", frame).decode(errors="replace")


@contextmanager
def opened(
    words: Sequence[str], env: Mapping[str, str], columns: int = 140, rows: int = 40
) -> Iterator[tuple[Terminal, list[Ended]]]:
    """Start a program in a terminal; the clock runs from here. `q` is typed at the end.

    The list holds what it took, when the block has been left.
    """
    own, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    plain = {k: v for k, v in env.items() if k not in {"NO_COLOR", "COLUMNS", "LINES"}}
    more = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
    terminal = Terminal(own, 0)
    process = subprocess.Popen(
        words, stdin=its, stdout=its, stderr=its, env=plain | more, start_new_session=True
    )
    terminal.pid = process.pid
    os.close(its)
    ended: list[Ended] = []
    try:
        yield terminal, ended
        read = _read_mib(process.pid)
        terminal.press("q")
        _drain(own)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        ended.append(Ended(used.ru_maxrss / (1024 if sys.platform != "darwin" else _MIB), read))
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
            process.wait()
        os.close(own)


def _drain(fd: int) -> None:
    """Read until the program has let go of the terminal."""
    try:
        while os.read(fd, 65536):
            pass
    except OSError:  # Linux's way of saying so
        return


def _read_mib(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/io").read_text("ascii").splitlines()
    except OSError:
        return float("nan")
    return int(dict(line.split(": ") for line in lines)["read_bytes"]) / _MIB
