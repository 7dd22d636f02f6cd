"""How a tokenised task is packed and what work that is, found without a context.

Scoring and counting ask here, so that what was counted is what is done. This module knows token
sequences and settings. It does not know llama.cpp, layers or scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from llprobe.engine.tokens import TokenizedTask
from llprobe.engine.trie import Limits, Packing, TokenItem, build_trie, pack
from llprobe.estimate import Counts
from llprobe.settings import EngineSettings

__all__ = [
    "GROUP_SIZE",
    "PackedPrompts",
    "PackedTask",
    "count_prompts",
    "count_task",
    "pack_prompts",
    "pack_task",
]

GROUP_SIZE: Final = 8
"""Most prompts that are answered together."""


@dataclass(frozen=True, slots=True)
class PackedTask:
    """Groups of questions, and the context that they need: tokens of cache, and sequences."""

    packing: Packing
    n_ctx: int
    leaves: int


def pack_task(task: TokenizedTask, settings: EngineSettings, max_rows: int) -> PackedTask:
    """Pack a task's questions for decodes of at most `max_rows` flagged rows."""
    share = settings.share
    n_ctx = settings.n_ctx or task.longest + settings.n_batch
    leaves = min(settings.max_leaves, max_rows) if share else 1
    limits = Limits(settings.n_batch if share else 1, n_ctx, leaves, share_prefix=share)
    return PackedTask(pack(task.items, limits), n_ctx, leaves)


def count_task(items: Sequence[TokenItem], packing: Packing) -> Counts:
    """Tokens that all groups decode, the shared prefix included, and distinct scored rows."""
    skip = len(packing.prefix)
    tokens, rows = skip, 0
    for group in packing.groups:
        for members in group.passes:
            trie = build_trie(items, members, skip)
            tokens += len(trie.tokens)
            rows += len(np.unique(trie.edge_rows))
    return Counts(tokens=tokens, rows=rows)


@dataclass(frozen=True, slots=True)
class PackedPrompts:
    """Prompts to be answered: their common start, groups of positions, and the context needed."""

    prefix: tuple[int, ...]
    groups: tuple[tuple[int, ...], ...]
    n_ctx: int
    size: int


def pack_prompts(
    prompts: Sequence[tuple[int, ...]],
    settings: EngineSettings,
    max_rows: int,
    n_ctx_train: int,
    max_tokens: int,
) -> PackedPrompts:
    """Group prompts for answers of at most `max_tokens`; `n_ctx_train` is the model's context."""
    prefix = _shared_prefix(prompts) if settings.share else ()
    skip = len(prefix)
    cells = [len(prompt) - skip + max_tokens for prompt in prompts]
    size = min(GROUP_SIZE, settings.max_leaves, max_rows) if settings.share else 1
    # together, too, they take no more memory than the model's longest text would
    groups = _grouped(cells, size, (settings.n_ctx or n_ctx_train) - skip)
    n_ctx = skip + max((sum(cells[p] for p in group) for group in groups), default=1)
    return PackedPrompts(prefix, groups, n_ctx, size)


def count_prompts(
    prompts: Sequence[tuple[int, ...]], packed: PackedPrompts, max_tokens: int
) -> Counts:
    """Tokens of all prompts, their common start once, and the most that is written for them."""
    skip = len(packed.prefix)
    tokens = skip + sum(len(prompt) - skip for prompt in prompts)
    return Counts(tokens=tokens, written=len(prompts) * max_tokens)


def _shared_prefix(prompts: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """Tokens that all prompts begin with, short of the last one of the shortest."""
    if not prompts:
        return ()
    low, high = min(prompts), max(prompts)
    end = min(map(len, prompts)) - 1
    return low[: next((i for i in range(end) if low[i] != high[i]), end)]


def _grouped(cells: Sequence[int], size: int, room: int) -> tuple[tuple[int, ...], ...]:
    """Cut positions 0..n, in order, into groups of at most `size`, and of `room` cells in sum.

    A position that takes more than `room` is a group by itself.
    """
    groups: list[tuple[int, ...]] = []
    used = 0
    for position, need in enumerate(cells):
        if groups and len(groups[-1]) < size and used + need <= room:
            groups[-1] += (position,)
            used += need
        else:
            groups.append((position,))
            used = need
    return tuple(groups)
