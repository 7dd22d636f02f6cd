"""The command line: one module per noun, all over the same core as any other front end.

`main` is the entry point. No module in here loads a model or imports the engine.
"""

import os
import signal
import threading
from typing import Any

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit with its code; Ctrl-C is heard while it is still imported."""
    hears = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    early = hears and threading.current_thread() is threading.main_thread()
    if early:
        signal.signal(signal.SIGINT, _leave)
    # products of small matrices: threads that wait for work would cost more than they do
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        from llprobe.cli.app import main as run  # noqa: PLC0415 - it takes half a second
    except OSError as error:  # so few files may be open that Python cannot read its modules
        os.write(2, f"error: llprobe cannot start: {error.strerror}\n".encode())
        os._exit(1)

    if early:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


def _leave(_signal: int, _frame: Any) -> None:
    """End at once: nothing is begun yet, and an exception would end in a traceback."""
    os.write(2, b"interrupted\n")
    os._exit(130)
