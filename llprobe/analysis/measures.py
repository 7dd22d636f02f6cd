"""What options' log-probs say of each item at each layer, for a whole table at once.

Metrics are those of metrics.py, item by item: ties and values that are not numbers never count as
correct. Items are taken some thousands at a time, those with as many options together, so that
little memory is needed beside the result. This module knows tables. It does not know averages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from llprobe.analysis.curves import METRICS, OF_WHOLE_OPTIONS, WHY_NOT
from llprobe.analysis.options import OptionTable
from llprobe.errors import UnknownName, UsageError

__all__ = [
    "available",
    "chance",
    "choice",
    "divergence",
    "entropy",
    "margin",
    "metric",
    "prior_metric",
    "probability",
    "rank",
    "shortest",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_CHUNK: Final = 1 << 15
"""Most log-probs (items x options x layers) that are looked at at once: they fit a cache."""


@dataclass(frozen=True, slots=True)
class _Block:
    """Some items with equally many options: log-probs (m, k, n_layers), the rest (m, k)."""

    items: IntArray
    rows: IntArray
    scores: FloatArray
    true: BoolArray
    best: IntArray
    """The best option's index within its item, (m,)."""

    def of_best(self) -> FloatArray:
        """Scores of the best options, (m, n_layers)."""
        return self.scores[np.arange(len(self.items)), self.best]

    def top_false(self) -> FloatArray:
        """Highest scores of false options, NaN where one is NaN, (m, n_layers)."""
        return _top(self.scores, ~self.true)

    def shifted(self) -> FloatArray:
        """Scores less the item's highest, so that exponentials cannot overflow."""
        return np.asarray(self.scores - self.scores.max(axis=1, keepdims=True))


def _top(scores: FloatArray, among: BoolArray) -> FloatArray:
    return np.asarray(np.where(among[:, :, None], scores, -np.inf).max(axis=1))


