"""Metadata and tensor types that llama.cpp takes for granted, held against each other.

Where one of these does not hold llama.cpp aborts, crashes or loops for ever, as its source says and
damaged files show. What it can compute on some device (norms in half precision, on CUDA) is let
pass, and what it refuses by itself, in words, is left to it.

This module knows what is asserted. It does not know how files are read, nor the vocabulary.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from itertools import cycle
from typing import Final

from gguf.constants import GGMLQuantizationType, Keys, RopeScalingType

from llprobe.errors import ModelFileError
from llprobe.model.header import TensorInfo
from llprobe.model.metadata import Metadata, show

__all__ = ["check_consistency", "check_tensor"]

_ROTATED: Final = {
    "all": (
        "arcee baichuan codeshell deepseek exaone falcon granite internlm2 llama mistral3 olmo "
        "olmo2 olmoe orion plamo qwen2 qwen2moe qwen3 qwen3moe smollm3 starcoder2 xverse"
    ),
    "some": "cohere2 command-r glm4 gptneox nemotron phi2 phi3 qwen stablelm",
    "some, values of another length": "gemma gemma2 gemma3",
    "none": "bloom gpt2 jais mpt refact starcoder",
}
_HEADS: Final = {arch: part for part, archs in _ROTATED.items() for arch in archs.split()}
"""How much of a head's numbers RoPE turns; where nothing is said keys are as long as values."""
_MOST_EXPERTS: Final = 1024
_SCALINGS: Final = tuple(kind.value for kind in RopeScalingType)
_ALIGNED: Final = 32  # bytes: of tensors that are used where they lie in a mapped file

_VECTOR: Final = re.compile(r"(norm(_\d)?\.weight|\.bias)$")
_ROTATION: Final = re.compile(r"rope_(freqs|factors_\w+)\.weight$")
_MATRIX: Final = re.compile(
    r"(blk\.\d+\.(attn_(q|k|v|qkv|output)|ffn_(gate|up|down))|token_embd|output)\.weight"
)
_IN_BLOCK: Final = re.compile(r"blk\.(\d+)\.(.+)")
_ATTENTION: Final = {f"attn_{part}.weight" for part in ("q", "k", "v", "qkv")}
_ROWS: Final = {"attn_q.weight": (1, 0), "attn_qkv.weight": (1, 2)}
"""Matrices with rows for each head, and each key-value head."""
_ADDED: Final = {GGMLQuantizationType.F32, GGMLQuantizationType.F16}
_MULTIPLIED_NEVER: Final = {
    *(GGMLQuantizationType.I8, GGMLQuantizationType.I16, GGMLQuantizationType.I32),
    *(GGMLQuantizationType.I64, GGMLQuantizationType.F64),
    *(GGMLQuantizationType.Q8_1, GGMLQuantizationType.Q8_K),
}


def check_consistency(meta: Metadata, arch: str, tensors: Collection[TensorInfo]) -> None:
    """Raise ModelFileError where metadata contradict each other or what llama.cpp can compute."""
    _check_heads(meta, arch)
    _check_lengths(meta, arch)
    _check_numbers(meta, arch)
    _check_scaling(meta, arch)
    _check_experts(meta, arch, tensors)
    _check_predicted(meta, arch)
    _check_blocks(meta, arch, tensors)


def check_tensor(tensor: TensorInfo) -> str:
    """Say why llama.cpp would die of a tensor's type or place; empty where it would not."""
    name, kind = tensor.name, tensor.type
    if tensor.offset % _ALIGNED:
        return f"tensor {name} lies at byte {tensor.offset:,}, no multiple of {_ALIGNED}"
    if len(tensor.shape) == 1 and _VECTOR.search(name) and kind not in _ADDED:
        return f"tensor {name} is stored as {kind.name}; it must be F32"
    if _ROTATION.search(name) and kind is not GGMLQuantizationType.F32:
        return f"tensor {name} is stored as {kind.name}; it must be F32"
    if _MATRIX.fullmatch(name) and kind in _MULTIPLIED_NEVER:
        return f"tensor {name} is stored as {kind.name}, by which nothing can be multiplied"
    return ""


def _lies(meta: Metadata, text: str) -> ModelFileError:
    return ModelFileError(f"{meta.path} is damaged: {text}; get the file anew")


def _integers(meta: Metadata, key: str) -> tuple[int, ...]:
    """Return a number, or one for each layer; empty where there is none."""
    value = meta.values.get(key)
    found = value if isinstance(value, tuple) else (value,)
    return tuple(number for number in found if type(number) is int)


def _check_heads(meta: Metadata, arch: str) -> None:
    """Attention heads share key-value heads in groups of one size."""
    heads = _integers(meta, Keys.Attention.HEAD_COUNT.format(arch=arch))
    shared = _integers(meta, Keys.Attention.HEAD_COUNT_KV.format(arch=arch))
    if not heads or not shared:
        return
    both = zip(heads, cycle(shared)) if len(heads) > len(shared) else zip(cycle(heads), shared)
    for n_heads, n_shared in both:
        if n_shared and n_heads % n_shared:
            raise _lies(meta, f"{n_heads} attention heads cannot share {n_shared} key-value heads")


