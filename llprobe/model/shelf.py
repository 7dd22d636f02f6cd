"""The models that there are, and removing one; a user's own files are never touched.

This module does not know what is in a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from llprobe.catalog import (
    CatalogEntry,
    CatalogFile,
    Named,
    cache_dir,
    catalog,
    find_entry,
    ladder_files,
    named_file,
    parse_ref,
)
from llprobe.errors import UsageError
from llprobe.fetch import discard, local
from llprobe.model.info import Origin
from llprobe.model.lookup import candidates

__all__ = ["ListedModel", "Removed", "list_models", "remove"]


@dataclass(frozen=True)
class ListedModel:
    """One row of `llprobe models ls`."""

    name: str
    """What to type for it."""
    quant: str
    """As in the catalog, or as asked of `models quantize`."""
    origin: Origin
    """`catalog` or `quantized`."""
    downloaded: bool
    """Whether all its files are here."""
    size_bytes: int
    """On disk if it is here, else by the catalog."""
    path: Path | None
    """Its first file, if it is here."""
    entry: CatalogEntry | None
    """Its catalog entry; None for a quantised file of another model."""


@dataclass(frozen=True)
class Removed:
    """What `remove` deleted."""

    paths: tuple[Path, ...]
    """The files."""
    freed_bytes: int
    """What they took on disk."""


def list_models() -> list[ListedModel]:
    """Return the catalog's models, then the quantised files in llprobe's cache.

    Of a catalog model its default quant is listed, and those of its other quants that are here.
    """
    rows = [_row(entry, file, local(file)) for entry in catalog() for file in entry.quants]
    listed = [row for row in rows if row.downloaded or ":" not in row.name]
    return listed + [_ladder_row(*made) for made in ladder_files()]


def _row(entry: CatalogEntry, file: CatalogFile, paths: Sequence[Path] | None) -> ListedModel:
    name = entry.name if file is entry.quants[0] else f"{entry.name}:{file.quant}"
    size = file.size_bytes or file.approx_bytes or 0
    if paths:
        size = sum(path.stat().st_size for path in paths)
    first = paths[0] if paths else None
    return ListedModel(name, file.quant, "catalog", bool(paths), size, first, entry)


def _ladder_row(name: str, quant: str, path: Path) -> ListedModel:
    return ListedModel(
        name=f"{name}:{quant}",
        quant=quant,
        origin="quantized",
        downloaded=True,
        size_bytes=path.stat().st_size,
        path=path,
        entry=find_entry(name),
    )


def remove(ref: str) -> Removed:
    """Delete a model's files from llprobe's cache, or a hub model's from the hub's.

    Raises UsageError where they are not here or lie elsewhere: a user's own file is never
    deleted.
    """
    parsed = parse_ref(ref)
    if isinstance(parsed, Path):
        return _unlink((parsed,))
    made, source = candidates(parsed) if isinstance(parsed, Named) else (None, parsed)
    if made is not None:
        return _unlink((made,))
    source = source or (named_file(parsed) if isinstance(parsed, Named) else parsed)
    paths = local(source)
    if paths is None:
        raise UsageError(f"{ref} is not downloaded, there is nothing to remove")
    return _unlink(paths) if source.repo is None else Removed(paths, discard(source))


def _unlink(paths: tuple[Path, ...]) -> Removed:
    for path in paths:
        if not path.is_file():
            raise UsageError(f"{path} does not exist, there is nothing to remove")
        if not path.parent.resolve().is_relative_to(cache_dir().resolve()):
            raise UsageError(f"{path} is not llprobe's: it is outside {cache_dir()}; left alone")
    freed = sum(path.lstat().st_size for path in paths)
    for path in paths:
        path.unlink()
    return Removed(paths, freed)
