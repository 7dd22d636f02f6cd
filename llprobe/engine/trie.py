"""Prefix trees over token sequences, and the packing of many questions into few decodes.

A token is decoded once however many options of however many questions share the tokens up to it;
the last token of an option is never decoded, because its parent predicts it. Packing depends on
the token sequences, their order and the limits alone, never on where a run was interrupted.

This module is pure: integers in, arrays out. It does not know llama.cpp, models or tasks.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

__all__ = ["Group", "Limits", "Packing", "TokenItem", "Trie", "build_trie", "pack", "slices"]

IntArray = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class TokenItem:
    """A question in tokens: prompt and option tokenised jointly, one sequence an option.

    `start` is the index of the first scored token, the same for every option. Each sequence is
    longer than `start`, and `start` is at least 1: something must predict the first option token.
    """

    sequences: tuple[tuple[int, ...], ...]
    start: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What one pass through the model may hold.

    `tokens`: distinct tokens of a group, a soft limit that a single question may exceed, and
    questions that share most of theirs;
    `capacity`: tokens that fit the cache, the prefix included, a hard one;
    `leaves`: sequences; `share_prefix`: whether the questions' common prefix is computed once.
    """

    tokens: int
    capacity: int
    leaves: int
    share_prefix: bool = True


@dataclass(frozen=True, slots=True)
class Trie:
    """A prefix tree in depth-first order: arrays over nodes, and edges that carry the scores.

    Node i decodes `tokens[i]` at `positions[i]` (after the prefix) for the leaf sequences
    ``seq_lo[i] <= s < seq_hi[i]``. Edge e says that row `edge_rows[e]` predicts `edge_tokens[e]`;
    rows ascend. `options` maps (item, option) to the edges whose log-probs sum to its score.
    """

    tokens: IntArray
    positions: IntArray
    seq_lo: IntArray
    seq_hi: IntArray
    edge_rows: npt.NDArray[np.int64]
    edge_tokens: npt.NDArray[np.int64]
    options: tuple[tuple[int, int, npt.NDArray[np.intp]], ...]

    @property
    def n_leaves(self) -> int:
        """Number of leaf sequences."""
        return int(self.seq_hi.max(initial=0))


@dataclass(frozen=True, slots=True)
class Group:
    """Questions scored and stored together; more than one pass where they exceed the limits."""

    items: tuple[int, ...]
    passes: tuple[tuple[tuple[int, int], ...], ...]


@dataclass(frozen=True, slots=True)
class Packing:
    """A whole task packed: the tokens that every question begins with, and the groups."""

    prefix: tuple[int, ...]
    groups: tuple[Group, ...]


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    """Length of the common prefix of two sequences."""
    n = min(len(a), len(b))
    return next((i for i in range(n) if a[i] != b[i]), n)


def _shared_prefix(items: Sequence[TokenItem]) -> tuple[int, ...]:
    """Tokens that all sequences begin with, short of the one that predicts a first option token."""
    if not items:
        return ()
    sequences = [s for item in items for s in (min(item.sequences), max(item.sequences))]
    low, high = min(sequences), max(sequences)
    length = min(_common(low, high), *(item.start - 1 for item in items))
    return low[:length]


def _nodes(item: TokenItem, options: Sequence[int], skip: int) -> int:
    """Distinct tokens that these options decode after the first `skip`."""
    paths = sorted(item.sequences[o][skip:-1] for o in options)
    return sum(
        len(path) - _common(path, before) for before, path in itertools.pairwise([(), *paths])
    )


def _split(
    item: TokenItem, index: int, skip: int, limits: Limits
) -> Iterator[tuple[tuple[int, int], ...]]:
    """Cut one question's options, in sorted order, into passes that fit the limits."""
    order = sorted(range(len(item.sequences)), key=lambda o: item.sequences[o])
    current: list[int] = []
    for option in order:
        over = (
            len(current) >= limits.leaves
            or _nodes(item, [*current, option], skip) > limits.capacity
        )
        if current and over:
            yield tuple((index, o) for o in current)
            current = []
        current.append(option)
    yield tuple((index, o) for o in current)


class _Open:
    """The group that is being filled: its items, and the paths that it decodes, sorted."""

    def __init__(self) -> None:
        self.items: list[int] = []
        self.paths: list[tuple[int, ...]] = []
        self.nodes = 0

    def more(self, paths: Sequence[tuple[int, ...]]) -> int:
        """Distinct tokens that these sorted paths add to the group's own."""
        added = 0
        before: tuple[int, ...] = ()
        for path in paths:
            added += len(path) - max(self._shared(path), _common(path, before))
            before = path
        return added

    def _shared(self, path: tuple[int, ...]) -> int:
        at = bisect_left(self.paths, path)
        return max((_common(path, near) for near in self.paths[max(at - 1, 0) : at + 1]), default=0)

    def n_leaves(self, paths: Iterable[tuple[int, ...]]) -> int:
        """Leaves of the group together with these paths, or a few more."""
        return len({*self.paths, *paths})

    def take(self, item: int, paths: Iterable[tuple[int, ...]], nodes: int) -> None:
        """Add an item."""
        self.items.append(item)
        self.paths = sorted({*self.paths, *paths})
        self.nodes += nodes


