"""A model on the machine that is to run it: found, fetched or made, and the very same bytes.

Workers of a machine share a cache: what lies there is taken at once, and one at a time fetches or
makes what does not. This module knows files. It does not know who asks.
"""

from __future__ import annotations

import fcntl
import glob
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, Final

from llprobe.catalog import cache_dir, ladder_path
from llprobe.children import Cancel, call, raise_failure
from llprobe.cluster.orders import Wanted
from llprobe.errors import FetchError, LlprobeError, ModelFileError, RunError, UsageError
from llprobe.events import Failed, QuantizeRequest
from llprobe.machine import performance_cores
from llprobe.model import ModelInfo, read_model, resolve

__all__ = ["Stop", "bring"]

Say = Callable[[str], None]
Stop = Callable[[], bool]
"""Whether the model is not wanted any more."""

_LOOK: Final = 0.2


def bring(wanted: Wanted, say: Say, stop: Stop) -> ModelInfo:
    """Return the model as it lies on this machine, under the name that it has everywhere.

    `say` is told of what takes long. Raises UsageError for a model that is neither here nor to be
    had, ModelFileError for other bytes of that name, RunError where it is not wanted any more, and
    what fetching and making raise.
    """
    _unless(stop)
    model = wanted.model
    if model.origin == "path":
        found = _own(model)
    elif model.origin == "quantized":
        found = _same(model, _quant(wanted, say, stop))
    else:
        found = _same(model, _fetched(model.name, say, stop))
    return replace(found, name=model.name, origin=model.origin)


def _same(model: ModelInfo, found: ModelInfo) -> ModelInfo:
    """Return what was found, if it is the model that is wanted."""
    if found.fingerprint != model.fingerprint:
        raise ModelFileError(
            f"{model.name}: {found.paths[0]} on {platform.node()} is not the same file "
            f"(fingerprint {found.fingerprint[:12]}, not {model.fingerprint[:12]}): replace it "
            "with a copy of the one on the machine that started the sweep"
        )
    return found


def _own(model: ModelInfo) -> ModelInfo:
    """Return a file of the user's own: at the same path, or in llprobe's cache."""
    problems: list[Exception] = []
    path = model.paths[0]
    for place in _places(path):
        try:
            if place.is_file():
                return _same(model, read_model(place, model.name))
        except (LlprobeError, OSError) as problem:  # another one may be the right one
            problems.append(problem)
    if problems:
        raise problems[0]
    raise UsageError(
        f"{model.name} is not on {platform.node()} and not in the catalog: copy it to {path} "
        f"or into {cache_dir()} there"
    )


def _places(path: Path) -> Iterator[Path]:
    yield path
    yield from sorted(cache_dir().rglob(glob.escape(path.name)))


def _fetched(name: str, say: Say, stop: Stop) -> ModelInfo:
    told: list[int] = []

    def progress(done: int, total: int) -> None:
        _unless(stop)
        if not told and done < total:
            told.append(total)
            say(f"fetching {name}, {total / 1e6:.0f} MB")

    with suppress(UsageError):  # what else is wrong with the name, fetching says too
        return resolve(name)
    with _alone(say, stop):
        return resolve(name, fetch=True, progress=progress)


def _quant(wanted: Wanted, say: Say, stop: Stop) -> ModelInfo:
    name, _, quant = wanted.model.name.rpartition(":")
    path = ladder_path(name, quant)
    if not path.exists():
        source = _source(wanted, path, say, stop)
        with _alone(say, stop):
            if not path.exists():  # else it was made by whoever was waited for
                say(f"making {wanted.model.name}")
                _make(QuantizeRequest(source, quant, str(path), performance_cores()), stop)
    return read_model(path, wanted.model.name)


def _source(wanted: Wanted, path: Path, say: Say, stop: Stop) -> ModelInfo:
    """Return what a quant is made from; it is brought before the lock is taken for the quant."""
    if wanted.source is None:
        raise UsageError(
            f"{wanted.model.name} is not on {platform.node()}, and what it was made from is "
            f"not known: copy it to {path} there"
        )
    return bring(wanted.source, say, stop)


def _make(request: QuantizeRequest, stop: Stop) -> None:
    cancel = Cancel()

    def tick() -> None:
        if stop():
            cancel.request()
            cancel.request()

    with closing(call(request, cancel, tick)) as events:
        for event in events:
            if isinstance(event, Failed):
                raise_failure(event)
    _unless(stop)


def _unless(stop: Stop) -> None:
    if stop():
        raise RunError("stopped before the model was there; the same command continues")


@contextmanager
def _alone(say: Say, stop: Stop) -> Iterator[None]:
    """Keep the other workers of this machine from fetching or making the same file."""
    folder = cache_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "cluster.lock").open("w", encoding="utf-8")
    except OSError as error:
        raise FetchError(f"cannot write {folder}: {error.strerror}") from error
    with lock:
        if not _taken(lock):
            say("waiting for another worker of this machine, which fetches or makes a model")
            while not _taken(lock):
                _unless(stop)
                time.sleep(_LOOK)
        yield


def _taken(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:  # as of a network's file system that has no locks
        raise FetchError(f"cannot lock {lock.name}: {error.strerror}") from error
    return True
