"""llama.cpp's process-wide state: its log, its build, its devices.

This module knows the process. It does not know models.
"""

from __future__ import annotations

import ctypes as ct
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import llama_cpp
from llama_cpp import llama_cpp as llama

from llprobe.engine import ggml

__all__ = [
    "build_info",
    "in_words",
    "listen",
    "log_lines",
    "on_abort",
    "quality_warnings",
    "start",
]

_WARNING: Final = 3
_GOES_ON: Final = 5
"""llama.cpp's levels of a warning, and of what goes on with the text before it."""
_QUALITY: Final = re.compile(
    r"quality|degraded|suboptimal|incorrect|inaccurate|regenerat|reconvert|missing", re.IGNORECASE
)
"""What llama.cpp writes of where a model's results may suffer; most of its warnings are not."""
_lines: deque[str] = deque([""], maxlen=60)
_listeners: list[Callable[[str], None]] = []
_warnings: list[list[str]] = []
_level = [0]
_started: list[object] = []  # what C holds pointers to, as below
_on_abort: list[object] = []


def _log(level: int, text: bytes, _user: object) -> None:
    """Keep the newest lines; llama.cpp ends each with a newline, continuations excepted."""
    if level != _GOES_ON:
        _level[0] = level
    for part in text.decode(errors="replace").splitlines(keepends=True):
        _lines[-1] += part.rstrip("\n")
        if part.endswith("\n"):
            if _level[0] == _WARNING and _QUALITY.search(_lines[-1]):
                for warnings in _warnings:
                    warnings.append(_lines[-1])
            for listener in _listeners:
                listener(_lines[-1])
            _lines.append("")


@contextmanager
def quality_warnings() -> Iterator[list[str]]:
    """Collect what llama.cpp warns of meanwhile that results may suffer of, a line each."""
    collected: list[str] = []
    _warnings.append(collected)
    try:
        yield collected
    finally:
        _warnings.remove(collected)
        # llama.cpp begins each with the name of its function
        collected[:] = dict.fromkeys(line.partition(": ")[2].strip() or line for line in collected)


def listen(listener: Callable[[str], None] | None) -> None:
    """Hand every finished log line to `listener` as well, None = to nobody."""
    _listeners[:] = [listener] if listener else []


def start() -> None:
    """Initialise llama.cpp once, with its log kept in memory instead of printed."""
    if not _started:
        # llama-cpp-python installs a printing log callback when imported; this one replaces it
        callback = llama.llama_log_callback(_log)
        _started.append(callback)
        llama.llama_log_set(callback, ct.c_void_p(0))
        llama.llama_backend_init()


# typedef void (*ggml_abort_callback_t)(const char * error_message);
_ABORT: Final = ct.CFUNCTYPE(None, ct.c_char_p)


def on_abort(listener: Callable[[str], None]) -> None:
    """Have ggml's last words said to `listener`, in whichever thread, instead of to stderr.

    When it returns the process is ended.
    """
    callback = _ABORT(lambda text: listener(text.decode(errors="replace")))
    _on_abort[:] = [callback]
    ggml.lib.ggml_set_abort_callback(ct.cast(callback, ct.c_void_p))


def log_lines(n: int = 8) -> list[str]:
    """Return the last `n` lines that llama.cpp logged."""
    return [line for line in _lines if line.strip()][-n:]


def in_words(places: Sequence[str]) -> str:
    """Name where layers lie, `place_of`'s names, with what this machine knows of each."""
    known = {device.name: _called(device) for device in ggml.devices()}
    return " and ".join(known.get(place, place) for place in places)


def _called(device: ggml.Device) -> str:
    return f"{device.name} ({device.description.strip()})"


def build_info() -> dict[str, str]:
    """Versions and flags that decide numbers: llama-cpp-python, CPU features, devices."""
    start()
    devices = ", ".join(map(_called, ggml.devices()))
    return {
        "llama_cpp_python": llama_cpp.__version__,
        "system_info": (llama.llama_print_system_info() or b"").decode().strip(),
        "devices": devices,
        "rpc": "yes" if ggml.has_library("ggml-rpc") else "no",
    }
