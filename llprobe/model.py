"""Which model a reference stands for, and what its GGUF files say of it.

A reference is looked up in this order; nothing is ever guessed:

1. `hf:OWNER/REPO:QUANT`, `hf:OWNER/REPO/FILE.gguf`: a model on the Hugging Face hub.
2. What ends in `.gguf`, holds a path separator, or begins with `.` or `~`: a path. Any part of
   a split model names the whole; `PATH.gguf:QUANT` is what `models quantize PATH` made of it.
3. `NAME`, `NAME:QUANT`: the catalog's, or a quantised file in llprobe's cache. Where both a
   quantised file and a downloaded one answer to a name, that is an error which lists them.
4. A file of exactly that name in the working folder, if no model is called so.

Metadata that contradict the tensors are an error here, because llama.cpp aborts on some of them.
This module does not load models, quantise them, or download anything itself.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from gguf.constants import Keys, LlamaFileType

from llprobe.catalog import (
    CatalogEntry,
    CatalogFile,
    Named,
    cache_dir,
    catalog,
    find_entry,
    ladder_files,
    ladder_path,
    named_file,
    parse_ref,
    split_parts,
)
from llprobe.errors import ModelFileError, ModelNotSupported, UsageError
from llprobe.fetch import discard, local
from llprobe.fetch import fetch as bring
from llprobe.header import Header, LongArray, MetaValue, TensorInfo, read_header

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from llprobe.fetch import Progress

__all__ = [
    "UNSUPPORTED",
    "ListedModel",
    "ModelInfo",
    "Removed",
    "TensorClass",
    "cache_dir",
    "fingerprint_of",
    "list_models",
    "quant_path",
    "read_model",
    "remove",
    "resolve",
]

Origin: TypeAlias = Literal["catalog", "quantized", "hub", "path"]

_ENCODER: Final = "it is an encoder and predicts no next token"
_REASONS: Final = (
    (_ENCODER, "bert modern-bert nomic-bert nomic-bert-moe neo-bert jina-bert-v2 jina-bert-v3"),
    (_ENCODER, "eurobert gemma-embedding llama-embed t5 t5encoder"),
    ("it is recurrent: options cannot share its state", "mamba mamba2 rwkv6 rwkv6qwen2 rwkv7"),
    ("it is recurrent: options cannot share its state", "arwkv7"),
    ("it is partly recurrent: options cannot share its state", "jamba falcon-h1 plamo2 lfm2"),
    ("it is partly recurrent: options cannot share its state", "lfm2moe granitehybrid nemotron_h"),
    ("it is partly recurrent: options cannot share its state", "nemotron_h_moe qwen3next qwen35"),
    ("it is partly recurrent: options cannot share its state", "qwen35moe qwen4exp deepseek4"),
    ("it is partly recurrent: options cannot share its state", "kimi-linear kimi-k3 bailingmoe3"),
    ("it is partly recurrent: options cannot share its state", "glm5-next minimax-01"),
    ("it is a diffusion model and predicts no next token", "dream llada llada-moe rnd1"),
    ("its blocks' outputs have three dimensions", "gemma3n"),
    ("it is a drafting head of another model", "eagle3 dflash gemma4-assistant"),
    ("it is no language model", "clip wavtokenizer-dec qwen3tts pockettts"),
)
UNSUPPORTED: Final[Mapping[str, str]] = MappingProxyType(
    {arch: reason for reason, archs in _REASONS for arch in archs.split()}
)
"""Architectures (`general.architecture`) that cannot be probed, each with the reason."""

_BLOCK: Final = re.compile(r"blk\.(\d+)\.")
_SAMPLES, _SAMPLE_BYTES = 64, 64 << 10
_RECIPES: Final = {
    int(kind): str(kind.name.removeprefix("MOSTLY_").removeprefix("ALL_")) for kind in LlamaFileType
}
_GUESSED: Final = 1024  # a flag that llama.cpp adds to general.file_type


@dataclass(frozen=True)
class TensorClass:
    """The tensors of one kind, e.g. all of attention's."""

    name: str
    """`embedding`, `attention`, `feed-forward`, `norm`, `output` or `other`."""
    types: tuple[tuple[str, int], ...]
    """Storage type and how many tensors have it, the most frequent first."""
    n_params: int
    """Weights."""
    nbytes: int
    """Bytes."""


