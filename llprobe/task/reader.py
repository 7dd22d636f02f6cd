"""The child process in which bounded.py has strangers' files read: one call after the other.

Run as ``python -m llprobe.task.reader FD``, a lifeline on stdin; the other end of FD sends calls
and gets results. The limits on time and memory are the system's, where it has such.
"""

from __future__ import annotations

import os
import resource
import sys
import time
import traceback
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Final

from llprobe.errors import LlprobeError
from llprobe.lifeline import end_with_parent
from llprobe.settings import ReadingLimits
from llprobe.task.bounded import Call, Raised, stay_here

__all__ = ["main"]

_WAIT: Final = 60.0
"""Seconds without a call after which the process ends."""
_NO_MEMORY: Final = Raised(MemoryError())


def main(fd: int) -> None:
    """Carry out what comes from the pipe `fd`, until it is closed or nothing comes any more."""
    end_with_parent()
    stay_here()
    _limit(resource.RLIMIT_CORE, 0)
    with Connection(fd) as pipe, suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while pipe.poll(_WAIT):
            call: Call = pipe.recv()
            _bind(call.limits)
            _move(call)
            _serve(call, pipe)


def _bind(limits: ReadingLimits) -> None:
    """Set this process's limits for one call."""
    _limit(resource.RLIMIT_CPU, int(time.process_time() + limits.seconds) + 1)
    # unlike RLIMIT_AS, this counts no address space that is only reserved
    _limit(resource.RLIMIT_DATA, int(limits.megabytes * 1e6))


def _limit(which: int, most: int) -> None:
    hard = resource.getrlimit(which)[1]
    resource.setrlimit(which, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _move(call: Call) -> None:
    """Take over the caller's environment and working directory."""
    if dict(os.environ) != call.environ:
        os.environ.clear()
        os.environ.update(call.environ)
    with suppress(OSError):  # it cannot be reached by its name, or is gone: then for the caller too
        if call.folder:
            os.chdir(call.folder)


def _serve(call: Call, pipe: Connection) -> None:
    """Send what a call gives, or what it raises."""
    try:
        # it is pickled as a whole before a byte is written, so that a failure can be sent, too
        pipe.send(call.function(*call.args, **call.kwargs))
    except (BrokenPipeError, ConnectionResetError):
        raise
    except MemoryError:
        answer = _NO_MEMORY
    except LlprobeError as error:
        answer = Raised(error)
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent raises it
        error.add_note(traceback.format_exc())
        answer = Raised(error)
    else:
        return
    # not before the traceback is gone, which holds what filled the memory
    pipe.send(answer)


if __name__ == "__main__":
    main(int(sys.argv[1]))
