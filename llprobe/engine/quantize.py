"""llama.cpp's own quantiser: one GGUF file into another type, with its progress.

It has no progress callback and cannot be cancelled, so it runs in a child process and its log,
which names each tensor as ``[ i/ n]``, is the progress. This module knows files and types. It
does not know where models are kept or what they are called.
"""

from __future__ import annotations

import ctypes as ct
import os
import queue
import re
import shutil
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Final

import psutil
from llama_cpp import llama_cpp as llama

from llprobe.engine import native
from llprobe.errors import FetchError, LlprobeError, ModelError, UsageError
from llprobe.model import ModelInfo, read_model

__all__ = ["QUANTS", "quantize"]

_STEP = re.compile(r"\[\s*(\d+)/\s*(\d+)\]")


def _quants() -> dict[str, int]:
    """Names of quant types, as files are called, by llama.cpp's number of them."""
    prefix = "LLAMA_FTYPE_MOSTLY_"
    names = {n.removeprefix(prefix): getattr(llama, n) for n in dir(llama) if n.startswith(prefix)}
    return {"F32": llama.LLAMA_FTYPE_ALL_F32} | names


QUANTS: Final = _quants()


def quantize(model: ModelInfo, quant: str, path: Path, n_threads: int) -> Iterator[tuple[int, int]]:
    """Write `model` as `quant` at `path`, atomically; yields (tensor at hand, of how many).

    Raises UsageError for an unknown type, ModelError where llama.cpp refuses.
    """
    if quant not in QUANTS:
        raise UsageError(f"no quant type {quant!r}; known: {', '.join(sorted(QUANTS))}")
    native.start()
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f"{path.name}.*.part"):
        if not psutil.pid_exists(int(left.name.split(".")[-2])):
            left.unlink(missing_ok=True)  # of a process that was killed
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    lines: queue.SimpleQueue[str | int] = queue.SimpleQueue()
    native.listen(lines.put)
    arguments = (str(model.paths[0]), str(partial), QUANTS[quant], n_threads)
    threading.Thread(target=lambda: lines.put(_quantize(*arguments)), daemon=True).start()
    try:
        status = yield from _follow(lines)
        if status != 0:
            raise _refusal(model, quant, path)
        read_model(partial)
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise FetchError(f"cannot write {path}: {error.strerror}") from error
    finally:
        native.listen(None)
        partial.unlink(missing_ok=True)


def _refusal(model: ModelInfo, quant: str, path: Path) -> LlprobeError:
    """Say why llama.cpp gave up; a stream that fails is, as far as it tells, a full disk."""
    lines = native.log_lines(6)
    if any("basic_ios" in line or "iostream error" in line for line in lines):
        free = shutil.disk_usage(path.parent).free / 1e6
        return FetchError(
            f"cannot write {path}: its disk is full or failing, {free:.0f} MB are free: make room"
        )
    return ModelError(f"llama.cpp could not make {quant} of {model.name}: {lines[-1]}")


def _quantize(source: str, target: str, ftype: int, n_threads: int) -> int:
    params = llama.llama_model_quantize_default_params()
    params.ftype, params.nthread, params.allow_requantize = ftype, n_threads, True
    return int(llama.llama_model_quantize(source.encode(), target.encode(), ct.byref(params)))


def _follow(lines: queue.SimpleQueue[str | int]) -> Generator[tuple[int, int], None, int]:
    """Yield the steps that the log tells of, and return llama.cpp's status."""
    while isinstance(line := lines.get(), str):
        step = _STEP.search(line)
        if step:
            yield int(step[1]), int(step[2])
    return line
