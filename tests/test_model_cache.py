"""Which models are here, and what is removed from the cache."""

from __future__ import annotations

from pathlib import Path

import pytest
from modelcache import own_cache, put_default, put_hub, put_ladder
from smallgguf import write_gguf

from llprobe.catalog import cache_dir, catalog
from llprobe.errors import UnknownName, UsageError
from llprobe.model import list_models, remove, resolve


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return own_cache(tmp_path, monkeypatch)


def test_models_are_listed(cache: Path, tmp_path: Path) -> None:
    assert [row.name for row in list_models()] == [entry.name for entry in catalog()]
    assert not any(row.downloaded or row.path for row in list_models())
    path = put_default()
    hub = put_hub(tmp_path, "TheBloke/Llama-2-7B-GGUF", "llama-2-7b.Q8_0.gguf")
    made = put_ladder(cache, "smollm2-135m", "Q2_K")
    (made.parent / "smollm2-135m.Q3_K.gguf.part").touch()  # as a quantiser at work leaves it
    here = {row.name: row for row in list_models() if row.downloaded}
    assert {name: row.path for name, row in here.items()} == {
        "smollm2-135m": path,
        "llama2-7b:Q8_0": hub,
        "smollm2-135m:Q2_K": made,
    }
    assert here["smollm2-135m:Q2_K"].size_bytes == made.stat().st_size
    assert [here[name].origin for name in sorted(here)] == ["catalog", "catalog", "quantized"]
    assert all(resolve(name).paths[0] == row.path for name, row in here.items())


def test_remove_deletes_from_the_cache_only(cache: Path, tmp_path: Path) -> None:
    default, made = put_default(), put_ladder(cache, "smollm2-135m", "Q2_K")
    foreign = write_gguf(tmp_path / "mine.gguf")
    (cache / "link").symlink_to(tmp_path)
    for ref in (str(foreign), str(cache / "link" / "mine.gguf"), str(cache / ".." / "mine.gguf")):
        with pytest.raises(UsageError, match="left alone"):
            remove(ref)
    assert foreign.exists()
    size = made.stat().st_size
    removed = remove("smollm2-135m:q2_k")
    assert (removed.paths, removed.freed_bytes) == ((made,), size)
    assert default.exists()
    assert remove("smollm2-135m").paths == (default,)
    assert not default.exists()
    for ref in ("smollm2-135m", "smollm2-135m:Q2_K", str(cache / "none.gguf")):
        with pytest.raises(UsageError, match="nothing to remove"):
            remove(ref)
    with pytest.raises(UnknownName):
        remove("nothing")


def test_a_link_in_the_cache_goes_and_its_target_stays(cache: Path, tmp_path: Path) -> None:
    foreign = write_gguf(tmp_path / "mine.gguf")
    link = cache / "quants" / "a" / "a.Q8_0.gguf"
    link.parent.mkdir(parents=True)
    link.symlink_to(foreign)
    remove("a:Q8_0")
    assert foreign.exists()
    assert not link.is_symlink()


def test_cache_dir(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LLPROBE_CACHE", str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.delenv("LLPROBE_CACHE")
    assert cache_dir().name == "llprobe"
