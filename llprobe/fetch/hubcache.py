"""What of the Hugging Face hub's models lies in its cache on this machine.

The newest cached revision is found by the cache's layout, without a connection and without the
slow import of the hub's client. This module downloads nothing.
"""

from __future__ import annotations

from pathlib import Path

from llprobe.catalog import CatalogFile, pick_files
from llprobe.errors import UsageError

__all__ = ["discard", "hub_cache", "local", "repo_folder"]


def hub_cache() -> Path:
    """Return the hub's cache folder, which HF_HOME or HF_HUB_CACHE chooses."""
    from huggingface_hub import constants  # noqa: PLC0415  # not needed for most commands

    return Path(constants.HF_HUB_CACHE)


def repo_folder(repo: str, kind: str = "models") -> Path:
    """Return where in the hub's cache the files of a repository of `models` or `datasets` lie."""
    return hub_cache() / f"{kind}--{repo.replace('/', '--')}"


def local(file: CatalogFile) -> tuple[Path, ...] | None:
    """Return the paths of a hub model's files if all of them are cached; no connection is made."""
    snapshot = _snapshot(file.repo) if file.repo else None
    return _in_snapshot(snapshot, file) if snapshot else None


def _snapshot(repo: str) -> Path | None:
    """Return the folder of the repository's newest cached revision, by the cache's layout."""
    folder = repo_folder(repo)
    try:
        commit = (folder / "refs" / "main").read_text("ascii").strip()
    except FileNotFoundError:
        return None
    return folder / "snapshots" / commit


def _in_snapshot(snapshot: Path, file: CatalogFile) -> tuple[Path, ...] | None:
    """Return what of the cached revision is meant, None where it is not, or not wholly, there."""
    here = {str(p.relative_to(snapshot)) for p in snapshot.rglob("*.gguf") if p.is_file()}
    try:
        names = file.files or pick_files(here, file.quant, f"the cache of hf:{file.repo}")
    except UsageError:
        return None  # none or several: the hub's own listing decides, and says what there is
    return tuple(snapshot / name for name in names) if here.issuperset(names) else None


def discard(file: CatalogFile) -> int:
    """Delete a hub model from the hub's cache by huggingface_hub's own means.

    Returns the bytes freed. A blob that another file in the cache shares stays.
    """
    from huggingface_hub import scan_cache_dir  # noqa: PLC0415  # slow to import

    names = {str(path) for path in local(file) or ()}
    cached = scan_cache_dir()
    found = [
        entry
        for repo in cached.repos
        for revision in repo.revisions
        for entry in revision.files
        if str(entry.file_path) in names
    ]
    strategy = cached.delete_files(*found)
    strategy.execute()
    return strategy.expected_freed_size
