"""Which architectures cannot be probed, and why; the known ones are the engine's business."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gguf.constants import Keys

from llprobe.errors import ModelFileError, ModelNotSupported
from llprobe.model.cursor import brief
from llprobe.model.metadata import Metadata

__all__ = ["UNSUPPORTED", "check_architecture"]

_LONGEST: Final = 64  # characters of an architecture's name
_ENCODER: Final = "it is an encoder and predicts no next token"
_REASONS: Final = {
    _ENCODER: (
        "bert modern-bert nomic-bert nomic-bert-moe neo-bert jina-bert-v2 jina-bert-v3 "
        "eurobert gemma-embedding llama-embed t5 t5encoder"
    ),
    "it is recurrent: options cannot share its state": (
        "mamba mamba2 rwkv6 rwkv6qwen2 rwkv7 arwkv7"
    ),
    "it is partly recurrent: options cannot share its state": (
        "jamba falcon-h1 plamo2 lfm2 lfm2moe granitehybrid nemotron_h nemotron_h_moe qwen3next "
        "qwen35 qwen35moe qwen4exp deepseek4 kimi-linear kimi-k3 bailingmoe3 glm5-next minimax-01"
    ),
    "it is a diffusion model and predicts no next token": "dream llada llada-moe rnd1",
    "its blocks' outputs have three dimensions": "gemma3n",
    "it is a drafting head of another model": "eagle3 dflash gemma4-assistant",
    "it is no language model": "clip wavtokenizer-dec qwen3tts pockettts",
}
UNSUPPORTED: Final[Mapping[str, str]] = MappingProxyType(
    {arch: reason for reason, archs in _REASONS.items() for arch in archs.split()}
)
"""Architectures (`general.architecture`) that cannot be probed, each with the reason."""


def check_architecture(meta: Metadata) -> str:
    """Return llama.cpp's name of the architecture, one that can be probed.

    Raises ModelFileError where none is given, ModelNotSupported where it cannot be probed.
    """
    arch = meta.text(Keys.General.ARCHITECTURE)
    if not arch:
        raise ModelFileError(f"{meta.path}: metadata {Keys.General.ARCHITECTURE} is missing")
    if len(arch) > _LONGEST:
        raise ModelFileError(f"{meta.path} is damaged: its architecture is {len(arch):,} long")
    kind = brief(meta.text(Keys.General.TYPE)) or "model"
    if kind != "model":
        raise ModelNotSupported(f"{meta.path} cannot be probed: it is of type {kind}, no model")
    reason = UNSUPPORTED.get(arch)
    if meta.values.get(Keys.Attention.CAUSAL.format(arch=arch)) is False:
        reason = reason or _ENCODER
    if reason:
        raise ModelNotSupported(f"{meta.path} ({arch}) cannot be probed: {reason}")
    return arch
