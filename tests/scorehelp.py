"""What the tests of scores share: drawn questions, their scores, and how far those are off."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from oracle import Lens, NumpyLlama

from llprobe.engine.probe import Probe
from llprobe.engine.score import ItemScore, Scorer
from llprobe.engine.tokens import TokenizedTask
from llprobe.engine.trie import TokenItem
from llprobe.settings import LENSES

__all__ = ["ALL", "EXACT", "Floats", "expected", "flat", "off", "questions", "scored", "task_of"]

Floats = NDArray[np.floating[Any]]
ALL = (1, 2, 3)
# Measured: 4e-6 against the oracle and 2e-6 against reference mode, over all lenses.
EXACT = 1e-5


def questions(seed: int, n: int, preamble: int = 6) -> list[TokenItem]:
    """Draw questions that share a preamble, some of their prompts, and parts of their options."""
    random = np.random.default_rng(seed)
    begin = random.integers(3, 384, preamble).tolist()
    drawn = []
    for _ in range(n):
        prompt = (*begin, *random.integers(3, 6, random.integers(1, 4)).tolist())
        options = [random.integers(3, 9, random.integers(1, 5)).tolist() for _ in range(4)]
        drawn.append(TokenItem(tuple((*prompt, *option) for option in options), len(prompt)))
    return drawn


def task_of(items: Sequence[TokenItem]) -> TokenizedTask:
    """Make a task of questions, none of them left out."""
    return TokenizedTask(tuple(items), tuple(range(len(items))), ())


def scored(
    probe: Probe,
    items: Sequence[TokenItem],
    layers: Sequence[int] = ALL,
    lenses: Sequence[str] = LENSES,
) -> list[ItemScore]:
    """Score questions, in their order."""
    with Scorer(probe, task_of(items), layers, lenses) as scorer:
        return [score for _, group in scorer.groups() for score in group]


def flat(scores: Sequence[ItemScore], lens: str) -> Floats:
    """Give (options of all items, layers)."""
    return np.concatenate([score.logprob[lens] for score in scores])


def off(ours: Floats, theirs: Floats) -> float:
    """Give the largest difference: relative, and absolute above -1."""
    assert ours.shape == theirs.shape
    return float((np.abs(ours - theirs) / np.maximum(1, np.abs(theirs))).max())


def expected(oracle: NumpyLlama, items: Sequence[TokenItem], lens: Lens) -> Floats:
    """Give the oracle's (options of all items, layers)."""
    return np.array(
        [
            oracle.option_logprobs(s[: item.start], s[item.start :], lens)
            for item in items
            for s in item.sequences
        ]
    )