@dataclass(frozen=True)
class ModelInfo:
    """What a model's files say of it, checked; picklable, and nothing is held open."""

    name: str
    """As the user knows it: catalog name, `NAME:QUANT`, hub reference, or the file's stem."""
    origin: Origin
    """Where the name comes from."""
    paths: tuple[Path, ...]
    """The file, or all parts of a split model in order."""
    architecture: str
    """llama.cpp's name of it."""
    general_name: str
    """The file's own name for the model; empty if it gives none."""
    n_layers: int
    """Blocks."""
    n_embd: int
    """Width of the hidden state."""
    n_vocab: int
    """Tokens."""
    n_ctx_train: int
    """Context in tokens that it was trained for."""
    n_heads: int
    """Attention heads (of the layer that has most)."""
    n_heads_kv: int
    """Key-value heads (of the layer that has most)."""
    n_params: int
    """Weights in all tensors."""
    file_bytes: int
    """Of all parts."""
    quant: str
    """llama.cpp's name of the recipe, else the type that most block weights have."""
    tensor_classes: tuple[TensorClass, ...]
    """Storage per kind of tensor; kinds that do not occur are left out."""
    bits_per_weight: float
    """Measured over all tensors."""
    block_bits_per_weight: float
    """Measured over the matrices in the blocks."""
    has_chat_template: bool
    """Whether the file carries one (untrusted text)."""
    tied_output: bool
    """Whether the embedding serves as the output matrix."""
    fingerprint: str
    """sha256 in hex, see `fingerprint_of`."""

    def read_tensor(self, name: str) -> npt.NDArray[np.uint8]:
        """Return a tensor's bytes as they stand in the file, (nbytes,).

        Raises ModelFileError where the files have no such tensor (any more).
        """
        for path in self.paths:
            for tensor in read_header(path).tensors:
                if tensor.name == name:
                    return np.fromfile(path, np.uint8, tensor.nbytes, offset=tensor.offset)
        raise ModelFileError(f"{self.paths[0]} has no tensor {name!r}")


@dataclass(frozen=True)
class ListedModel:
    """One row of `llprobe models ls`."""

    name: str
    """What to type for it."""
    quant: str
    """As in the catalog, or as asked of `models quantize`."""
    origin: Origin
    """`catalog` or `quantized`."""
    downloaded: bool
    """Whether all its files are here."""
    size_bytes: int
    """On disk if it is here, else by the catalog."""
    path: Path | None
    """Its first file, if it is here."""
    entry: CatalogEntry | None
    """Its catalog entry; None for a quantised file of another model."""


@dataclass(frozen=True)
class Removed:
    """What `remove` deleted."""

    paths: tuple[Path, ...]
    """The files."""
    freed_bytes: int
    """What they took on disk."""


# -- what a reference stands for ---------------------------------------------------------------


def resolve(ref: str | Path, *, fetch: bool = False, progress: Progress | None = None) -> ModelInfo:
    """Return the model that `ref` stands for, by the order in this module's docstring.

    With `fetch` a model that is not here is downloaded, reporting to `progress`. Raises
    UnknownName, UsageError (not downloaded: with the command that does it; or ambiguous),
    FetchError, and what `read_model` raises.
    """
    parsed = ref if isinstance(ref, Path) else parse_ref(ref)
    if isinstance(parsed, Path):
        return _at_path(parsed)
    if isinstance(parsed, CatalogFile):
        name = parsed.source + (f":{parsed.quant}" if parsed.quant else "")
        name = f"{name}/{parsed.files[0]}" if parsed.files else name
        return _from_source(parsed, name, "hub", fetch=fetch, progress=progress)
    made, source = _candidates(parsed)
    if made is not None:
        return _read(made, f"{made.parent.name}:{parsed.quant}", "quantized")
    if source is None and Path(str(ref)).is_file():
        return _at_path(Path(str(ref)))
    name = _canonical(parsed)
    source = source or named_file(parsed)
    return _from_source(source, name, "catalog", fetch=fetch, progress=progress)


