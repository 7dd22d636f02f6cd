"""What there is to choose from: models with their size and whether they fit, tasks with counts.

This module reads files and this machine's memory; it is for worker threads. It does not know
widgets, nor what was chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psutil

from llprobe.catalog import CatalogFile, Named, parse_ref
from llprobe.errors import LlprobeError
from llprobe.estimate import memory_needed
from llprobe.fetch import local
from llprobe.model import ListedModel, list_models, read_model
from llprobe.model.lookup import candidates
from llprobe.report.tasks import named_tasks
from llprobe.settings import EngineSettings
from llprobe.store import Store
from llprobe.sweep import SweepSpec
from llprobe.task.listing import Listed, list_tasks

__all__ = [
    "Choices",
    "Missing",
    "ModelChoice",
    "choices",
    "first_choices",
    "missing_models",
    "model_choices",
    "taken_names",
]

_SETTINGS = EngineSettings()


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A model that can be chosen."""

    name: str
    quant: str
    nbytes: int
    """Of its files, on disk or by the catalog."""
    here: bool
    """Whether its files are here."""
    needs: int
    """Bytes of memory that it takes at least."""
    fits: bool
    """Whether that much is free."""
    remark: str = ""
    """What is wrong with its file; empty for nothing."""


@dataclass(frozen=True, slots=True)
class Choices:
    """All that can be chosen."""

    models: tuple[ModelChoice, ...]
    tasks: tuple[Listed, ...]
    free: int
    """Bytes of memory that are free."""
    counted: bool = True
    """Whether the questions of the tasks are counted yet."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A model that is known and not here."""

    name: str
    nbytes: int
    """To download; 0 where that is not known."""


def choices() -> Choices:
    """Return what there is to choose from, here and now."""
    return _with(list_tasks(), counted=True)


def first_choices() -> Choices:
    """Return the same at once, without the numbers of questions: counting them takes seconds."""
    return _with(named_tasks(), counted=False)


def _with(tasks: Sequence[Listed], *, counted: bool) -> Choices:
    free = int(psutil.virtual_memory().available)
    return Choices(model_choices(free), tuple(tasks), free, counted)


def model_choices(free: int) -> tuple[ModelChoice, ...]:
    """Return the models, given the bytes of memory that are free."""
    return tuple(_choice(listed, free) for listed in list_models())


def _choice(listed: ListedModel, free: int) -> ModelChoice:
    needs, remark = listed.size_bytes, ""
    if listed.path is not None:
        try:
            info = read_model(listed.path)
            needs = memory_needed(info, _SETTINGS, _SETTINGS.n_batch).total
        except LlprobeError as problem:
            remark = str(problem)
    fits = needs <= free
    return ModelChoice(
        listed.name, listed.quant, listed.size_bytes, listed.downloaded, needs, fits, remark
    )


def missing_models(spec: SweepSpec) -> tuple[Missing, ...]:
    """Return the models of a sweep that can be downloaded and are not here."""
    found = (_missing(entry.name) for entry in spec.models)
    return tuple(each for each in found if each is not None)


def _missing(name: str) -> Missing | None:
    try:
        parsed = parse_ref(name)
        if isinstance(parsed, CatalogFile):
            source: CatalogFile | None = parsed
        elif isinstance(parsed, Named):
            made, source = candidates(parsed)
            source = None if made else source
        else:
            return None
    except LlprobeError:  # the plan says what is wrong with the name
        return None
    if source is None or local(source):
        return None
    return Missing(name, source.size_bytes or source.approx_bytes or 0)


def taken_names(store: Store) -> list[str]:
    """Return the names of the sweeps that are stored."""
    return [run.name for run in store.runs() if run.name]
