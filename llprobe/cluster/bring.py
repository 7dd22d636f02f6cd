"""A model on the machine that is to run it: found, fetched or made, and the very same bytes.

One worker of a machine at a time does so, since they share a cache. This module knows files. It
does not know who asks.
"""

from __future__ import annotations

import fcntl
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from llprobe.catalog import cache_dir, ladder_path
from llprobe.children import Cancel, call, raise_failure
from llprobe.cluster.orders import Wanted
from llprobe.errors import FetchError, ModelFileError, RunError, UsageError
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
    had, ModelFileError for other bytes of that name, and what fetching and making raise.
    """
    with _alone(stop):
        return _bring(wanted, say, stop)


def _bring(wanted: Wanted, say: Say, stop: Stop) -> ModelInfo:
    model = wanted.model
    if model.origin == "quantized":
        found = _quant(wanted, say, stop)
    elif model.origin == "path":
        found = _file(model)
    else:
        found = _fetched(model.name, say, stop)
    if found.fingerprint != model.fingerprint:
        raise ModelFileError(
            f"{model.name}: {found.paths[0]} on {platform.node()} is not the same file "
            f"(fingerprint {found.fingerprint[:12]}, not {model.fingerprint[:12]}): replace it "
            "with a copy of the one on the machine that started the sweep"
        )
    return replace(found, name=model.name, origin=model.origin)


def _file(model: ModelInfo) -> ModelInfo:
    """Return a file of the user's own: at the same path, or in llprobe's cache."""
    path = model.paths[0]
    if path.is_file():
        return read_model(path, model.name)
    found = next(iter(sorted(cache_dir().rglob(path.name))), None)
    if found is None:
        raise UsageError(
            f"{model.name} is not on {platform.node()} and not in the catalog: copy it to {path} "
            f"or into {cache_dir()} there"
        )
    return read_model(found, model.name)


def _fetched(name: str, say: Say, stop: Stop) -> ModelInfo:
    told: list[int] = []

    def progress(done: int, total: int) -> None:
        _unless(stop)
        if not told and done < total:
            told.append(total)
            say(f"fetching {name}, {total / 1e6:.0f} MB")

    return resolve(name, fetch=True, progress=progress)


def _quant(wanted: Wanted, say: Say, stop: Stop) -> ModelInfo:
    name, _, quant = wanted.model.name.rpartition(":")
    path = ladder_path(name, quant)
    if not path.exists():
        if wanted.source is None:
            raise UsageError(
                f"{wanted.model.name} is not on {platform.node()}, and what it was made from is "
                f"not known: copy it to {path} there"
            )
        source = _bring(wanted.source, say, stop)
        say(f"making {wanted.model.name}")
        _make(QuantizeRequest(source, quant, str(path), performance_cores()), stop)
    return read_model(path, wanted.model.name)


def _make(request: QuantizeRequest, stop: Stop) -> None:
    cancel = Cancel()

    def tick() -> None:
        if stop():
            cancel.request()
            cancel.request()

    for event in call(request, cancel, tick):
        if isinstance(event, Failed):
            raise_failure(event)
    _unless(stop)


def _unless(stop: Stop) -> None:
    if stop():
        raise RunError("stopped before the model was there; the same command continues")


@contextmanager
def _alone(stop: Stop) -> Iterator[None]:
    """Keep the other workers of this machine from fetching or making the same file."""
    folder = cache_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "cluster.lock").open("w", encoding="utf-8")
    except OSError as error:
        raise FetchError(f"cannot write {folder}: {error.strerror}") from error
    with lock:
        while not _taken(lock.fileno()):
            _unless(stop)
            time.sleep(_LOOK)
        yield


def _taken(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
