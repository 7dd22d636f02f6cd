"""What the tests of model names share: a cache of a test's own, and the files that lie in one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from smallgguf import write_gguf

from llprobe.catalog import catalog


def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a cache of the test's own, with a hub cache and an empty working folder beside it."""
    monkeypatch.setenv("LLPROBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "cache"


def put_default() -> Path:
    """Put a tiny model where the default's file belongs, with a hole to the size of that."""
    file = catalog()[0].quants[0]
    file.cache_path.parent.mkdir(parents=True)
    write_gguf(file.cache_path)
    assert file.size_bytes is not None
    os.truncate(file.cache_path, file.size_bytes)
    return file.cache_path


def put_ladder(cache: Path, name: str, quant: str) -> Path:
    """Put a tiny model where a quantised file of that name belongs."""
    path = cache / "quants" / name / f"{name}.{quant}.gguf"
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_gguf(path)


def put_hub(tmp_path: Path, repo: str, name: str) -> Path:
    """Lay a file into a hub cache as huggingface_hub does: a blob, a link to it, and a ref."""
    root = tmp_path / "hub" / f"models--{repo.replace('/', '--')}"
    for folder in ("blobs", "refs", "snapshots/abc"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    write_gguf(root / "blobs" / name.lower())
    (root / "refs" / "main").write_text("abc")
    link = root / "snapshots" / "abc" / name
    link.symlink_to(f"../../blobs/{name.lower()}")
    return link