def _candidates(named: Named) -> tuple[Path | None, CatalogFile | None]:
    """Return the quantised file and the catalog's file of a name; both only if one is not here."""
    entry = find_entry(named.name)
    source = entry.file(named.quant) if entry else None
    name = entry.name if entry else named.name
    made = next((p for n, q, p in ladder_files() if (n, q) == (name, named.quant)), None)
    here = local(source) if source else None
    if made and here:
        raise UsageError(
            f"{name}:{named.quant} is both {made} (quantised here) and {here[0]} (downloaded); "
            "name one of them by its path"
        )
    return made, source


def _canonical(named: Named) -> str:
    entry = find_entry(named.name)
    if entry is None or named.quant in {None, entry.quants[0].quant}:
        return named.name.lower()
    return f"{entry.name}:{named.quant}"


def _from_source(
    file: CatalogFile, name: str, origin: Origin, *, fetch: bool, progress: Progress | None
) -> ModelInfo:
    paths = local(file) or (bring(file, progress) if fetch else None)
    if paths is None:
        base, colon, quant = name.rpartition(":")
        make = f", or make it with: llprobe models quantize {base} --to {quant}"
        raise UsageError(
            f"{name} is not downloaded; get it with: llprobe models pull {name}"
            f"{make if colon and origin == 'catalog' else ''}"
        )
    return _read(paths[0], name, origin)


def _at_path(path: Path) -> ModelInfo:
    match = re.fullmatch(r"(?P<base>.+\.gguf):(?P<quant>\w+)", str(path), re.IGNORECASE)
    if match is None or path.exists():
        return read_model(path)
    made = quant_path(read_model(match["base"]), match["quant"])
    if not made.exists():
        raise UsageError(
            f"{path} is not made yet; make it with: "
            f"llprobe models quantize {match['base']} --to {match['quant'].upper()}"
        )
    return _read(made, f"{made.parent.name}:{match['quant'].upper()}", "quantized")


def quant_path(base: ModelInfo | str | Path, quant: str) -> Path:
    """Return where a file made of `base` by quantising it to `quant` belongs; nothing is made.

    It is then known as `NAME:QUANT`. NAME is the catalog's for a catalog model in its default
    quant; otherwise the file's stem and the first 8 digits of its fingerprint, so that two files
    of the same name, or two sources of different precision, never share one. Raises UsageError
    where `base` has that quant already, and what `resolve` raises.
    """
    info = base if isinstance(base, ModelInfo) else resolve(base)
    if info.quant == quant.upper():
        raise UsageError(f"{info.name} is {info.quant} already")
    if info.origin == "catalog" and ":" not in info.name:
        return ladder_path(info.name, quant)
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", _stem(info.paths[0])).lstrip(".-") or "model"
    return ladder_path(f"{stem}-{info.fingerprint[:8]}", quant)


def list_models() -> list[ListedModel]:
    """Return the catalog's models, then the quantised files in llprobe's cache.

    Of a catalog model its default quant is listed, and those of its other quants that are here.
    """
    rows = [_row(entry, file, local(file)) for entry in catalog() for file in entry.quants]
    listed = [row for row in rows if row.downloaded or ":" not in row.name]
    return listed + [_ladder_row(*made) for made in ladder_files()]


def _ladder_row(name: str, quant: str, path: Path) -> ListedModel:
    return ListedModel(
        name=f"{name}:{quant}",
        quant=quant,
        origin="quantized",
        downloaded=True,
        size_bytes=path.stat().st_size,
        path=path,
        entry=find_entry(name),
    )