def _blocks(table: OptionTable, scores: FloatArray | None = None) -> Iterator[_Block]:
    """Yield the table in blocks; `scores` (n_options, n_layers) in place of its log-probs."""
    of = table.logprob if scores is None else scores
    sizes = table.n_options
    for size in np.unique(sizes).tolist():
        items = np.flatnonzero(sizes == size)
        at_once = max(1, _CHUNK // max(1, size * of.shape[1]))
        for begun in range(0, len(items), at_once):
            yield _block(table, of, items[begun : begun + at_once], size)


def _block(table: OptionTable, scores: FloatArray, items: IntArray, size: int) -> _Block:
    first = table.start[items]
    rows = first[:, None] + np.arange(size)
    lie_together = rows[-1, -1] - rows[0, 0] + 1 == rows.size
    # a view where it can be: copying costs more than most measures
    part = scores[rows[0, 0] : rows[-1, -1] + 1] if lie_together else scores[rows.ravel()]
    shape = (len(items), size, scores.shape[1])
    return _Block(items, rows, part.reshape(shape), table.true[rows], table.best[items] - first)


def _by_item(
    table: OptionTable, of: Callable[[_Block], FloatArray], scores: FloatArray | None = None
) -> FloatArray:
    """Put together what `of` says of blocks: (n_items, n_layers)."""
    found = np.empty((table.n_items, len(table.layers)))
    # -inf less -inf: no option has any probability; each measure says what that gives
    with np.errstate(invalid="ignore", divide="ignore"):
        for block in _blocks(table, scores):
            found[block.items] = of(block)
    return found


def metric(table: OptionTable, name: str = "mc1") -> FloatArray:
    """Return a metric of METRICS for each item and layer, (n_items, n_layers) in [0, 1].

    Raises UnknownName for another name, UsageError for `pmi` of a table without priors, and for
    what needs whole options where log-probs are of a part of them.
    """
    if name not in METRICS:
        raise UnknownName("metric", name, METRICS)
    if name not in available(table):
        raise UsageError(WHY_NOT[name])
    if name in {"mc2", "mc3"}:
        return _by_item(table, _mc2 if name == "mc2" else _mc3)
    return _by_item(table, lambda block: _mc1(_scaled(table, block, name)))


def available(table: OptionTable) -> tuple[str, ...]:
    """Return the names of METRICS that a table has what is needed for."""
    lacking = {*(() if table.whole else OF_WHOLE_OPTIONS)}
    lacking |= {"pmi"} if table.prior is None else set()
    return tuple(name for name in METRICS if name not in lacking)


def _scaled(table: OptionTable, block: _Block, name: str) -> _Block:
    """Return a block with log-probs per token or byte, or less those after a neutral stem."""
    if name == "mc1":
        return block
    if name == "pmi" and table.prior is not None:
        scores = block.scores - table.prior[block.rows]
    else:
        lengths = table.n_tokens if name == "acc_norm_tokens" else table.n_bytes
        scores = block.scores / np.maximum(lengths[block.rows], 1)[:, :, None]
    return _Block(block.items, block.rows, scores, block.true, block.best)


def _mc1(block: _Block) -> FloatArray:
    return (block.of_best() > block.top_false()).astype(np.float64)


def _mc2(block: _Block) -> FloatArray:
    weights = np.exp(block.shifted())
    whole = weights.sum(axis=1)
    weights[~block.true] = 0.0
    return np.asarray(np.nan_to_num(weights.sum(axis=1) / whole, nan=0.0))


def _mc3(block: _Block) -> FloatArray:
    beats = (block.scores > block.top_false()[:, None]) & block.true[:, :, None]
    return np.asarray(beats.sum(axis=1) / block.true.sum(axis=1)[:, None])


def margin(table: OptionTable) -> FloatArray:
    """Log-prob of the highest true option less that of the highest false one, in nats.

    (n_items, n_layers); NaN where one of them is, or where both have no probability.
    """
    return _by_item(table, lambda block: _top(block.scores, block.true) - block.top_false())


def probability(table: OptionTable) -> FloatArray:
    """Probability of each option among those of its item, (n_options, n_layers), summing to 1.

    NaN where an option's log-prob is, or where no option has any probability.
    """
    found = np.empty_like(table.logprob)
    with np.errstate(invalid="ignore"):
        for block in _blocks(table):
            weights = np.exp(block.shifted())
            found[block.rows] = weights / weights.sum(axis=1)[:, None]
    return found


def entropy(table: OptionTable) -> FloatArray:
    """Entropy of the options' distribution in nats, (n_items, n_layers); at most log(n_options).

    NaN where `probability` is.
    """
    return _by_item(table, _entropy)


def _entropy(block: _Block) -> FloatArray:
    shifted = block.shifted()
    weights = np.exp(shifted)
    whole = weights.sum(axis=1)
    # 0 log 0 is 0; a NaN stays what it is
    shifted[np.isneginf(shifted)] = 0.0
    return np.asarray(np.log(whole) - (weights * shifted).sum(axis=1) / whole)


def divergence(table: OptionTable) -> FloatArray:
    """How far the options' distribution is from that of the last layer in the table, in nats.

    Kullback-Leibler divergence of the layer from the last one, sum p log(p / q) with p of the
    last, (n_items, n_layers): 0 in the last column, infinite where the layer gives no probability
    to what the last one gives some.
    """
    return _by_item(table, _divergence)


def _divergence(block: _Block) -> FloatArray:
    shifted = block.shifted()
    log_q = shifted - np.log(np.exp(shifted).sum(axis=1))[:, None]
    log_p = log_q[:, :, -1:]
    terms = np.exp(log_p) * (log_p - log_q)
    terms[np.broadcast_to(np.isneginf(log_p), terms.shape)] = 0.0  # 0 log 0
    # rounding may leave a little less than nothing
    return np.asarray(np.maximum(terms.sum(axis=1), 0.0))


def choice(table: OptionTable) -> IntArray:
    """Index within its item of the highest option, the first of equals, (n_items, n_layers).

    What is not a number is never the highest.
    """
    found = np.empty((table.n_items, len(table.layers)), np.int64)
    for block in _blocks(table):
        found[block.items] = np.where(np.isnan(block.scores), -np.inf, block.scores).argmax(axis=1)
    return found


def rank(table: OptionTable) -> FloatArray:
    """Place of the best option among its item's, (n_items, n_layers): 1 for the highest.

    Of equals it has the last place, and what is not a number stands before it.
    """
    return _by_item(table, lambda b: (~(b.scores < b.of_best()[:, None])).sum(axis=1) * 1.0)


def chance(table: OptionTable, name: str = "mc1") -> FloatArray:
    """Return what guessing gets of a metric, (n_items,): see metrics.chance."""
    n_true = np.bincount(_item_of(table), table.true, table.n_items)
    n_options = table.n_options.astype(np.float64)
    return np.asarray(n_true / n_options if name == "mc2" else 1 / (n_options - n_true + 1))


def shortest(table: OptionTable) -> FloatArray:
    """MC1 of choosing the option of fewest tokens, ties broken by lot, (n_items,) in [0, 1].

    As in MC1, true options beside the best one do not stand against it.
    """
    of, n_items = _item_of(table), table.n_items
    rival = ~table.true
    rival[table.best] = True
    lengths = np.where(rival, table.n_tokens, np.iinfo(np.int64).max)
    least = np.full(n_items, np.iinfo(np.int64).max)
    np.minimum.at(least, of, lengths)
    ties = np.bincount(of, rival & (lengths == least[of]), n_items)
    return np.where(table.n_tokens[table.best] == least, 1 / np.maximum(ties, 1), 0.0)


def prior_metric(table: OptionTable) -> FloatArray | None:
    """MC1 of the options' log-probs without their question, (n_items, n_layers), or None."""
    return None if table.prior is None else _by_item(table, _mc1, table.prior)


def _item_of(table: OptionTable) -> IntArray:
    """Give the item of each option, (n_options,)."""
    return np.repeat(np.arange(table.n_items), table.n_options)
