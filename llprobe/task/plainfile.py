"""What is read must be a plain file: a pipe would be waited for, a device has no end.

Whatever a stranger's task names, and whatever lies in its folder, is opened here.
"""

from __future__ import annotations

import os
import stat
from typing import BinaryIO, Final

from llprobe.errors import DataError, TaskError

__all__ = ["open_plain"]

_KINDS: Final = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def open_plain(path: str, error: type[TaskError] = DataError) -> BinaryIO:
    """Open a plain file to read its bytes; `error` where it is none, or cannot be opened."""
    try:
        # so that opening a pipe waits for nobody; reading a plain file is the same with and without
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except (OSError, ValueError) as problem:
        said = getattr(problem, "strerror", None) or problem
        raise error(f"{path}: cannot be read ({said})") from problem
    mode = os.fstat(number).st_mode
    if not stat.S_ISREG(mode):
        os.close(number)
        kind = next((name for test, name in _KINDS if test(mode)), "something else")
        raise error(f"{path}: cannot be read (it is {kind}; name a plain file)")
    return os.fdopen(number, "rb")
