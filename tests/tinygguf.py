"""Write tiny random GGUF models, complete enough for llama.cpp to load, tokenise with and decode.

Each file is decided by its options and seed alone, byte for byte. `write_tiny` knows tensor
names, shapes and metadata (`tinyarch` has what differs between architectures, `tinyvocab` the
tokenizers), nothing of what a forward pass does with them: `oracle.py` computes LLaMA's, llama.cpp
all the others'. Mistral is arch "llama".
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import gguf
import numpy as np
from gguf.quants import quantize
from numpy.typing import NDArray
from tinyarch import ARCHITECTURES, ARCHS, WINDOW
from tinyvocab import add_bpe, add_spm

__all__ = ["ARCHITECTURES", "QUANTS", "WIDE", "Tiny", "write_tiny"]

Floats = NDArray[np.float32]

QUANTS: Final = ("F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0")
"""Tensor types that can be written here; the K-quants need llama.cpp's own quantiser."""

WIDE: Final[dict[str, Any]] = {"n_embd": 256, "n_heads": 8, "n_kv_heads": 4, "n_ff": 256}
"""Options of a model whose rows are whole blocks of 256, as the K-quants need."""


# Rows and columns: e width, q and k all query or key heads, s both with the values, f feed-forward
# width, h one head, v vocabulary, c context. Norms are "e" unless said.
_SHAPES: Final = {
    "attn_q": "q e",
    "attn_k": "k e",
    "attn_v": "k e",
    "attn_qkv": "s e",
    "attn_output": "e q",
    "attn_q_norm": "h",
    "attn_k_norm": "h",
    "ffn_gate": "f e",
    "ffn_up": "f e",
    "ffn_down": "e f",
    "token_embd": "v e",
    "output": "v e",
    "position_embd": "c e",
}

# Attention that looks somewhere in particular, and feed-forwards that are not drowned by it.
_GAINS: Final = {"attn_q": 1.4, "attn_k": 1.4, "attn_qkv": 1.2, "ffn_down": 1.5}


@dataclass(frozen=True)
class Tiny:
    """Everything that decides the bytes of one tiny model."""

    arch: str = "llama"
    n_layers: int = 3
    n_embd: int = 64
    n_heads: int = 4
    n_kv_heads: int = 2
    n_ff: int = 128
    n_vocab: int = 384
    n_ctx: int = 512
    head_dim: int | None = None
    """Width of a head; None: the architecture's own choice, mostly n_embd / n_heads. Others
    load only for llama, qwen3, gemma and granite."""
    tied: bool | None = None
    """Whether the embedding is the output matrix; None: untied where the architecture can."""
    quant: str = "F32"
    """Type of all matrices, one of `QUANTS`; norms, biases and positions stay F32."""
    output_quant: str | None = None
    """Type of the output matrix (the embedding's, where it is tied); None: as `quant`."""
    seed: int = 0
    skip_blocks: tuple[int, ...] = ()
    """Blocks to leave out, 1..n_layers; those that stay are renumbered, otherwise unchanged."""
    zeroed: tuple[str, ...] = ()
    """Tensors written as zeros, by their name before renumbering ("blk.0.ffn_down.weight")."""
    tokenizer: str = "bpe"
    """"bpe": byte-level, as GPT-2's; "spm": SentencePiece with byte fallback, as LLaMA 2's."""
    add_bos: bool | None = None
    """Whether tokenising adds BOS; None: with "spm" only."""
    special: tuple[tuple[str, str], ...] = ()
    """More tokens, (text, "CONTROL" or "USER_DEFINED"): the last ones of the vocabulary."""
    chat_template: str | None = None
    name: str = "tiny"
    """The name in the file. llama.cpp has tokenizer rules of its own for some, such as "phi3"."""
    rope_freq_base: float = 10_000.0
    rope_linear: float | None = None
    """Factor by which linear RoPE scaling stretches the positions; None: none."""
    rope_freqs: bool = False
    """With a tensor of divisors for RoPE's frequencies, as Llama 3.1 (llama and granite only)."""


