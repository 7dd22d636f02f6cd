"""A model's GGUF files -> `ModelInfo`, with its metadata held against its tensors.

This module does not know what else the model may be called, nor how it came here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from gguf.constants import Keys

from llprobe.errors import ModelFileError
from llprobe.model.architectures import check_architecture
from llprobe.model.consistency import check_consistency, check_tensor
from llprobe.model.fingerprint import fingerprint_of
from llprobe.model.header import Header, TensorInfo
from llprobe.model.info import ModelInfo, Origin
from llprobe.model.metadata import Metadata
from llprobe.model.parts import read_parts
from llprobe.model.storage import BLOCK, bits_per_weight, quant_name, tensor_classes
from llprobe.model.vocabulary import check_vocabulary
from llprobe.model.widths import cached_numbers, feed_forward_width

__all__ = ["read_as", "read_model", "stem"]


def read_model(path: str | Path, name: str | None = None) -> ModelInfo:
    """Return what the GGUF at `path` (any part of a split one) says of itself, checked.

    `name`: what to call it; by default the file's stem. Raises ModelFileError for what is
    missing, malformed or contradictory, ModelNotSupported for what cannot be probed.
    """
    return read_as(Path(path), name or stem(Path(path)), "path")


def stem(path: Path) -> str:
    """Return a file's name without its ending and its number among parts."""
    return re.sub(r"-\d{5}-of-\d{5}$", "", path.name.removesuffix(".gguf"))


def read_as(path: Path, name: str, origin: Origin) -> ModelInfo:
    """Do as `read_model` for a model whose name and origin are known."""
    paths, headers = read_parts(path)
    meta = Metadata(paths[0], headers[0].metadata)
    arch = check_architecture(meta)
    tensors = {tensor.name: tensor for header in headers for tensor in header.tensors}
    _check_shape(meta, arch, tensors)
    _check_tensors(paths, headers)
    check_consistency(meta, arch, tensors.values())
    check_vocabulary(meta)
    weights = list(tensors.values())
    matrices = [t for t in weights if BLOCK.match(t.name) and len(t.shape) > 1]
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
        quant=quant_name(meta.values.get(Keys.General.FILE_TYPE), matrices or weights),
        tensor_classes=tensor_classes(weights),
        bits_per_weight=bits_per_weight(weights),
        block_bits_per_weight=bits_per_weight(matrices or weights),
        has_chat_template=bool(meta.text(Keys.Tokenizer.CHAT_TEMPLATE)),
        tied_output="output.weight" not in tensors,
        fingerprint=fingerprint_of(paths, headers),
        n_ff=feed_forward_width(meta, arch),
        n_cached=cached_numbers(meta, arch),
    )


def _check_shape(meta: Metadata, arch: str, tensors: Mapping[str, TensorInfo]) -> None:
    """Hold layers, width and vocabulary against the tensors that there are."""
    n_layers = meta.number(Keys.LLM.BLOCK_COUNT.format(arch=arch))
    matches = (BLOCK.match(name) for name in tensors)
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


def _check_tensors(paths: Sequence[Path], headers: Sequence[Header]) -> None:
    """Hold each tensor's type and place against what llama.cpp can compute with."""
    for path, header in zip(paths, headers, strict=True):
        for tensor in header.tensors:
            if why := check_tensor(tensor):
                raise ModelFileError(f"{path} is damaged: {why}; get the file anew")
