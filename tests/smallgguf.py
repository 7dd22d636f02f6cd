"""Small GGUF files whose headers contradict themselves nowhere: they are read, no model runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gguf
import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["N_EMBD", "N_VOCAB", "write_gguf"]

N_EMBD, N_VOCAB = 32, 40


def write_gguf(
    path: Path,
    *,
    arch: str = "llama",
    layers: int = 2,
    meta: dict[str, Any] | None = None,
    drop: tuple[str, ...] = (),
    untied: bool = False,
    seed: int = 0,
) -> Path:
    """Write a small model that contradicts itself nowhere; `meta` overrides, `drop` leaves out."""
    writer = gguf.GGUFWriter(path, arch)
    fields: dict[str, Any] = {
        "general.name": "Tiny",
        "general.file_type": 7,
        f"{arch}.block_count": layers,
        f"{arch}.embedding_length": N_EMBD,
        f"{arch}.context_length": 64,
        f"{arch}.attention.head_count": 4,
        f"{arch}.attention.head_count_kv": 2,
        "tokenizer.ggml.tokens": [f"t{i}" for i in range(N_VOCAB)],
        **(meta or {}),
    }
    for key, value in fields.items():
        if key not in drop:
            _add(writer, key, value)
    rng = np.random.default_rng(seed)
    names = ["token_embd.weight", "output_norm.weight"] + ["output.weight"] * untied
    for layer in range(layers):
        names += [f"blk.{layer}.{part}.weight" for part in ("attn_q", "ffn_up", "attn_norm")]
    for name in names:
        if name not in drop:
            _tensor(writer, name, rng)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add(writer: gguf.GGUFWriter, key: str, value: Any) -> None:
    if isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, int):
        writer.add_uint32(key, value)
    elif isinstance(value, str):
        writer.add_string(key, value)
    else:
        writer.add_array(key, value)


def _tensor(writer: gguf.GGUFWriter, name: str, rng: np.random.Generator) -> None:
    rows = N_VOCAB if name in {"token_embd.weight", "output.weight"} else N_EMBD
    if "norm" in name:
        writer.add_tensor(name, rng.standard_normal(N_EMBD).astype(np.float32))
        return
    data = rng.standard_normal((rows, N_EMBD)).astype(np.float32)
    packed = gguf.quants.quantize(data, gguf.GGMLQuantizationType.Q8_0)
    writer.add_tensor(name, packed, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