def _check_lengths(meta: Metadata, arch: str) -> None:
    """Keys are as long as values, and the part of them that is rotated fits."""
    heads = [n for n in _integers(meta, Keys.Attention.HEAD_COUNT.format(arch=arch)) if n > 0]
    rotated = _HEADS.get(arch)
    if not heads or rotated is None or any(key.endswith("_swa") for key in meta.values):
        return
    whole = meta.number(Keys.LLM.EMBEDDING_LENGTH.format(arch=arch)) // heads[0]
    length = _first(meta, Keys.Attention.KEY_LENGTH.format(arch=arch), whole)
    value = _first(meta, Keys.Attention.VALUE_LENGTH.format(arch=arch), whole)
    if length != value and "values" not in rotated:
        raise _lies(meta, f"its keys have {length} numbers and its values {value}")
    turned = _first(meta, Keys.Rope.DIMENSION_COUNT.format(arch=arch), length)
    fits = turned == length if rotated == "all" else 0 < turned <= length
    if rotated != "none" and (turned % 2 or not fits):
        raise _lies(meta, f"{turned} of the {length} numbers of a head are rotated")


def _first(meta: Metadata, key: str, default: int) -> int:
    return (*_integers(meta, key), default)[0]


def _check_numbers(meta: Metadata, arch: str) -> None:
    """What is computed with is finite; norms divide by more than nothing, angles have a base."""
    least = {
        Keys.Attention.LAYERNORM_EPS.format(arch=arch): 0.0,
        Keys.Attention.LAYERNORM_RMS_EPS.format(arch=arch): 0.0,
    }
    if _HEADS.get(arch) != "none":
        base = Keys.Rope.FREQ_BASE.format(arch=arch)
        # the rotation of the n-th pair of numbers is a power of the base
        least |= dict.fromkeys((base, f"{base}_swa"), math.nextafter(0.0, 1.0))
    for key, value in meta.values.items():
        for number in value if isinstance(value, tuple) else (value,):
            if not isinstance(number, float) or not key.startswith(f"{arch}."):
                continue
            if not (math.isfinite(number) and number >= least.get(key, -math.inf)):
                raise _lies(meta, f"metadata {key} is {number}")


def _check_scaling(meta: Metadata, arch: str) -> None:
    value = meta.values.get(key := Keys.Rope.SCALING_TYPE.format(arch=arch), _SCALINGS[0])
    if isinstance(value, str) and value not in _SCALINGS:
        raise _lies(meta, f"metadata {key} is {show(value)}, not one of {', '.join(_SCALINGS)}")


def _check_experts(meta: Metadata, arch: str, tensors: Iterable[TensorInfo]) -> None:
    """As many experts as the tensors have, and a token goes to some of them."""
    count = max(_integers(meta, Keys.LLM.EXPERT_COUNT.format(arch=arch)), default=0)
    used = max(_integers(meta, Keys.LLM.EXPERT_USED_COUNT.format(arch=arch)), default=0)
    if used > count or (count and not used):
        raise _lies(meta, f"a token uses {used:,} of {count:,} experts")
    stored = max((t.shape[-1] for t in tensors if "_exps." in t.name), default=0)
    if count > max(stored, _MOST_EXPERTS):
        raise _lies(meta, f"its metadata have {count:,} experts, its tensors {stored:,}")


def _check_predicted(meta: Metadata, arch: str) -> None:
    """Blocks that predict tokens further ahead are some of all blocks."""
    ahead = _first(meta, Keys.LLM.NEXTN_PREDICT_LAYERS.format(arch=arch), 0)
    blocks = meta.number(Keys.LLM.BLOCK_COUNT.format(arch=arch))
    if ahead > blocks:
        raise _lies(meta, f"{ahead:,} of its {blocks:,} blocks predict further tokens")


def _check_blocks(meta: Metadata, arch: str, tensors: Iterable[TensorInfo]) -> None:
    """All blocks have the same attention matrices, which llama.cpp looks for in two ways."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for tensor in tensors:
        if (match := _IN_BLOCK.fullmatch(tensor.name)) and arch in _HEADS:
            found[match[1]] |= {match[2]} & _ATTENTION
            if match[2] in _ROWS:
                _check_rows(meta, arch, tensor, *_ROWS[match[2]])
    everywhere = set[str]().union(*found.values())
    for block, names in found.items():
        if missing := everywhere - names:
            raise _lies(meta, f"block {block} has no {' and no '.join(sorted(missing))}")


def _check_rows(
    meta: Metadata, arch: str, tensor: TensorInfo, per_head: int, per_shared: int
) -> None:
    """A matrix has rows for all heads and key-value heads, unless they differ by layer."""
    heads = _integers(meta, Keys.Attention.HEAD_COUNT.format(arch=arch))
    shared = _integers(meta, Keys.Attention.HEAD_COUNT_KV.format(arch=arch)) or heads
    if len(heads) != 1 or len(shared) != 1 or heads[0] <= 0:
        return
    whole = meta.number(Keys.LLM.EMBEDDING_LENGTH.format(arch=arch)) // heads[0]
    length = _first(meta, Keys.Attention.KEY_LENGTH.format(arch=arch), whole)
    wanted = (per_head * heads[0] + per_shared * shared[0]) * length
    if tensor.shape[-1] != wanted:
        raise _lies(meta, f"tensor {tensor.name} has {tensor.shape[-1]:,} rows for {wanted:,}")
