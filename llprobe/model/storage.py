"""How a model's weights are stored, told from its tensor table; no weight is read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from gguf.constants import LlamaFileType

from llprobe.model.header import MetaValue, TensorInfo
from llprobe.model.info import TensorClass

__all__ = ["BLOCK", "bits_per_weight", "fallbacks", "quant_name", "tensor_classes"]

BLOCK: Final = re.compile(r"blk\.(\d+)\.")
"""How the name of a block's tensor begins; the group is the block's number from 0."""

_RECIPES: Final = {
    int(kind): str(kind.name.removeprefix("MOSTLY_").removeprefix("ALL_")) for kind in LlamaFileType
}
_OF_32: Final = {"Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "IQ4_NL"}
_GUESSED: Final = 1024  # a flag that llama.cpp adds to general.file_type


def quant_name(file_type: MetaValue | None, weights: Iterable[TensorInfo]) -> str:
    """Return llama.cpp's name of the recipe `file_type`, else the type that most weights have."""
    if type(file_type) is int and file_type & ~_GUESSED in _RECIPES:
        return _RECIPES[file_type & ~_GUESSED]
    sizes: Counter[str] = Counter()
    for tensor in weights:
        sizes[tensor.type.name] += tensor.n_elements
    return sizes.most_common(1)[0][0]


def bits_per_weight(tensors: Sequence[TensorInfo]) -> float:
    """Return the mean over all weights, without padding."""
    return 8 * sum(t.nbytes for t in tensors) / sum(t.n_elements for t in tensors)


def tensor_classes(tensors: Sequence[TensorInfo]) -> tuple[TensorClass, ...]:
    """Return the tensors by kind; kinds that do not occur are left out."""
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


def fallbacks(classes: Iterable[TensorClass], recipe: str) -> dict[str, dict[str, int]]:
    """Return block types that a recipe uses only where a tensor's width does not allow its own.

    K-quants and most I-quants store 256 weights together; a width that 256 does not divide gets a
    type of 32 weights instead. The result maps kinds of tensors to such types and their number.
    """
    if not ("_K" in recipe or (recipe.startswith("IQ") and recipe != "IQ4_NL")):
        return {}
    found = {
        each.name: {kind: n for kind, n in each.types if kind in _OF_32}
        for each in classes
        if each.name in ("attention", "feed-forward")
    }
    return {name: kinds for name, kinds in found.items() if kinds}


def _class_of(name: str) -> str:
    """Return the kind of a tensor by its name, as llama.cpp gives names."""
    last = BLOCK.sub("", name)
    if "norm" in last:
        return "norm"
    if BLOCK.match(name) is None:
        starts = (("output", "output"), ("token_embd", "embedding"), ("position_embd", "embedding"))
        return next((kind for start, kind in starts if name.startswith(start)), "other")
    return {"attn": "attention", "ffn": "feed-forward"}.get(last.split("_", 1)[0], "other")