def pack(items: Sequence[TokenItem], limits: Limits) -> Packing:
    """Pack questions, in their order, into groups that fit `limits`.

    A question that shares at least half of its tokens with those before it joins them beyond the
    soft limit. One that fits no pass together with its other options gets several; one whose
    longest option exceeds the capacity must have been left out before.
    """
    prefix = _shared_prefix(items) if limits.share_prefix else ()
    skip = len(prefix)
    limits = replace(limits, capacity=limits.capacity - skip)
    groups: list[Group] = []
    group = _Open()
    for index, item in enumerate(items):
        paths = sorted({s[skip:-1] for s in item.sequences})
        size = _Open().more(paths)
        added = group.more(paths) if limits.share_prefix else size
        mostly_new = added * 2 > size
        if group.items and (
            (mostly_new and group.nodes + added > limits.tokens)
            or group.nodes + added > limits.capacity
            or group.n_leaves(paths) > limits.leaves
        ):
            groups.append(_closed(group, items))
            group, added = _Open(), size
        if size > limits.capacity or len(paths) > limits.leaves:
            groups.append(Group((index,), tuple(_split(item, index, skip, limits))))
        else:
            group.take(index, paths, added)
    if group.items:
        groups.append(_closed(group, items))
    return Packing(prefix, tuple(groups))


def _closed(group: _Open, items: Sequence[TokenItem]) -> Group:
    whole = tuple((i, o) for i in group.items for o in range(len(items[i].sequences)))
    return Group(tuple(group.items), (whole,))


class _Builder:
    """Grows a trie path by path, in sorted order, so that each path only extends the last."""

    def __init__(self, offset: int) -> None:
        self.offset = offset
        self.tokens: list[int] = []
        self.positions: list[int] = []
        self.lo: list[int] = []
        self.hi: list[int] = []
        self.stack: list[int] = []
        self.path: tuple[int, ...] = ()
        self.leaf = -1
        self.edges: dict[tuple[int, int], int] = {}

    def add(self, path: tuple[int, ...]) -> None:
        """Decode `path`: extend the current one, or start a new leaf where they part."""
        keep = _common(self.path, path)
        if keep < len(self.path) or self.leaf < 0:
            self.leaf += 1
            for node in self.stack[:keep]:
                self.hi[node] = self.leaf + 1
        del self.stack[keep:]
        for position in range(keep, len(path)):
            self.stack.append(len(self.tokens))
            self.tokens.append(path[position])
            self.positions.append(self.offset + position)
            self.lo.append(self.leaf)
            self.hi.append(self.leaf + 1)
        self.path = path

    def score(self, sequence: tuple[int, ...], start: int) -> npt.NDArray[np.intp]:
        """Return the edges of `sequence` from its token `start` on; its path was just added."""
        pairs = [(self.stack[j - 1], sequence[j]) for j in range(start, len(sequence))]
        ids = [self.edges.setdefault(pair, len(self.edges)) for pair in pairs]
        return np.array(ids, np.intp)


def build_trie(
    items: Sequence[TokenItem], members: Sequence[tuple[int, int]], prefix_length: int
) -> Trie:
    """Build the tree of the given (item, option) pairs, after a prefix of `prefix_length`."""
    tails = {(i, o): items[i].sequences[o][prefix_length:] for i, o in members}
    builder = _Builder(prefix_length)
    scored: list[tuple[int, int, npt.NDArray[np.intp]]] = []
    for (i, o), tail in sorted(tails.items(), key=lambda entry: (entry[1][:-1], entry[0])):
        builder.add(tail[:-1])
        scored.append((i, o, builder.score(tail, items[i].start - prefix_length)))
    edges = np.array(list(builder.edges), np.int64).reshape(-1, 2)
    order = np.lexsort((edges[:, 1], edges[:, 0]))
    rank = np.empty(len(order), np.intp)
    rank[order] = np.arange(len(order))
    return Trie(
        tokens=np.array(builder.tokens, np.int32),
        positions=np.array(builder.positions, np.int32),
        seq_lo=np.array(builder.lo, np.int32),
        seq_hi=np.array(builder.hi, np.int32),
        edge_rows=edges[order, 0],
        edge_tokens=edges[order, 1],
        options=tuple((i, o, rank[ids]) for i, o, ids in scored),
    )


def slices(trie: Trie, max_tokens: int, max_rows: int) -> list[tuple[int, int]]:
    """Cut a trie's nodes into decodes [a, b) of bounded tokens and bounded flagged rows."""
    flagged = np.zeros(len(trie.tokens), bool)
    flagged[trie.edge_rows] = True
    cuts, rows = [0], 0
    for i, flag in enumerate(flagged):
        if i - cuts[-1] >= max_tokens or rows + flag > max_rows:
            cuts.append(i)
            rows = 0
        rows += int(flag)
    return list(itertools.pairwise([*cuts, len(flagged)]))