def _row(entry: CatalogEntry, file: CatalogFile, paths: Sequence[Path] | None) -> ListedModel:
    name = entry.name if file is entry.quants[0] else f"{entry.name}:{file.quant}"
    size = file.size_bytes or file.approx_bytes or 0
    if paths:
        size = sum(path.stat().st_size for path in paths)
    first = paths[0] if paths else None
    return ListedModel(name, file.quant, "catalog", bool(paths), size, first, entry)


def remove(ref: str) -> Removed:
    """Delete a model's files from llprobe's cache, or a hub model's from the hub's.

    Raises UsageError where they are not here or lie elsewhere: a user's own file is never
    deleted.
    """
    parsed = parse_ref(ref)
    if isinstance(parsed, Path):
        return _unlink((parsed,))
    made, source = _candidates(parsed) if isinstance(parsed, Named) else (None, parsed)
    if made is not None:
        return _unlink((made,))
    source = source or (named_file(parsed) if isinstance(parsed, Named) else parsed)
    paths = local(source)
    if paths is None:
        raise UsageError(f"{ref} is not downloaded, there is nothing to remove")
    return _unlink(paths) if source.repo is None else Removed(paths, discard(source))


def _unlink(paths: tuple[Path, ...]) -> Removed:
    for path in paths:
        if not path.is_file():
            raise UsageError(f"{path} does not exist, there is nothing to remove")
        if not path.parent.resolve().is_relative_to(cache_dir().resolve()):
            raise UsageError(f"{path} is not llprobe's: it is outside {cache_dir()}; left alone")
    freed = sum(path.lstat().st_size for path in paths)
    for path in paths:
        path.unlink()
    return Removed(paths, freed)


# -- what the files say ------------------------------------------------------------------------


def read_model(path: str | Path, name: str | None = None) -> ModelInfo:
    """Return what the GGUF at `path` (any part of a split one) says of itself, checked.

    `name`: what to call it; by default the file's stem. Raises ModelFileError for what is
    missing, malformed or contradictory, ModelNotSupported for what cannot be probed.
    """
    return _read(Path(path), name or _stem(Path(path)), "path")


def _stem(path: Path) -> str:
    return re.sub(r"-\d{5}-of-\d{5}$", "", path.name.removesuffix(".gguf"))


def _read(path: Path, name: str, origin: Origin) -> ModelInfo:
    paths, headers = _parts(path)
    meta = _Metadata(paths[0], headers[0].metadata)
    arch = _architecture(meta)
    tensors = {tensor.name: tensor for header in headers for tensor in header.tensors}
    _check_shape(meta, arch, tensors)
    weights = list(tensors.values())
    matrices = [t for t in weights if _BLOCK.match(t.name) and len(t.shape) > 1]
    n_heads = meta.number(Keys.Attention.HEAD_COUNT.format(arch=arch))
    kv_key = Keys.Attention.HEAD_COUNT_KV.format(arch=arch)
    return ModelInfo(
        name=name,
        origin=origin,
        paths=paths,
        architecture=arch,
        general_name=meta.text(Keys.General.NAME),
        n_layers=meta.number(Keys.LLM.BLOCK_COUNT.format(arch=arch)),
        n_embd=meta.number(Keys.LLM.EMBEDDING_LENGTH.format(arch=arch)),
        n_vocab=meta.length(Keys.Tokenizer.LIST),
        n_ctx_train=meta.number(Keys.LLM.CONTEXT_LENGTH.format(arch=arch)),
        n_heads=n_heads,
        n_heads_kv=meta.number(kv_key) if kv_key in meta.values else n_heads,
        n_params=sum(t.n_elements for t in weights),
        file_bytes=sum(header.file_bytes for header in headers),
        quant=_quant(meta, matrices or weights),
        tensor_classes=_classes(weights),
        bits_per_weight=_bits(weights),
        block_bits_per_weight=_bits(matrices or weights),
        has_chat_template=bool(meta.text(Keys.Tokenizer.CHAT_TEMPLATE)),
        tied_output="output.weight" not in tensors,
        fingerprint=fingerprint_of(paths, headers),
    )


