"""A child that ends with its parent, whatever either of them is in the middle of.

The parent keeps the other end of the child's stdin and writes nothing to it. The kernel closes that
end however the parent dies. Unlike PR_SET_PDEATHSIG, this outlives the parent's thread that started
the child, and works where there is no such call.

Run as ``python -m llprobe.lifeline MODULE ARGUMENT ...`` it gives any Python program a lifeline.
"""

from __future__ import annotations

import fcntl
import os
import runpy
import signal
import sys
import threading

__all__ = ["end_with_parent"]


def end_with_parent() -> None:
    """End this process at once when the other end of stdin is closed.

    Where the kernel tells of it by a signal that ends a process (Linux), that is also in the middle
    of a call that keeps Python's lock; elsewhere a thread ends the process.
    """
    if sys.platform == "linux":
        signal.signal(signal.SIGIO, signal.SIG_DFL)
        fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)
    threading.Thread(target=_wait, daemon=True).start()


def _wait() -> None:
    # a signal that came to this thread would not wake the one that is to hear it
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - {signal.SIGIO})
    # not by sys.stdin, whose lock would be held when Python ends
    while os.read(0, 1024):
        pass
    os._exit(0)


if __name__ == "__main__":
    end_with_parent()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
