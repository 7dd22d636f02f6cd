"""How wide a model's parts are, for estimates: its cache and its feed-forward.

Metadata that are missing or odd give 0, not known: nothing is refused for an estimate's sake.
This module does not know tensors, nor what is estimated.
"""

from __future__ import annotations

from gguf.constants import Keys

from llprobe.model.metadata import Metadata

__all__ = ["cached_numbers", "feed_forward_width"]


def cached_numbers(meta: Metadata, arch: str) -> int:
    """Keys and values that a token leaves in the caches of all layers, 0 = not known.

    Layers may differ in their heads. One that attends to a window only counts in full, because
    llprobe keeps a cache of every position. What a model shares between layers counts twice.
    """
    n_layers = _number(meta, Keys.LLM.BLOCK_COUNT.format(arch=arch))
    heads = _layers(meta, Keys.Attention.HEAD_COUNT.format(arch=arch), n_layers)
    heads_kv = _layers(meta, Keys.Attention.HEAD_COUNT_KV.format(arch=arch), n_layers) or heads
    if not heads:
        return 0
    whole = _number(meta, Keys.LLM.EMBEDDING_LENGTH.format(arch=arch)) // max(*heads, 1)
    key = _number(meta, Keys.Attention.KEY_LENGTH.format(arch=arch)) or whole
    value = _number(meta, Keys.Attention.VALUE_LENGTH.format(arch=arch)) or whole
    return sum(heads_kv) * (key + value)


def feed_forward_width(meta: Metadata, arch: str) -> int:
    """Width of a block's feed-forward, that of all experts of a token together, 0 = not known."""
    dense = _number(meta, Keys.LLM.FEED_FORWARD_LENGTH.format(arch=arch))
    used = _number(meta, Keys.LLM.EXPERT_USED_COUNT.format(arch=arch))
    expert = _number(meta, Keys.LLM.EXPERT_FEED_FORWARD_LENGTH.format(arch=arch)) or dense
    shared = _number(meta, Keys.LLM.EXPERT_SHARED_COUNT.format(arch=arch))
    return max(dense, (used + shared) * expert if used else 0)


def _numbers(meta: Metadata, key: str) -> tuple[int, ...]:
    value = meta.values.get(key)
    found = value if isinstance(value, tuple) else (value,)
    return tuple(v for v in found if type(v) is int and v >= 0)


def _number(meta: Metadata, key: str) -> int:
    """Return a number, of one per layer the largest; 0 where there is none."""
    return max(_numbers(meta, key), default=0)


def _layers(meta: Metadata, key: str, n_layers: int) -> tuple[int, ...]:
    """Return a number for each layer, where one may stand for all; empty where not known."""
    found = _numbers(meta, key)
    found = found * n_layers if len(found) == 1 else found
    return found if len(found) == n_layers else ()