@dataclass(frozen=True)
class _Metadata:
    """Key-values of the first part, with errors that name file and key."""

    path: Path
    values: Mapping[str, MetaValue]

    def number(self, key: str) -> int:
        """Return a positive integer; of one per layer, the largest."""
        value = self.values.get(key)
        found = value if isinstance(value, tuple) else (value,)
        numbers = [v for v in found if type(v) is int and 0 <= v < 1 << 31]
        if not numbers or len(numbers) != len(found) or not max(numbers):
            raise ModelFileError(f"{self.path}: metadata {key} is {_show(value)}, not a number > 0")
        return max(numbers)

    def length(self, key: str) -> int:
        """Return how long a list of strings is."""
        value = self.values.get(key)
        if isinstance(value, LongArray) and value.element == "STRING":
            return len(value)
        if isinstance(value, tuple) and value and all(isinstance(v, str) for v in value):
            return len(value)
        raise ModelFileError(f"{self.path}: metadata {key} is {_show(value)}, not a list of text")

    def text(self, key: str) -> str:
        """Return a printable string; empty where there is none."""
        value = self.values.get(key)
        return "".join(c for c in value if c.isprintable()) if isinstance(value, str) else ""


def _show(value: MetaValue | None) -> str:
    return "missing" if value is None else repr(value)[:60]


def _architecture(meta: _Metadata) -> str:
    arch = meta.text(Keys.General.ARCHITECTURE)
    if not arch:
        raise ModelFileError(f"{meta.path}: metadata {Keys.General.ARCHITECTURE} is missing")
    kind = meta.text(Keys.General.TYPE) or "model"
    if kind != "model":
        raise ModelNotSupported(f"{meta.path} cannot be probed: it is of type {kind}, no model")
    reason = UNSUPPORTED.get(arch)
    if meta.values.get(Keys.Attention.CAUSAL.format(arch=arch)) is False:
        reason = reason or _ENCODER
    if reason:
        raise ModelNotSupported(f"{meta.path} ({arch}) cannot be probed: {reason}")
    return arch


def _check_shape(meta: _Metadata, arch: str, tensors: Mapping[str, TensorInfo]) -> None:
    """Hold layers, width and vocabulary against the tensors that there are."""
    n_layers = meta.number(Keys.LLM.BLOCK_COUNT.format(arch=arch))
    matches = (_BLOCK.match(name) for name in tensors)
    blocks = {int(match[1]) for match in matches if match}
    if len(blocks) != n_layers or max(blocks) != n_layers - 1:
        raise ModelFileError(
            f"{meta.path} lies: its metadata have {n_layers} blocks, its tensors {len(blocks)}"
        )
    n_embd = meta.number(Keys.LLM.EMBEDDING_LENGTH.format(arch=arch))
    expected = (n_embd, meta.length(Keys.Tokenizer.LIST))
    for name in ("token_embd.weight", "output.weight"):
        if name in tensors and tensors[name].shape != expected:
            raise ModelFileError(
                f"{meta.path} lies: width and tokens are {expected} by its metadata, "
                f"{tensors[name].shape} by {name}"
            )
    if "token_embd.weight" not in tensors:
        raise ModelFileError(f"{meta.path} has no tensor token_embd.weight")


def _parts(path: Path) -> tuple[tuple[Path, ...], tuple[Header, ...]]:
    """Return all parts of the model that `path` is, or is a part of, with their headers."""
    header = read_header(path)
    count = header.metadata.get(Keys.Split.LLM_KV_SPLIT_COUNT, 1)
    if count in {0, 1}:
        return (path,), (header,)
    names = split_parts(path.name)
    if names is None or len(names) != count:
        raise ModelFileError(
            f"{path} is a part of a model in {count!r} parts, but is not named as one; give the "
            "parts their names back (NAME-00001-of-00003.gguf)"
        )
    paths = tuple(path.with_name(name) for name in names)
    for number, part in enumerate(paths, 1):
        if not part.exists():
            raise ModelFileError(
                f"{path} is in {count} parts, and part {number} is missing: {part}"
            )
    headers = tuple(read_header(part) for part in paths)
    _check_parts(paths, headers)
    return paths, headers


