"""What is said between the machine that started a sweep and those that compute it.

This module knows records and bytes. It does not know how they travel.
"""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from llprobe.errors import LlprobeError
from llprobe.events import Event, ScoreRequest
from llprobe.model import ModelInfo, quant_path, resolve

__all__ = [
    "Lost",
    "Message",
    "Order",
    "Outcome",
    "Wanted",
    "pack",
    "unpack",
    "wanted",
]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A model that a worker needs, and the one that it is made from, if it is known."""

    model: ModelInfo
    source: Wanted | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """A share of a run, as it is sent to a worker."""

    run: str
    """Names the queue for what is said, and the sign to stop."""
    share: str
    wanted: Wanted
    request: ScoreRequest


@dataclass(frozen=True, slots=True)
class Message:
    """What a worker says of its share: an event of its child, or a line for a person."""

    share: str
    number: int
    """Messages of a share are counted from 0: none is missing or taken twice unnoticed."""
    said: Event | str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a worker ended: messages it sent; `lacks` says why it cannot run this model at all."""

    n_said: int
    lacks: str = ""


@dataclass(frozen=True, slots=True)
class Lost:
    """How an order ended whose worker was lost, or the way to it; `why` where it is known."""

    why: str = ""


def wanted(model: ModelInfo, known: Iterable[ModelInfo]) -> Wanted:
    """Return a model with what it was quantised from, out of those known and the catalog's."""
    if model.origin != "quantized":
        return Wanted(model)
    name, _, quant = model.name.rpartition(":")
    return Wanted(model, next(map(Wanted, _sources(model, name, quant, known)), None))


def _sources(
    model: ModelInfo, name: str, quant: str, known: Iterable[ModelInfo]
) -> Iterable[ModelInfo]:
    for other in known:
        if other.origin != "quantized" and other.quant != quant and _makes(other, quant, model):
            yield other
    try:
        yield resolve(name)
    except LlprobeError:  # made of a file that is no longer named: the worker says so, if it must
        return


def _makes(source: ModelInfo, quant: str, model: ModelInfo) -> bool:
    return quant_path(source, quant) == model.paths[0]


def pack(value: Any) -> bytes:
    """Return an order or a message as bytes, which nobody on the way looks into."""
    return zlib.compress(pickle.dumps(value), 1)


def unpack(data: bytes) -> Any:
    """Return what was packed; the two sides trust each other, as all of a dask cluster must."""
    return pickle.loads(zlib.decompress(data))