def write_tiny(path: Path, arch: str = "llama", **options: Any) -> Path:
    """Write the model that `Tiny(arch, **options)` describes to `path`, and return `path`.

    Raises TypeError for an option that does not exist and ValueError for one out of range.
    """
    tiny = Tiny(arch=arch, **options)
    _check(tiny)
    writer = gguf.GGUFWriter(path, arch)
    _add_metadata(writer, tiny)
    _add_tokenizer(writer, tiny)
    for name, values, kind in _tensors(tiny):
        writer.add_tensor(name, quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _check(tiny: Tiny) -> None:
    if tiny.arch not in ARCHS:
        raise ValueError(f"arch {tiny.arch!r} is not one of {ARCHITECTURES}")
    if not {tiny.quant, tiny.output_quant or tiny.quant} <= set(QUANTS):
        raise ValueError(f"quant {tiny.quant!r}, {tiny.output_quant!r}: not of {QUANTS}")
    if tiny.tokenizer not in {"bpe", "spm"}:
        raise ValueError(f"tokenizer {tiny.tokenizer!r} is neither 'bpe' nor 'spm'")
    if None not in {tiny.tied, (rule := ARCHS[tiny.arch].tied)} and tiny.tied != rule:
        raise ValueError(f"{tiny.arch} files are {'always' if rule else 'never'} tied")
    if not set(tiny.skip_blocks) < set(range(1, tiny.n_layers + 1)):
        raise ValueError(f"skip_blocks {tiny.skip_blocks} must leave some of {tiny.n_layers}")
    if missing := set(tiny.zeroed) - {name for name, _, _ in _layout(tiny)}:
        raise ValueError(f"zeroed names no tensor of this model: {sorted(missing)}")


def _kept(tiny: Tiny) -> list[int]:
    """Give the blocks that are written, counted from 0, in order."""
    return [block for block in range(tiny.n_layers) if block + 1 not in tiny.skip_blocks]


def _head_dim(tiny: Tiny) -> int:
    return tiny.head_dim or ARCHS[tiny.arch].head_dim or tiny.n_embd // tiny.n_heads


def _is_tied(tiny: Tiny) -> bool:
    return tiny.tied if tiny.tied is not None else bool(ARCHS[tiny.arch].tied)


# --- metadata -------------------------------------------------------------------------------


def _add_metadata(writer: Any, tiny: Tiny) -> None:
    arch, head = ARCHS[tiny.arch], _head_dim(tiny)
    writer.add_name(tiny.name)
    writer.add_file_type(gguf.LlamaFileType[_file_type(tiny.quant)])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_vocab_size(tiny.n_vocab)
    writer.add_context_length(tiny.n_ctx)
    writer.add_embedding_length(tiny.n_embd)
    writer.add_block_count(len(_kept(tiny)))
    writer.add_feed_forward_length(tiny.n_ff)
    writer.add_head_count(tiny.n_heads)
    writer.add_head_count_kv(tiny.n_kv_heads)
    writer.add_key_length(head)
    writer.add_value_length(head)
    (writer.add_layer_norm_eps if arch.layer_norm else writer.add_layer_norm_rms_eps)(1e-5)
    if arch.rotated:
        writer.add_rope_dimension_count(int(head * arch.rotated))
        writer.add_rope_freq_base(tiny.rope_freq_base)
    if tiny.rope_linear is not None:
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(tiny.rope_linear)
    if arch.meta.keys() & WINDOW.keys():
        # Written out per layer, so that a skipped block takes its own kind of attention along.
        writer.add_sliding_window_pattern([block % 2 == 0 for block in _kept(tiny)])
    for key, value in arch.meta.items():
        _add_value(writer, f"{tiny.arch}.{key}", value)


def _add_tokenizer(writer: Any, tiny: Tiny) -> None:
    if tiny.tokenizer == "spm":
        add_spm(writer, tiny.n_vocab, tiny.special, add_bos=tiny.add_bos is not False)
    else:
        add_bpe(writer, tiny.n_vocab, tiny.special, add_bos=bool(tiny.add_bos))
    if tiny.chat_template is not None:
        writer.add_chat_template(tiny.chat_template)


def _file_type(quant: str) -> str:
    return "ALL_F32" if quant == "F32" else f"MOSTLY_{quant}"


def _add_value(writer: Any, key: str, value: float) -> None:
    adders = {bool: writer.add_bool, int: writer.add_uint32, float: writer.add_float32}
    adders[type(value)](key, value)


# --- tensors --------------------------------------------------------------------------------


def _layout(tiny: Tiny) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """Give (name in the whole model, name in this file, shape) of every tensor."""
    arch = ARCHS[tiny.arch]
    stems = ["token_embd", *arch.root.split()]
    if not _is_tied(tiny) and "output+b" not in stems:
        stems.append("output")
    for stem in stems:
        yield from ((name, name, shape) for name, shape in _parts(tiny, stem))
    if tiny.rope_freqs:
        yield "rope_freqs.weight", "rope_freqs.weight", (_head_dim(tiny) // 2,)
    for new, old in enumerate(_kept(tiny)):
        for stem in arch.block.split():
            for name, shape in _parts(tiny, stem):
                yield f"blk.{old}.{name}", f"blk.{new}.{name}", shape


def _parts(tiny: Tiny, stem: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Give name and shape of a stem's weight and, if it is marked "+b", of its bias."""
    name, biased = stem.removesuffix("+b"), stem.endswith("+b")
    letters = ARCHS[tiny.arch].shapes.get(name) or _SHAPES.get(name, "e")
    shape = tuple(_dims(tiny)[letter] for letter in letters.split())
    yield f"{name}.weight", shape
    if biased:
        yield f"{name}.bias", shape[:1]


def _dims(tiny: Tiny) -> dict[str, int]:
    head = _head_dim(tiny)
    q, k = tiny.n_heads * head, tiny.n_kv_heads * head
    wide = {"f": tiny.n_ff, "2f": 2 * tiny.n_ff, "v": tiny.n_vocab, "c": tiny.n_ctx}
    return {"e": tiny.n_embd, "q": q, "k": k, "s": q + 2 * k, "h": head, **wide}


def _tensors(tiny: Tiny) -> Iterator[tuple[str, Floats, Any]]:
    """Give (name, values, GGML type) of every tensor of the file, in file order."""
    for whole, name, shape in _layout(tiny):
        values = _values(tiny, whole, shape)
        if whole in tiny.zeroed:
            values = np.zeros_like(values)
        yield name, values, gguf.GGMLQuantizationType[_kind(tiny, name, shape)]


def _kind(tiny: Tiny, name: str, shape: tuple[int, ...]) -> str:
    if len(shape) == 1 or name.startswith("position_embd"):
        return "F32"
    is_output = name == ("token_embd.weight" if _is_tied(tiny) else "output.weight")
    return tiny.output_quant or tiny.quant if is_output else tiny.quant


def _values(tiny: Tiny, name: str, shape: tuple[int, ...]) -> Floats:
    """Draw a tensor; its own name seeds it, so it does not depend on what else is written."""
    draw = np.random.default_rng([tiny.seed, zlib.crc32(name.encode())]).standard_normal(shape)
    stem = name.split(".")[-2]
    if name == "rope_freqs.weight":
        values = np.linspace(1.0, 8.0, shape[0])
    elif len(shape) == 1:
        values = draw * 0.2 + (1.0 if name.endswith("norm.weight") else 0.0)
    else:
        values = draw * _spread(tiny, stem)
    return values.astype(np.float32)


def _spread(tiny: Tiny, stem: str) -> float:
    """Give a matrix' standard deviation: logits end up with one of about 3."""
    width = {"attn_output": _dims(tiny)["q"], "ffn_down": tiny.n_ff}.get(stem, tiny.n_embd)
    if stem == "output" or (stem == "token_embd" and _is_tied(tiny)):
        return float(3.0 * ARCHS[tiny.arch].gain / np.sqrt(width))
    if stem in {"token_embd", "position_embd"}:
        return 0.5
    return float(_GAINS.get(stem, 1.0) / np.sqrt(width))
