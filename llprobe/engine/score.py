"""Questions -> summed log-probs of every option at every layer, group by group.

The score of an option at a layer is the sum of the log-probs of its tokens, given the prompt and
the option's tokens before, with that layer's logits (arXiv 2312.04333, section 3). The prefix
that all questions share is decoded once, each group of questions as one prefix tree.

This module knows items and packings. It does not know runs, stores or processes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Self

import numpy as np
import numpy.typing as npt

from llprobe.ablation import NONE, Ablation
from llprobe.engine.ablate import check_ablation, open_capture
from llprobe.engine.lens import normed_layers, target_log_probs
from llprobe.engine.packed import count_task, pack_task
from llprobe.engine.probe import Probe
from llprobe.engine.session import Context
from llprobe.engine.tokens import TokenizedTask
from llprobe.engine.trie import Group, Packing, Trie, build_trie, slices

__all__ = ["ItemScore", "Scorer"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ItemScore:
    """One item's scores: `logprob[lens]` (n_options, n_layers), natural log, summed over tokens.

    Where it is not finite the item has no score; see `Scorer.fault`.
    """

    index: int
    n_tokens: tuple[int, ...]
    logprob: dict[str, FloatArray]

    @property
    def finite(self) -> bool:
        """Whether all log-probs are numbers, through every lens."""
        return all(np.isfinite(values).all() for values in self.logprob.values())


@dataclass(slots=True)
class Phases:
    """Seconds spent so far, and the work done in them."""

    prefill: float = 0.0
    capture: float = 0.0
    projection: float = 0.0
    tokens: int = 0
    rows: int = 0
    targets: int = 0

    def as_dict(self) -> dict[str, float]:
        """Return the figures by name."""
        return asdict(self)


class Scorer:
    """Scores one tokenised task on a probe, group by group; a context manager.

    `layers` are the layers to score, numbered 1..n (0 = the first block's input). `ablation` is
    what is left out of the model, also while the shared prefix is decoded; ModelNotSupported is
    raised where this model cannot be run so. `packing` is what is computed together; `phases`
    says where the time went.
    """

    def __init__(
        self,
        probe: Probe,
        task: TokenizedTask,
        layers: Sequence[int],
        lenses: Sequence[str],
        ablation: Ablation = NONE,
    ) -> None:
        check_ablation(probe, ablation)
        self._stack = ExitStack()
        self.probe, self.task, self.layers = probe, task, tuple(layers)
        n_layers = probe.model.n_layers
        self._normed = {lens: normed_layers(lens, self.layers, n_layers) for lens in lenses}
        packed = pack_task(task, probe.settings, probe.max_rows)
        self.packing: Packing = packed.packing
        self._context = self._stack.enter_context(
            Context(probe.model, packed.n_ctx, packed.leaves + 1, probe.max_rows)
        )
        self._capture = open_capture(probe, self._context, self.layers, ablation)
        self.phases = Phases()
        self._ready = False
        self._spoilt = False

    @property
    def n_tokens(self) -> int:
        """Tokens that all groups decode, the shared prefix included."""
        return count_task(self.task.items, self.packing).tokens

    def groups(self, done: frozenset[int] = frozenset()) -> Iterator[tuple[int, list[ItemScore]]]:
        """Score every group that is not `done`; yields (group index, its items' scores)."""
        for index in range(len(self.packing.groups)):
            if index not in done:
                yield index, self._group(index)

    def fault(self, score: ItemScore, lens: str) -> str:
        """Say why an item has no score through a lens; empty where it has one."""
        finite = np.asarray(np.isfinite(score.logprob[lens]).all(axis=0))
        if finite.all():
            return ""
        first = self.layers[int(finite.argmin())]
        devices = " and ".join(self.probe.split.devices)
        hint = f": {devices} may overflow, try -ngl 0" if devices else ""
        wrong = f"{np.count_nonzero(~finite)} of {len(finite)} layers, the first of them {first}"
        return f"its log-probabilities are not numbers at {wrong}{hint}"

    def _group(self, index: int) -> list[ItemScore]:
        group = self.packing.groups[index]
        scores = self._together(group)
        if not self._spoilt:
            return scores
        # a state that is not a number may spoil what is decoded beside it, or after it
        for place, item in enumerate(group.items):
            if not scores[place].finite and len(group.items) > 1:
                self._restart()
                mine = (tuple(p for p in part if p[0] == item) for part in group.passes)
                alone = Group((item,), tuple(part for part in mine if part))
                scores[place] = self._together(alone)[0]
        self._restart()
        return scores

    def _restart(self) -> None:
        """Empty the cache, so that nothing is left of states that are not numbers."""
        self._context.drop_all()
        self._ready = self._spoilt = False

    def _together(self, group: Group) -> list[ItemScore]:
        self._prefix()
        sums: dict[tuple[int, int], dict[str, FloatArray]] = {}
        for members in group.passes:
            trie = build_trie(self.task.items, members, len(self.packing.prefix))
            edges = self._edges(trie)
            for item, option, ids in trie.options:
                sums[item, option] = {lens: lp[ids].sum(axis=0) for lens, lp in edges.items()}
        return [self._item(i, sums) for i in group.items]

    def _item(self, i: int, sums: dict[tuple[int, int], dict[str, FloatArray]]) -> ItemScore:
        item = self.task.items[i]
        options = range(len(item.sequences))
        logprob = {lens: np.stack([sums[i, o][lens] for o in options]) for lens in self._normed}
        n_tokens = tuple(len(s) - item.start for s in item.sequences)
        return ItemScore(self.task.indices[i], n_tokens, logprob)

    def _prefix(self) -> None:
        if self._ready:
            return
        started = perf_counter()
        self._context.callback.listener = self._capture
        for a in range(0, len(self.packing.prefix), self._context.n_batch):
            part = np.array(self.packing.prefix[a : a + self._context.n_batch], np.int32)
            self._capture.begin(np.zeros(len(part), bool))
            self._context.decode_first(part, a)
        self.phases.prefill += perf_counter() - started
        self.phases.tokens += len(self.packing.prefix)
        self._ready = True

    def _edges(self, trie: Trie) -> dict[str, FloatArray]:
        """Log-probs (n_edges, n_layers) of a tree's edges through every lens."""
        out = {lens: np.empty((len(trie.edge_rows), len(self.layers))) for lens in self._normed}
        self._context.fork(trie.n_leaves)
        for a, b in slices(trie, self._context.n_batch, self._context.max_outputs):
            first, last = np.searchsorted(trie.edge_rows, [a, b])
            flagged = np.zeros(b - a, bool)
            flagged[trie.edge_rows[first:last] - a] = True
            states = self._decode(trie, a, b, flagged)
            if first == last:
                continue
            # edges name nodes of the tree; states have a row for each flagged node of this slice
            rows = (np.cumsum(flagged) - 1)[trie.edge_rows[first:last] - a]
            started = perf_counter()
            for lens, normed in self._normed.items():
                tokens = trie.edge_tokens[first:last]
                out[lens][first:last] = target_log_probs(
                    self.probe.head, states, normed, rows, tokens
                )
            self.phases.projection += perf_counter() - started
            if not all(np.isfinite(values[first:last]).all() for values in out.values()):
                self._spoilt |= not np.isfinite(states).all()
            self.phases.rows += states.shape[1]
        self._context.drop(trie.n_leaves)
        self.phases.targets += len(trie.edge_rows)
        return out

    def _decode(
        self, trie: Trie, a: int, b: int, flagged: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.float32]:
        self._capture.begin(flagged)
        self._context.callback.listener = self._capture
        copied, started = self._capture.seconds, perf_counter()
        # sequence 0 holds the prefix, so a tree's leaf s is llama.cpp's sequence s + 1
        lo, hi = trie.seq_lo[a:b] + 1, trie.seq_hi[a:b] + 1
        tokens, positions = trie.tokens[a:b].copy(), trie.positions[a:b].copy()
        self._context.decode(tokens, positions, lo, hi, flagged)
        copied = self._capture.seconds - copied
        self.phases.capture += copied
        self.phases.prefill += perf_counter() - started - copied
        self.phases.tokens += b - a
        return self._capture.end()

    def close(self) -> None:
        """Free the context; safe to call twice."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
