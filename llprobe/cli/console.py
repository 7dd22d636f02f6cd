"""The command line's two streams: the one border where texts leave for a terminal or a pipe.

Data go to stdout, everything else to stderr. Whatever is printed passes `printable`; a stream that
is closed, full or of another encoding is a line in words, never a traceback.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterable
from typing import Final

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from llprobe.errors import RunError, UsageError
from llprobe.printable import one_line, printable

__all__ = [
    "PrintableConsole",
    "complain",
    "confirm",
    "err",
    "flush_stdout",
    "is_unicode",
    "open_streams",
    "to_stdout",
]

_STREAMS: Final = ("stdin", "stdout", "stderr")
_closed = set[str]()
"""Streams that the caller had closed."""


class PrintableConsole(Console):
    """A console that prints no character that a terminal obeys, but for its own colours."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Return the segments of what is to be printed."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(printable(segment.text), segment.style)


err = PrintableConsole(stderr=True, highlight=False, soft_wrap=True)


def complain(message: str) -> None:
    """Print the one line of an error."""
    err.print(Text.assemble(("error:", "bold red"), " ", one_line(message, 493)))


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something is deleted; UsageError for a no, or where nobody can be asked."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{question} there is no terminal to ask at: say -y if you mean it")
    err.print(Text(f"{question} [y/N] "), end="")
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise UsageError("nothing was deleted")


def open_streams() -> None:
    """See that all three streams are there and take any character.

    Where the caller closed one, the next file that is opened would get its number, and what a C
    library prints would be written into it.
    """
    for number, name in enumerate(_STREAMS):
        try:
            os.fstat(number)
        except OSError:
            _closed.add(name)
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
            if getattr(sys, name) is None:
                setattr(sys, name, open(number, "r" if name == "stdin" else "w", closefd=False))  # noqa: SIM115 - it is open, and stays so
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def is_unicode() -> bool:
    """Whether stdout takes any character."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return encoding.lower().replace("-", "").startswith("utf")


def to_stdout(parts: Iterable[str]) -> None:
    """Print `parts` now: what follows on stderr must follow on the screen too.

    Raises RunError where stdout cannot be written.
    """
    if "stdout" in _closed:
        raise RunError("stdout is closed: nothing was printed; -o FILE writes to a file")
    try:
        for part in parts:
            sys.stdout.write(part)
    except OSError as error:
        _give_up(error)
    flush_stdout()


def flush_stdout() -> None:
    """Write what waits in stdout's buffer; RunError where that cannot be done."""
    try:
        sys.stdout.flush()
    except OSError as error:
        _give_up(error)


def _give_up(error: OSError) -> None:
    """Let what is left in stdout's buffer go nowhere; RunError, but where the reader has enough."""
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - no path
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
    if error.errno != errno.EPIPE:
        raise RunError(f"cannot write to stdout: {error.strerror}") from error
