"""The published tables of arXiv 2312.04333, read from the CSV files beside this module.

``layer_tables.csv`` holds accuracy (MC1, percent) by model, task and layer; ``xmps_heatmaps.csv``
the same by language as a fraction, at some layers only. This module knows these two files.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from llprobe.errors import UnknownName
from llprobe.published.repeats import Repeat, Row, repeats

__all__ = ["NAMES", "SOURCE", "PublishedRun", "Series", "is_published", "table"]

FloatArray = npt.NDArray[np.float64]

Series = tuple[tuple[int, ...], FloatArray]
"""Layers (n,), ascending, and accuracies (n,) in [0, 1]."""

SOURCE: Final = "arXiv 2312.04333"

_PREFIX: Final = "paper:"
_PARAMETERS: Final = {"llama2-7b": 7e9, "llama2-13b": 13e9, "llama2-70b": 70e9}
_LAYERS: Final = {"llama2-7b": 32, "llama2-13b": 40, "llama2-70b": 80}
_CHANCE: Final = MappingProxyType({"lama": 0.10, "reclor": 0.25})

NAMES: Final = tuple(_PREFIX + model for model in _PARAMETERS)
"""What `table` knows."""


@dataclass(frozen=True)
class PublishedRun:
    """One model's rows of the published tables."""

    model: str
    """Without `paper:`."""
    source: str
    """Where the numbers were published."""
    n_layers: int
    """Blocks of the model; layers are numbered 1..n."""
    n_params: float
    """Weights, as the model's name says."""
    curves: Mapping[str, Series]
    """Published task -> accuracy by layer."""
    by_language: Mapping[str, Mapping[str, Series]]
    """Published task -> language -> accuracy at some layers."""
    chance: Mapping[str, float]
    """Published task -> what guessing gets, in [0, 1]; only where the tables' source settles it."""
    repeats: tuple[Repeat, ...]
    """Stretches of this model's rows that are those of another model too."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a reader of these rows must be told, a sentence each."""
        return tuple(repeat.remark for repeat in self.repeats)

    def remarks_on(self, task: str) -> tuple[str, ...]:
        """The remarks on one published task."""
        return tuple(repeat.remark for repeat in self.repeats if repeat.task == task)


def is_published(name: str) -> bool:
    """Whether a run's name is meant for a published table: it begins with `paper:`."""
    return name.startswith(_PREFIX)


def table(name: str) -> PublishedRun:
    """Return the rows of one of `NAMES`; raises UnknownName for any other name."""
    if name not in NAMES:
        raise UnknownName("published table", name, NAMES)
    return _tables()[name.removeprefix(_PREFIX)]


@cache
def _tables() -> Mapping[str, PublishedRun]:
    curves, languages = _curves(), _by_language()
    found = tuple(r for task in _tasks(curves) for r in repeats(task, _rows(curves, task)))
    found += tuple(
        r for (task, language) in dict.fromkeys((t, lang) for _, t, lang in languages)
        for r in repeats(task, _of_language(languages, task, language), language)
    )  # fmt: skip
    return {model: _run(model, curves, languages, found) for model in _PARAMETERS}


def _run(
    model: str,
    curves: Mapping[tuple[str, str], Row],
    languages: Mapping[tuple[str, str, str], Row],
    found: Iterable[Repeat],
) -> PublishedRun:
    by_language: dict[str, dict[str, Series]] = {}
    for (of, task, language), row in languages.items():
        if of == model:
            by_language.setdefault(task, {})[language] = _series(row)
    return PublishedRun(
        model, SOURCE, _LAYERS[model], _PARAMETERS[model],
        curves=MappingProxyType({t: _series(r) for (of, t), r in curves.items() if of == model}),
        by_language=MappingProxyType({t: MappingProxyType(d) for t, d in by_language.items()}),
        chance=_CHANCE,
        repeats=tuple(repeat for repeat in found if model in repeat.models),
    )  # fmt: skip


def _series(row: Row) -> Series:
    layers = tuple(sorted(row))
    return layers, np.array([row[layer] for layer in layers], np.float64)


def _tasks(curves: Iterable[tuple[str, str]]) -> list[str]:
    return list(dict.fromkeys(task for _, task in curves))


def _rows(curves: Mapping[tuple[str, str], Row], task: str) -> dict[str, Row]:
    return {model: row for (model, of), row in curves.items() if of == task}


def _of_language(
    languages: Mapping[tuple[str, str, str], Row], task: str, language: str
) -> dict[str, Row]:
    return {m: row for (m, t, of), row in languages.items() if (t, of) == (task, language)}


def _curves() -> dict[tuple[str, str], dict[int, float]]:
    """Accuracies in [0, 1] by (model, task) and layer."""
    found: dict[tuple[str, str], dict[int, float]] = {}
    for row in _read("layer_tables.csv"):
        values = found.setdefault((row["model"], row["task"]), {})
        # 100 percent have two decimals: as a fraction they have four, whatever the division says
        values[int(row["layer"])] = round(float(row["mc1_percent"]) / 100, 6)
    return found


def _by_language() -> dict[tuple[str, str, str], dict[int, float]]:
    """Accuracies in [0, 1] by (model, task, language) and layer."""
    found: dict[tuple[str, str, str], dict[int, float]] = {}
    for row in _read("xmps_heatmaps.csv"):
        values = found.setdefault((row["model"], row["task"], row["language"]), {})
        values[int(row["layer"])] = float(row["mc1"])
    return found


def _read(name: str) -> Iterator[dict[str, str]]:
    text = files("llprobe.published").joinpath(name).read_text(encoding="utf-8")
    yield from csv.DictReader(text.splitlines())
