"""Quants that a sweep made for itself and deletes when everything on them is done.

A note beside the quant's place says that it was made so, and what it was. It outlives the file, so
that what is scored on the quant is found again without making it. A file that the note does not
describe was put there by somebody else, and is never deleted. This module knows files and notes. It
does not know when a quant is done with.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from llprobe.errors import FetchError
from llprobe.machine import versions
from llprobe.model import ModelInfo, quant_path, read_model

__all__ = ["delete_temporary", "note_temporary", "remembered"]


def note_temporary(path: Path) -> None:
    """Note that the quant at `path` was made to be deleted."""
    info = read_model(path)
    note = {
        "fingerprint": info.fingerprint,
        "bits_per_weight": info.bits_per_weight,
        "block_bits_per_weight": info.block_bits_per_weight,
        "file": _identity(path),
        "llama_cpp": versions()["llama-cpp-python"],
    }
    try:
        _note_of(path).write_text(json.dumps(note), encoding="utf-8")
    except OSError as error:
        raise FetchError(f"cannot write {_note_of(path)}: {error.strerror}") from error


def delete_temporary(path: Path) -> bool:
    """Delete a quant that was made to be deleted; False where it was not, or is gone."""
    if not path.exists() or _read(path).get("file") != _identity(path):
        return False
    path.unlink()
    return True


def remembered(source: ModelInfo, quant: str) -> ModelInfo | None:
    """Return a quant that was made by today's llama.cpp and deleted; None for any other."""
    path = quant_path(source, quant)
    note = _read(path)
    if note.get("llama_cpp") != versions()["llama-cpp-python"]:
        return None
    return replace(
        source,
        name=f"{path.parent.name}:{quant}",
        origin="quantized",
        paths=(path,),
        quant=quant,
        file_bytes=note["file"][0],
        fingerprint=note["fingerprint"],
        bits_per_weight=note["bits_per_weight"],
        block_bits_per_weight=note["block_bits_per_weight"],
    )


def _note_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.temporary")


def _read(path: Path) -> dict[str, Any]:
    """Return the note of a quant; an empty one where there is none that can be read."""
    try:
        found = json.loads(_note_of(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _identity(path: Path) -> list[int]:
    """Return what tells a file from another one in its place: bytes, and when it was written."""
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns]
