"""All options of a cell's items in a few arrays, so that a whole cell is analysed at once.

This module knows how the arrays belong together. It does not know metrics, files or models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from llprobe.errors import UsageError

__all__ = ["OptionTable"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class OptionTable:
    """The options of a set of items with their log-probs at every layer.

    An option is a row; the rows of an item lie together. Log-probs are natural logarithms,
    summed over the option's tokens. Every item has at least one true and one false option.
    """

    layers: tuple[int, ...]
    """Numbers of the layers, (n_layers,); the model's blocks are 1..n."""
    ids: tuple[str, ...]
    """Names of the items, (n_items,)."""
    groups: tuple[str, ...]
    """Result groups (n_items,), their parts separated by `/`; empty for none."""
    clusters: IntArray
    """Numbers (n_items,): items of one template or one relation share theirs."""
    start: IntArray
    """Item i has the rows `start[i]:start[i + 1]`, (n_items + 1,)."""
    true: BoolArray
    """Whether an option is true, (n_options,)."""
    best: IntArray
    """The row of each item's designated best option, (n_items,)."""
    n_tokens: IntArray
    """Tokens of each option, (n_options,)."""
    n_bytes: IntArray
    """Bytes of each option in UTF-8, without the white space around it, (n_options,)."""
    logprob: FloatArray
    """Log-prob of each option, in nats, (n_options, n_layers)."""
    prior: FloatArray | None = None
    """The same after a neutral stem, (n_options, n_layers); None where it was not scored."""
    whole: bool = True
    """Whether log-probs are of whole options, or lack what all options of an item share."""
    questions: IntArray | None = None
    """Numbers (n_items,): items that ask the same share theirs, and their cluster; None where no
    two items do."""

    @property
    def n_items(self) -> int:
        """Number of items."""
        return len(self.ids)

    @property
    def n_options(self) -> IntArray:
        """Number of options of each item, (n_items,)."""
        return np.diff(self.start)

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        return len(np.unique(self.clusters))

    @property
    def n_repeats(self) -> int:
        """Number of items that ask what an item before them asks."""
        return 0 if self.questions is None else self.n_items - len(np.unique(self.questions))

    def take(self, items: npt.ArrayLike) -> OptionTable:
        """Return some of the items, in the order of `items`: indices, or a bool for each item."""
        chosen = np.arange(self.n_items)[np.asarray(items)]
        sizes = self.n_options[chosen]
        start = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
        moved = self.start[chosen] - start[:-1]
        rows = np.arange(start[-1]) + np.repeat(moved, sizes)
        return replace(
            self,
            ids=tuple(self.ids[i] for i in chosen.tolist()),
            groups=tuple(self.groups[i] for i in chosen.tolist()),
            clusters=self.clusters[chosen],
            start=start,
            true=self.true[rows],
            best=self.best[chosen] - moved,
            n_tokens=self.n_tokens[rows],
            n_bytes=self.n_bytes[rows],
            logprob=self.logprob[rows],
            prior=None if self.prior is None else self.prior[rows],
            questions=None if self.questions is None else self.questions[chosen],
        )

    def at(self, layers: Sequence[int]) -> OptionTable:
        """Return the same items at some of the layers, in that order.

        Raises UsageError for a layer that was not scored.
        """
        missing = [str(layer) for layer in layers if layer not in self.layers]
        if missing:
            scored = ", ".join(map(str, self.layers))
            raise UsageError(f"layer {', '.join(missing)} was not scored; these were: {scored}")
        columns = [self.layers.index(layer) for layer in layers]
        return replace(
            self,
            layers=tuple(layers),
            logprob=self.logprob[:, columns],
            prior=None if self.prior is None else self.prior[:, columns],
        )
