"""Which model a reference stands for.

A reference is looked up in this order; nothing is ever guessed:

1. `hf:OWNER/REPO:QUANT`, `hf:OWNER/REPO/FILE.gguf`: a model on the Hugging Face hub.
2. What ends in `.gguf`, holds a path separator, or begins with `.` or `~`: a path. Any part of
   a split model names the whole; `PATH.gguf:QUANT` is what `models quantize PATH` made of it.
3. `NAME`, `NAME:QUANT`: the catalog's, or a quantised file in llprobe's cache. Where both a
   quantised file and a downloaded one answer to a name, that is an error which lists them.
4. A file of exactly that name in the working folder, if no model is called so.

This module does not know what a file holds (`read`), nor how one is downloaded.
"""

from __future__ import annotations

import re
from pathlib import Path

from llprobe.catalog import (
    CatalogFile,
    Named,
    find_entry,
    ladder_files,
    ladder_path,
    named_file,
    parse_ref,
)
from llprobe.errors import UsageError
from llprobe.fetch import Progress, local
from llprobe.fetch import fetch as bring
from llprobe.model.info import ModelInfo, Origin
from llprobe.model.read import read_as, read_model, stem

__all__ = ["candidates", "quant_path", "resolve"]


def resolve(ref: str | Path, *, fetch: bool = False, progress: Progress | None = None) -> ModelInfo:
    """Return the model that `ref` stands for, by the order in this module's docstring.

    With `fetch` a model that is not here is downloaded, reporting to `progress`. Raises
    UnknownName, UsageError (not downloaded: with the command that does it; or ambiguous),
    FetchError, and what `read_model` raises.
    """
    parsed = ref if isinstance(ref, Path) else parse_ref(ref)
    if isinstance(parsed, Path):
        return _at_path(parsed)
    if isinstance(parsed, CatalogFile):
        name = parsed.source + (f":{parsed.quant}" if parsed.quant else "")
        name = f"{name}/{parsed.files[0]}" if parsed.files else name
        return _from_source(parsed, name, "hub", fetch=fetch, progress=progress)
    made, source = candidates(parsed)
    if made is not None:
        return read_as(made, f"{made.parent.name}:{parsed.quant}", "quantized")
    if source is None and Path(str(ref)).is_file():
        return _at_path(Path(str(ref)))
    name = _canonical(parsed)
    source = source or named_file(parsed)
    return _from_source(source, name, "catalog", fetch=fetch, progress=progress)


def candidates(named: Named) -> tuple[Path | None, CatalogFile | None]:
    """Return the quantised file and the catalog's file of a name; both only if one is not here."""
    entry = find_entry(named.name)
    source = entry.file(named.quant) if entry else None
    name = entry.name if entry else named.name
    made = next((p for n, q, p in ladder_files() if (n, q) == (name, named.quant)), None)
    here = local(source) if source else None
    if made and here:
        raise UsageError(
            f"{name}:{named.quant} is both {made} (quantised here) and {here[0]} (downloaded); "
            "name one of them by its path"
        )
    return made, source


def _canonical(named: Named) -> str:
    entry = find_entry(named.name)
    if entry is None or named.quant in {None, entry.quants[0].quant}:
        return named.name.lower()
    return f"{entry.name}:{named.quant}"


def _from_source(
    file: CatalogFile, name: str, origin: Origin, *, fetch: bool, progress: Progress | None
) -> ModelInfo:
    paths = local(file) or (bring(file, progress) if fetch else None)
    if paths is None:
        base, colon, quant = name.rpartition(":")
        make = f", or make it with: llprobe models quantize {base} --to {quant}"
        raise UsageError(
            f"{name} is not downloaded; get it with: llprobe models pull {name}"
            f"{make if colon and origin == 'catalog' else ''}"
        )
    return read_as(paths[0], name, origin)


def _at_path(path: Path) -> ModelInfo:
    match = re.fullmatch(r"(?P<base>.+\.gguf):(?P<quant>\w+)", str(path), re.IGNORECASE)
    if match is None or path.exists():
        return read_model(path)
    made = quant_path(read_model(match["base"]), match["quant"])
    if not made.exists():
        raise UsageError(
            f"{path} is not made yet; make it with: "
            f"llprobe models quantize {match['base']} --to {match['quant'].upper()}"
        )
    return read_as(made, f"{made.parent.name}:{match['quant'].upper()}", "quantized")


def quant_path(base: ModelInfo | str | Path, quant: str) -> Path:
    """Return where a file made of `base` by quantising it to `quant` belongs; nothing is made.

    It is then known as `NAME:QUANT`. NAME is the catalog's for a catalog model in its default
    quant; otherwise the file's stem and the first 8 digits of its fingerprint, so that two files
    of the same name, or two sources of different precision, never share one. Raises UsageError
    where `base` has that quant already, and what `resolve` raises.
    """
    info = base if isinstance(base, ModelInfo) else resolve(base)
    if info.quant == quant.upper():
        raise UsageError(f"{info.name} is {info.quant} already")
    if info.origin == "catalog" and ":" not in info.name:
        return ladder_path(info.name, quant)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", stem(info.paths[0])).lstrip(".-") or "model"
    return ladder_path(f"{name}-{info.fingerprint[:8]}", quant)
