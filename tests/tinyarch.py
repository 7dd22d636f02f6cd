"""What each architecture's GGUF file holds beside LLaMA's: a table for `tinygguf`.

Names, shapes and metadata only, as llama.cpp's loader asks for them. It knows nothing of files,
values or forward passes.
"""

from dataclasses import dataclass, field
from typing import Final

__all__ = ["ARCHITECTURES", "ARCHS", "WINDOW", "Arch"]

Meta = dict[str, bool | int | float]


@dataclass(frozen=True)
class Arch:
    """What one architecture's file holds: tensor stems ("+b": with a bias) and metadata."""

    block: str
    root: str = "output_norm"
    shapes: dict[str, str] = field(default_factory=dict)
    """Shapes (see `tinygguf`) where this architecture's differ."""
    tied: bool | None = None
    """Whether the embedding is always (True) or never (False) the output matrix."""
    layer_norm: bool = False
    rotated: float = 1.0
    """Share of each head that RoPE turns; 0 for architectures without RoPE."""
    head_dim: int | None = None
    meta: Meta = field(default_factory=dict)
    gain: float = 1.0
    """Factor on the output matrix: makes up for a logit scale, or for embeddings that are
    scaled up and would drown the blocks."""


_LLAMA = "attn_norm attn_q attn_k attn_v attn_output ffn_norm ffn_gate ffn_up ffn_down"
_BIASED = "attn_norm+b attn_qkv+b attn_output+b ffn_norm+b ffn_up+b ffn_down+b"
_PARALLEL = "attn_norm attn_q attn_k attn_v attn_output ffn_gate ffn_up ffn_down"
_POST = " post_attention_norm post_ffw_norm"

# Soft caps, windows and scales are far tighter than in published models: at this size the
# published ones would hardly change a number, and a test could not tell them from missing ones.
WINDOW: Final[Meta] = {"attention.sliding_window": 8}
ARCHS: Final[dict[str, Arch]] = {
    "llama": Arch(_LLAMA),
    "qwen2": Arch("attn_norm attn_q+b attn_k+b attn_v+b " + _LLAMA.split(" ", 4)[4]),
    "qwen3": Arch(_LLAMA + " attn_q_norm attn_k_norm", head_dim=32),
    "gemma": Arch(_LLAMA, tied=True, head_dim=32, gain=0.5),
    "gemma2": Arch(
        _LLAMA + _POST,
        tied=True,
        head_dim=32,
        meta={**WINDOW, "attn_logit_softcapping": 3.0, "final_logit_softcapping": 8.0},
    ),
    "gemma3": Arch(
        _LLAMA + " attn_q_norm attn_k_norm" + _POST,
        tied=True,
        head_dim=32,
        meta=WINDOW,
        gain=0.5,
    ),
    "gpt2": Arch(_BIASED, root="position_embd output_norm+b", layer_norm=True, rotated=0),
    "phi2": Arch(
        "attn_norm+b attn_qkv+b attn_output+b ffn_up+b ffn_down+b",
        root="output_norm+b output+b",
        tied=False,
        layer_norm=True,
        rotated=0.5,
    ),
    "phi3": Arch(
        "attn_norm attn_qkv attn_output ffn_norm ffn_up ffn_down", shapes={"ffn_up": "2f e"}
    ),
    "olmo": Arch(_PARALLEL.removeprefix("attn_norm "), root="", layer_norm=True),
    "olmo2": Arch(
        "attn_q attn_k attn_v attn_output attn_q_norm attn_k_norm ffn_gate ffn_up ffn_down" + _POST,
        tied=False,
        shapes={"attn_q_norm": "q", "attn_k_norm": "k"},
    ),
    "granite": Arch(
        _LLAMA,
        meta={
            "logit_scale": 4.0,
            "residual_scale": 0.5,
            "embedding_scale": 3.0,
            "attention.scale": 0.4,
        },
        gain=4.0,
    ),
    "command-r": Arch(_PARALLEL, tied=True, layer_norm=True, meta={"logit_scale": 0.5}, gain=2.0),
    "cohere2": Arch(
        _PARALLEL, tied=True, layer_norm=True, meta={**WINDOW, "logit_scale": 0.5}, gain=2.0
    ),
    "stablelm": Arch(
        "attn_norm+b attn_q attn_k attn_v attn_output ffn_norm+b ffn_gate ffn_up ffn_down",
        root="output_norm+b",
        tied=False,
        layer_norm=True,
        rotated=0.5,
    ),
    "gptneox": Arch(
        _BIASED,
        root="output_norm+b",
        tied=False,
        layer_norm=True,
        rotated=0.5,
        meta={"use_parallel_residual": True},
    ),
    "falcon": Arch(
        "attn_norm+b attn_qkv attn_output ffn_up ffn_down", root="output_norm+b", layer_norm=True
    ),
    "bloom": Arch(_BIASED, root="token_embd_norm+b output_norm+b", layer_norm=True, rotated=0),
    "starcoder2": Arch(
        "attn_norm+b attn_q+b attn_k+b attn_v+b attn_output+b ffn_norm+b ffn_up+b ffn_down+b",
        root="output_norm+b",
        layer_norm=True,
    ),
}

ARCHITECTURES: Final = tuple(ARCHS)
"""The architectures that `write_tiny` can write, under llama.cpp's names."""
