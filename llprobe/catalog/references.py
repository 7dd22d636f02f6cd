"""What a model reference means as text, and which of a repository's files it picks.

This module looks nothing up but the catalog's names: not on this disk, not on the hub.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from llprobe.catalog.entries import CatalogFile, catalog, find_entry
from llprobe.catalog.places import QUANT, ladder_files
from llprobe.errors import UnknownName, UsageError

__all__ = ["Named", "named_file", "parse_ref", "pick_files", "split_parts"]

_SPLIT: Final = re.compile(r"(?P<stem>.+)-(?P<no>\d{5})-of-(?P<count>\d{5})\.gguf", re.DOTALL)
_HUB: Final = re.compile(
    r"hf:(?P<repo>[\w.-]+/[\w.-]+)(?:/(?P<file>[^:]+\.gguf)|:(?P<quant>[A-Za-z0-9_]+))?", re.ASCII
)


@dataclass(frozen=True)
class Named:
    """A reference of the form `NAME` or `NAME:QUANT`."""

    name: str
    """As typed: a catalog name (in any case) or the name of a quantised ladder."""
    quant: str | None
    """In upper case, or None where none was typed."""


def parse_ref(ref: str) -> CatalogFile | Path | Named:
    """Return what the text of a model reference means; nothing is looked up.

    `hf:OWNER/REPO:QUANT`, `hf:OWNER/REPO/FILE.gguf` and `hf:OWNER/REPO` give a CatalogFile.
    What ends in `.gguf`, or holds a path separator, or begins with `~` or `.`, gives a Path.
    Anything else is `NAME` or `NAME:QUANT`. Raises UsageError on a malformed hub reference and
    on an empty one.
    """
    if ref.startswith("hf:"):
        return _hub_ref(ref)
    if not ref.strip():
        raise UsageError("the model's name is empty; 'llprobe models ls' shows the known ones")
    if ref.lower().endswith(".gguf") or ref[0] in "~." or "/" in ref or os.sep in ref:
        return Path(ref).expanduser()
    name, colon, quant = ref.rpartition(":")
    if colon and name and QUANT.fullmatch(quant):
        return Named(name, quant.upper())
    return Named(ref, None)


def _hub_ref(ref: str) -> CatalogFile:
    match = _HUB.fullmatch(ref)
    if match is None or ".." in ref:
        raise UsageError(
            f"{ref!r} is not a hub reference; write hf:OWNER/REPO:QUANT or hf:OWNER/REPO/FILE.gguf"
        )
    file, quant = match["file"], match["quant"]
    files = (split_parts(file) or (file,)) if file else ()
    return CatalogFile((quant or "").upper(), f"hf:{match['repo']}", files)


def named_file(named: Named) -> CatalogFile:
    """Return the catalog's file for a name; raises UnknownName, and UsageError for its quant."""
    entry = find_entry(named.name)
    if entry is None:
        names = [e.name for e in catalog()] + [
            f"{name}:{quant}" for name, quant, _ in ladder_files()
        ]
        full = f"{named.name}:{named.quant}" if named.quant else named.name
        raise UnknownName("model", full, names, "(or a path, or hf:OWNER/REPO:QUANT)")
    file = entry.file(named.quant)
    if file is None:
        raise UsageError(
            f"{entry.name} has no quant {named.quant}; the catalog has "
            f"{', '.join(f.quant for f in entry.quants)}; others: "
            f"llprobe models quantize {entry.name} --to {named.quant}"
        )
    return file


def split_parts(name: str) -> tuple[str, ...] | None:
    """Return the names of all parts of the split GGUF that `name` is a part of, in order.

    None where the name is not of the form `STEM-00001-of-00003.gguf`.
    """
    match = _SPLIT.fullmatch(name)
    count = int(match["count"]) if match else 0
    if match is None or not 1 <= int(match["no"]) <= count:
        return None
    return tuple(f"{match['stem']}-{no:05d}-of-{count:05d}.gguf" for no in range(1, count + 1))


def pick_files(names: Iterable[str], quant: str, where: str) -> tuple[str, ...]:
    """Return the one model among `names` (of a repository) whose name carries `quant`.

    Any case, but the whole label: Q4_K does not find Q4_K_M, nor F16 BF16. An empty `quant`
    picks the only model there is. All parts of a split model are returned, in order. Raises
    UsageError, listing what there is in `where`, unless exactly one model fits.
    """
    whole = re.compile(rf"(?<![a-z0-9]){re.escape(quant.lower())}(?![a-z0-9_])")
    models = _models(names)
    fit = [m for m in models if not quant or whole.search(m[0].rsplit("/", 1)[-1].lower())]
    if len(fit) == 1:
        return fit[0]
    listed = ", ".join(m[0] for m in fit or models) or "none"
    if fit:
        raise UsageError(
            f"{where} has several models{f' in {quant}' if quant else ''}, name a "
            f"{'file' if quant else 'quant or a file'} of it: {listed}"
        )
    raise UsageError(f"{where} has no model{f' in {quant}' if quant else ''}; its models: {listed}")


def _models(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Return the GGUF models among file names, split ones as one; a projector is not a model."""
    here = {name for name in names if name.lower().endswith(".gguf")}
    sets = {
        split_parts(name) or (name,)
        for name in here
        if not name.rsplit("/", 1)[-1].lower().startswith(("mmproj", "imatrix"))
    }
    return sorted(parts for parts in sets if here.issuperset(parts))
