"""llama.cpp's process-wide state: its log, its build, its devices.

This module knows the process. It does not know models.
"""

from __future__ import annotations

import ctypes as ct
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import llama_cpp
from llama_cpp import llama_cpp as llama

from llprobe.engine import ggml

__all__ = ["build_info", "in_words", "listen", "log_lines", "on_abort", "start"]

_ERROR_LEVEL: Final = 4
_lines: deque[str] = deque([""], maxlen=60)
_listeners: list[Callable[[str], None]] = []
_started: list[object] = []  # what C holds pointers to, as below
_on_abort: list[object] = []


def _log(_level: int, text: bytes, _user: object) -> None:
    """Keep the newest lines; llama.cpp ends each with a newline, continuations excepted."""
    for part in text.decode(errors="replace").splitlines(keepends=True):
        _lines[-1] += part.rstrip("\n")
        if part.endswith("\n"):
            for listener in _listeners:
                listener(_lines[-1])
            _lines.append("")


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
