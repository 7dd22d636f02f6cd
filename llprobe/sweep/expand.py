"""A sweep's names -> the models and questions that they stand for here and now.

It looks files up and reads their headers. It loads no model, makes and downloads none: a quant
that is not there is for the caller to make.
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Final, TypeVar

from llprobe.catalog import split_parts
from llprobe.errors import LlprobeError, UsageError
from llprobe.model import ModelInfo, quant_path, resolve
from llprobe.model.read import read_as
from llprobe.plan import Sweep
from llprobe.sweep.spec import ModelEntry, SweepSpec
from llprobe.sweep.values import is_pattern
from llprobe.task import TaskRequest, requests_for

__all__ = ["Obtain", "Unmade", "made_quant", "models_of", "requests_of", "sweep_of"]

Obtain = Callable[[ModelInfo, str], ModelInfo | None]
"""Gives a quant of a model, None where it is not made yet; `made_quant` is one that makes none."""

Unusable = Callable[[str, LlprobeError], None]
"""Is told of a model, by its name, that cannot be used, and why."""

T = TypeVar("T")

_NO_MODELS: Final = ("mmproj", "imatrix")
"""How files begin that lie beside models and are none."""


@dataclass(frozen=True, slots=True)
class Unmade:
    """A quant that a sweep wants and that is not made yet."""

    source: ModelInfo
    quant: str
    keep: bool
    """Whether it is to stay when the sweep is done."""

    @property
    def path(self) -> Path:
        """Where it belongs."""
        return quant_path(self.source, self.quant)

    @property
    def name(self) -> str:
        """What it will be called."""
        return f"{self.path.parent.name}:{self.quant}"

    @property
    def model(self) -> ModelInfo:
        """What will be known of it, as far as cells are named by it; there is no such file."""
        mark = f"{self.source.fingerprint}:{self.quant}"
        return replace(
            self.source, name=self.name, origin="quantized", quant=self.quant, fingerprint=mark
        )


def requests_of(spec: SweepSpec) -> tuple[TaskRequest, ...]:
    """Return the requests of a sweep: by task, answer format, shots and seed, in that nesting.

    Raises UnknownName for a task or a setting that there is not, TaskError for a file of the
    user's that cannot be used. Whether a task has an answer format shows when it is loaded.
    """
    wanted = TaskRequest(
        name="",
        data=spec.data,
        limit=spec.limit,
        shots_file=spec.shots_file,
        instruction=spec.instruction,
        settings=tuple(sorted(spec.settings)),
        chat=spec.chat,
    )
    return tuple(
        replace(request, answer=answer, num_fewshot=shots, seed=seed)
        for request, answer, shots, seed in product(
            requests_for(spec.tasks, wanted), spec.answers, spec.shots, spec.seeds
        )
    )


def models_of(
    spec: SweepSpec,
    obtain: Obtain,
    unusable: Unusable | None = None,
) -> Iterator[ModelInfo | Unmade]:
    """Yield the models of a sweep in order, each distinct file once: a source, then its quants.

    `obtain` is asked for a quant when its turn comes; None gives an `Unmade`. A model that cannot
    be used raises what `resolve` raises, or is told to `unusable`, with its name, and passed over.
    """
    seen: set[tuple[str, ...]] = set()
    for entry in spec.models:
        for model in _of_entry(entry, obtain, unusable or _raise):
            if _identity(model) not in seen:
                seen.add(_identity(model))
                yield model


def _identity(model: ModelInfo | Unmade) -> tuple[str, ...]:
    if isinstance(model, Unmade):
        return model.source.fingerprint, model.quant
    return (model.fingerprint,)


def _of_entry(
    entry: ModelEntry, obtain: Obtain, unusable: Unusable
) -> Iterator[ModelInfo | Unmade]:
    """Yield what an entry stands for: each model, then its ladder."""
    for name in _tried(entry.name, partial(_names, entry), unusable) or ():
        source = _tried(name, partial(resolve, name), unusable)
        if source is None:
            continue
        yield source
        for quant in entry.quantize:
            step = partial(_step, source, quant, entry, obtain)
            made = None if quant == source.quant else _tried(f"{name}:{quant}", step, unusable)
            if made is not None:
                yield made


def _step(source: ModelInfo, quant: str, entry: ModelEntry, obtain: Obtain) -> ModelInfo | Unmade:
    return obtain(source, quant) or Unmade(source, quant, entry.keep)


def _tried(name: str, work: Callable[[], T], unusable: Unusable) -> T | None:
    try:
        return work()
    except LlprobeError as problem:
        unusable(name, problem)
        return None


def _raise(_: str, problem: LlprobeError) -> None:
    raise problem


def _names(entry: ModelEntry) -> list[str]:
    """Return the models that an entry's name stands for, sorted where it is a pattern."""
    if not is_pattern(entry.name) or Path(entry.name).exists():
        return [entry.name]
    # Path.glob takes hidden files, and raises on `**` beside other characters.
    found = sorted(glob.glob(entry.name, recursive=True))  # noqa: PTH207
    names = [name for name in found if _is_model(Path(name))]
    if not names:
        raise UsageError(f"models: no GGUF file matches {entry.name}; check the folder's name")
    return names


def _is_model(path: Path) -> bool:
    """Whether a file may be a model, of a split one the first part."""
    name = path.name
    first = (split_parts(name) or (name,))[0] == name
    suffix = name.lower().endswith(".gguf")
    return suffix and first and not name.lower().startswith(_NO_MODELS) and path.is_file()


def made_quant(source: ModelInfo, quant: str) -> ModelInfo | None:
    """Return what `models quantize` made of a model as `quant`, the model itself if it is that.

    None where it is not made yet. Raises UsageError for what is no name of a quant, and
    ModelFileError for a damaged file.
    """
    quant = quant.upper()
    if quant == source.quant:
        return source
    path = quant_path(source, quant)
    return read_as(path, f"{path.parent.name}:{quant}", "quantized") if path.exists() else None


def sweep_of(
    spec: SweepSpec, models: Iterable[ModelInfo], awaited: Iterable[ModelInfo] = ()
) -> Sweep:
    """Return a sweep on these models, for `plan.make_plan`; raises what `requests_of` raises."""
    return Sweep(
        models=tuple(models),
        tasks=requests_of(spec),
        lenses=spec.lenses,
        layers=spec.layers,
        settings=spec.engine,
        pmi=spec.pmi,
        ablations=spec.ablations,
        exclude=spec.exclude,
        awaited=tuple(awaited),
    )
