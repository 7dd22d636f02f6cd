"""Tables of options for tests: from items spelled out, or drawn by a seed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llprobe.analysis.options import OptionTable

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scored:
    """One item, as `analysis.item_metrics` takes it."""

    correct: tuple[int, ...]
    best: int
    n_tokens: tuple[int, ...]
    n_bytes: tuple[int, ...]
    logprob: Floats
    prior: Floats | None = None


def table_of(
    items: Sequence[Scored], clusters: Sequence[int] = (), groups: Sequence[str] = ()
) -> OptionTable:
    """Put items together; their layers are numbered from 1."""
    start = np.cumsum([0, *(len(item.logprob) for item in items)])
    true = np.zeros(start[-1], bool)
    for item, first in zip(items, start.tolist(), strict=False):
        true[[first + index for index in item.correct]] = True
    priors = [item.prior for item in items if item.prior is not None]
    return OptionTable(
        layers=tuple(range(1, items[0].logprob.shape[1] + 1)),
        ids=tuple(f"i{number}" for number in range(len(items))),
        groups=tuple(groups) or ("",) * len(items),
        clusters=np.array(clusters or range(len(items)), np.int64),
        start=start.astype(np.int64),
        true=true,
        best=start[:-1] + np.array([item.best for item in items]),
        n_tokens=np.concatenate([item.n_tokens for item in items]).astype(np.int64),
        n_bytes=np.concatenate([item.n_bytes for item in items]).astype(np.int64),
        logprob=np.concatenate([item.logprob for item in items]),
        prior=np.concatenate(priors) if len(priors) == len(items) else None,
    )


def random_items(seed: int, n_items: int, n_layers: int = 3, *, prior: bool = True) -> list[Scored]:
    """Draw items of 2 to 6 options, some true, among whose scores are ties, NaN and -inf."""
    rng = np.random.default_rng(seed)

    def scores(n_options: int) -> Floats:
        found = rng.integers(-4, 0, (n_options, n_layers)).astype(float)
        found += rng.normal(size=found.shape) * (rng.random(found.shape) < 0.5)
        found[rng.random(found.shape) < 0.03] = -np.inf
        found[rng.random(found.shape) < 0.03] = np.nan
        return found

    items = []
    for _ in range(n_items):
        n = int(rng.integers(2, 7))
        correct = tuple(sorted(rng.choice(n, int(rng.integers(1, n)), replace=False).tolist()))
        lengths = [tuple(rng.integers(1, 5, n).tolist()) for _ in range(2)]
        best = int(rng.choice(correct))
        both = scores(n), scores(n) if prior else None
        items.append(Scored(correct, best, lengths[0], lengths[1], *both))
    return items


def normal_table(
    seed: int, n_items: int, n_layers: int, *, n_options: int = 4, per_cluster: int = 1
) -> OptionTable:
    """Draw a table of one true option among some, all of one distribution."""
    rng = np.random.default_rng(seed)
    start = np.arange(n_items + 1) * n_options
    best = start[:-1] + rng.integers(0, n_options, n_items)
    true = np.zeros(start[-1], bool)
    true[best] = True
    return OptionTable(
        layers=tuple(range(1, n_layers + 1)),
        ids=tuple(map(str, range(n_items))),
        groups=("",) * n_items,
        clusters=np.arange(n_items) // per_cluster,
        start=start,
        true=true,
        best=best,
        n_tokens=rng.integers(1, 9, start[-1]),
        n_bytes=rng.integers(1, 20, start[-1]),
        logprob=rng.normal(size=(start[-1], n_layers)),
    )
