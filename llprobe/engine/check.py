"""How far fast mode is from reference mode, on a fixed set of small questions.

Reference mode scores one option at a time with a float32 cache and no flash attention; fast mode
packs all into one tree. This module knows two probes and a difference. It judges nothing.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from llprobe.engine.probe import Probe
from llprobe.engine.score import Scorer
from llprobe.engine.tokens import tokenize_items
from llprobe.model import ModelInfo
from llprobe.settings import LENSES, EngineSettings
from llprobe.task import Item

__all__ = ["ITEMS", "compare_modes"]

_QUESTIONS: Final = (
    ("Water freezes at a temperature of", (" zero degrees.", " forty degrees.", " zero apples.")),
    ("The opposite of hot is", (" cold", " warm", " a cold and windy day in the north")),
    ("Two plus two is", (" four", " five", " fourteen")),
    ("Snow is white, and grass is", (" green.", " white.", " green in spring.")),
)
ITEMS: Final = tuple(
    Item(f"check-{i}", prompt, choices, (0,), 0) for i, (prompt, choices) in enumerate(_QUESTIONS)
)


def compare_modes(
    info: ModelInfo, settings: EngineSettings
) -> tuple[float, tuple[int, ...], dict[str, npt.NDArray[np.float64]]]:
    """Score the fixed questions in both modes.

    Returns the self-check's difference, the layers, and per lens the largest relative difference
    of a summed log-prob at each layer (n_layers,).
    """
    scores = []
    for mode in (settings, settings.reference()):
        with Probe(info, mode) as probe:
            layers = tuple(range(1, probe.model.n_layers + 1))
            task = tokenize_items(probe, "", ITEMS)
            with Scorer(probe, task, layers, LENSES) as scorer:
                scores.append([score for _, group in scorer.groups() for score in group])
            difference = probe.check.difference
    worst = {lens: np.zeros(len(layers)) for lens in LENSES}
    for fast, reference in zip(*scores, strict=True):
        for lens in LENSES:
            a, b = fast.logprob[lens], reference.logprob[lens]
            worst[lens] = np.maximum(worst[lens], (np.abs(a - b) / np.abs(b)).max(axis=0))
    return difference, layers, worst
