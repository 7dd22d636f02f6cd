"""What is said of models: those that there are, what a file holds, what a quantised one lost.

This module knows words and rows. It does not know where they are shown.
"""

from __future__ import annotations

from typing import Any

from llprobe.model import ModelInfo, fallbacks, list_models

__all__ = ["model_facts", "model_rows", "quantised", "size"]


def size(value: int | None) -> str:
    """Return bytes as megabytes or gigabytes, a dash for none."""
    if not value:
        return "–"
    return f"{value / 1e9:.2f} GB" if value >= 1e9 else f"{value / 1e6:.1f} MB"


def model_rows() -> list[dict[str, Any]]:
    """Return a row for every model of the catalog and every one that was quantised here."""
    return [
        {
            "name": m.name,
            "quant": m.quant,
            "here": m.downloaded,
            "bytes": m.size_bytes,
            "licence": m.entry.licence if m.entry else "",
            "good_for": m.entry.good_for if m.entry else "",
            "path": str(m.path) if m.path else "",
        }
        for m in list_models()
    ]


def model_facts(info: ModelInfo) -> dict[str, Any]:
    """Return what a model's file says of itself, by what it is called."""
    classes = {
        f"{c.name}_tensors": ", ".join(f"{n} x {kind}" for kind, n in c.types)
        for c in info.tensor_classes
    }
    remarks = info.remarks()
    bits, in_blocks = info.bits_per_weight, info.block_bits_per_weight
    return {
        "name": info.name,
        "file": ", ".join(str(path) for path in info.paths),
        "file_size": size(info.file_bytes),
        "calls_itself": info.general_name,
        "architecture": info.architecture,
        "layers": info.n_layers,
        "width": info.n_embd,
        "heads": f"{info.n_heads}, {info.n_heads_kv} key-value",
        "vocabulary": info.n_vocab,
        "context": info.n_ctx_train,
        "parameters": f"{info.n_params / 1e6:,.1f} M",
        "quant": info.quant,
        "bits_per_weight": f"{bits:.2f} ({in_blocks:.2f} in blocks)",
        **classes,
        "output_matrix": "the embedding's (tied)" if info.tied_output else "its own",
        "chat_template": "yes" if info.has_chat_template else "no",
        "fingerprint": info.fingerprint,
        **({"remarks": " ".join(f"{remark}." for remark in remarks)} if remarks else {}),
    }


def quantised(base: ModelInfo, made: ModelInfo) -> list[str]:
    """Say what a file that was quantised from `base` is, and what it is not, a line each."""
    head = f"{made.name}: {size(made.file_bytes)}, {made.bits_per_weight:.2f} bits per weight, "
    lines = [f"{head}{made.paths[0]}"]
    source, result = base.block_bits_per_weight, made.block_bits_per_weight
    if base.quant not in {"F32", "F16", "BF16"}:
        lines.append(f"  a requantisation: its source {base.name} is {base.quant} already")
    if result > source:
        lines.append(
            f"  above its source ({result:.2f} against {source:.2f} bits per weight in blocks): "
            "it restores nothing that was lost"
        )
    fell = fallbacks(made.tensor_classes, made.quant)
    kinds = (
        f"{name} {', '.join(f'{n} x {kind}' for kind, n in types.items())}"
        for name, types in fell.items()
    )
    if fell:
        lines.append(f"  fell back, since 256 does not divide the width: {'; '.join(kinds)}")
    return lines
