"""Errors that nobody foresaw: written down whole, said in one line. It knows no screen."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime
from pathlib import Path

from llprobe.files import append_private

__all__ = ["unexpected"]


def unexpected(error: BaseException, logs: Path) -> str:
    """Write an error's traceback to a log in the folder `logs`; return a line that says so."""
    log = logs / "tui-errors.log"
    said = f"llprobe did not expect this: {type(error).__name__}: {error}"
    now = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        with append_private(log) as file:
            file.write(f"{now}\n{''.join(traceback.format_exception(error))}\n")
    except OSError as problem:
        return f"{said}; it could not be written to {log} ({problem.strerror})"
    return f"{said}; {log} says where, please report it"
