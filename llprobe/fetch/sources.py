"""Which source a model's files come from; each source's ways are its own module's."""

from __future__ import annotations

from pathlib import Path

from llprobe.catalog import CatalogFile, Named, named_file, parse_ref
from llprobe.errors import UsageError
from llprobe.fetch import hub, hubcache, pypi
from llprobe.fetch.progress import Progress, silent

__all__ = ["fetch", "local"]


def fetch(wanted: str | CatalogFile, progress: Progress | None = None) -> tuple[Path, ...]:
    """Return the paths of a model's files, all parts in order, downloading what is not here.

    `wanted`: a catalog file, or a reference as `llprobe.catalog.parse_ref` takes it. Raises
    UsageError or UnknownName where it names nothing that could be fetched, FetchError where the
    download did not come to its end.
    """
    file = _wanted(wanted) if isinstance(wanted, str) else wanted
    report = progress or silent
    return pypi.fetch(file, report) if file.repo is None else hub.fetch(file, file.repo, report)


def local(file: CatalogFile) -> tuple[Path, ...] | None:
    """Return the paths of a model's files if all of them are here; no connection is made."""
    return pypi.local(file) if file.repo is None else hubcache.local(file)


def _wanted(ref: str) -> CatalogFile:
    parsed = parse_ref(ref)
    if isinstance(parsed, Path):
        raise UsageError(f"{ref} is a path, there is nothing to fetch")
    return named_file(parsed) if isinstance(parsed, Named) else parsed