def _check_parts(paths: Sequence[Path], headers: Sequence[Header]) -> None:
    for number, (path, header) in enumerate(zip(paths, headers, strict=True)):
        meta = header.metadata
        no, count = meta.get(Keys.Split.LLM_KV_SPLIT_NO), meta.get(Keys.Split.LLM_KV_SPLIT_COUNT)
        if (no, count) != (number, len(paths)):
            raise ModelFileError(
                f"{path} is not part {number + 1} of {len(paths)}: its metadata have "
                f"split.no {_show(no)} (from 0) and split.count {_show(count)}"
            )
    names = [tensor.name for header in headers for tensor in header.tensors]
    total = headers[0].metadata.get(Keys.Split.LLM_KV_SPLIT_TENSORS_COUNT)
    if len(set(names)) != len(names) or total not in {None, len(names)}:
        raise ModelFileError(
            f"{paths[0]}: its parts do not belong together: {len(set(names))} different tensors "
            f"in {len(names)}, and metadata for {_show(total)}"
        )


def _quant(meta: _Metadata, weights: Iterable[TensorInfo]) -> str:
    value = meta.values.get(Keys.General.FILE_TYPE)
    if type(value) is int and value & ~_GUESSED in _RECIPES:
        return _RECIPES[value & ~_GUESSED]
    sizes: Counter[str] = Counter()
    for tensor in weights:
        sizes[tensor.type.name] += tensor.n_elements
    return sizes.most_common(1)[0][0]


def _class_of(name: str) -> str:
    """Return the kind of a tensor by its name, as llama.cpp gives names."""
    last = _BLOCK.sub("", name)
    if "norm" in last:
        return "norm"
    if _BLOCK.match(name) is None:
        starts = (("output", "output"), ("token_embd", "embedding"), ("position_embd", "embedding"))
        return next((kind for start, kind in starts if name.startswith(start)), "other")
    return {"attn": "attention", "ffn": "feed-forward"}.get(last.split("_", 1)[0], "other")


def _classes(tensors: Sequence[TensorInfo]) -> tuple[TensorClass, ...]:
    order = ("embedding", "attention", "feed-forward", "norm", "output", "other")
    groups = {kind: [t for t in tensors if _class_of(t.name) == kind] for kind in order}
    return tuple(
        TensorClass(
            kind,
            tuple(Counter(t.type.name for t in group).most_common()),
            sum(t.n_elements for t in group),
            sum(t.nbytes for t in group),
        )
        for kind, group in groups.items()
        if group
    )


def _bits(tensors: Sequence[TensorInfo]) -> float:
    return 8 * sum(t.nbytes for t in tensors) / sum(t.n_elements for t in tensors)


def fingerprint_of(paths: Sequence[Path], headers: Sequence[Header]) -> str:
    """Return a sha256 in hex that tells models apart without reading all of them.

    It covers of each part the length, the whole header, and 64 evenly spaced blocks of 64 KiB
    of the weights: a fraction of a second for 40 GB. All of the weights where they are no more
    than that; in larger files a change that spares every block is not seen.
    """
    digest = hashlib.sha256()
    for path, header in zip(paths, headers, strict=True):
        digest.update(header.file_bytes.to_bytes(8, "little"))
        last = max(header.file_bytes - _SAMPLE_BYTES - header.header_bytes, 0)
        starts = {header.header_bytes + last * i // (_SAMPLES - 1) for i in range(_SAMPLES)}
        try:
            with path.open("rb") as file:
                digest.update(file.read(header.header_bytes))
                for start in sorted(starts):
                    file.seek(start)
                    digest.update(file.read(_SAMPLE_BYTES))
        except OSError as error:
            raise ModelFileError(f"{path} cannot be read: {error}") from error
    return digest.hexdigest()
