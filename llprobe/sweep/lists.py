"""A sweep from the command line's comma lists.

It knows how lists are typed; what their values may be, `values` knows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, TypedDict, TypeVar, Unpack

from llprobe.errors import UsageError
from llprobe.paths import split_at_commas
from llprobe.plan import FEATURES, Exclusion
from llprobe.settings import EngineSettings
from llprobe.sweep import values
from llprobe.sweep.parse import exclusions
from llprobe.sweep.spec import ModelEntry, SweepSpec

__all__ = ["Typed", "spec_from_lists"]

T = TypeVar("T")
_WHOLE: Final = re.compile(r"-?[0-9]{1,18}")


class Typed(TypedDict, total=False):
    """What can be typed; what is left out, or None, has the default of `SweepSpec`."""

    name: str | None
    models: str
    """As `tasks` with commas between them; must be there."""
    tasks: str
    quantize: str | None
    """Types to make of every model."""
    keep: bool
    """Whether they stay when the sweep is done."""
    lenses: str | None
    layers: str | None
    limit: int | None
    shots: str | int | None
    answers: str | None
    seeds: str | int | None
    ablations: str | None
    chat: bool
    pmi: bool
    data: str | Path | None
    shots_file: str | Path | None
    instruction: str | None
    settings: tuple[tuple[str, str], ...]
    engine: EngineSettings
    exclude: Sequence[str] | None
    """Each like ``model=*Q2_K*,task=truth``: what fits all of its patterns is left out."""


def spec_from_lists(**typed: Unpack[Typed]) -> SweepSpec:
    """Return the sweep that was typed; relative paths begin at the working folder.

    Raises UsageError that names the list.
    """
    readers = _readers(Path.cwd())
    given = {"name": "", "models": "", "tasks": ""} | typed
    made = {
        key: _said(key, partial(readers.get(key, _as_it_is), value))
        for key, value in given.items()
        if value is not None and (key, value) != ("name", "")
    }
    quants, keep = made.pop("quantize", ()), made.pop("keep", True)
    models = tuple(ModelEntry(name, quants, keep) for name in made.pop("models"))
    return SweepSpec(name=made.pop("name", ""), models=models, **made)


def _readers(folder: Path) -> dict[str, Callable[[Any], Any]]:
    """Return what reads each key that is not taken as it is."""
    lists: dict[str, Callable[[Any], Any]] = {
        "models": partial(values.model, folder=folder),
        "tasks": partial(values.task, folder=folder),
        "quantize": values.quant,
        "lenses": values.lens,
        "shots": lambda typed: values.shots(_number(typed)),
        "answers": values.answer,
        "seeds": lambda typed: values.seed(_number(typed)),
        "ablations": values.ablation,
    }
    return {key: partial(_many, convert=convert) for key, convert in lists.items()} | {
        "name": values.sweep_name,
        "layers": values.layers,
        "limit": values.limit,
        "data": lambda typed: values.path(str(typed), folder),
        "shots_file": lambda typed: values.path(str(typed), folder),
        "exclude": lambda typed: tuple(each for one in typed for each in _exclusions(one)),
    }


def _said(what: str, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except UsageError as problem:
        raise UsageError(f"{what}: {problem}") from problem


def _as_it_is(value: Any) -> Any:
    return value


def _many(typed: Any, convert: Callable[[Any], T]) -> tuple[T, ...]:
    """Return the values of a comma list, each of which stands there once."""
    found = tuple(convert(part) for part in split_at_commas(str(typed)))
    if not found:
        raise UsageError("none is named")
    values.twice(found)
    return found


def _number(typed: str) -> int | str:
    return int(typed) if _WHOLE.fullmatch(typed) else typed


def _exclusions(typed: str) -> tuple[Exclusion, ...]:
    """Return what `model=*Q2_K*,seed=1,seed=2` excludes: either seed of these models."""
    patterns: dict[str, list[str]] = {}
    for part in split_at_commas(typed):
        feature, sign, pattern = (piece.strip() for piece in part.partition("="))
        if not sign or feature not in FEATURES:
            known = ", ".join(FEATURES)
            raise UsageError(f"{part!r} is no FEATURE=PATTERN; features are {known}")
        patterns.setdefault(feature, []).append(pattern)
    if not patterns:
        raise UsageError("none is named")
    return exclusions(patterns)
