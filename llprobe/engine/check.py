"""What a model gives for a fixed set of small questions, to compare modes and devices by.

Reference mode scores one option at a time with a float32 cache and no flash attention; fast mode
packs all into one tree. This module knows probes and differences. It judges nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from llprobe.agreement import Agreement
from llprobe.engine.capture import Capture
from llprobe.engine.probe import Probe
from llprobe.engine.score import ItemScore, Scorer
from llprobe.engine.session import Context
from llprobe.engine.split import Split
from llprobe.engine.tokens import tokenize_items
from llprobe.model import ModelInfo
from llprobe.settings import LENSES, EngineSettings
from llprobe.task import Item

__all__ = ["ITEMS", "Reading", "agreement", "compare_modes", "read_fixed"]

FloatArray = npt.NDArray[np.float64]

_QUESTIONS: Final = (
    ("Water freezes at a temperature of", (" zero degrees.", " forty degrees.", " zero apples.")),
    ("The opposite of hot is", (" cold", " warm", " a cold and windy day in the north")),
    ("Two plus two is", (" four", " five", " fourteen")),
    ("Snow is white, and grass is", (" green.", " white.", " green in spring.")),
)
ITEMS: Final = tuple(
    Item(f"check-{i}", prompt, choices, (0,), 0) for i, (prompt, choices) in enumerate(_QUESTIONS)
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a model gives for the fixed texts in one mode, on one choice of devices.

    `states` float32 (n_layers, n_tokens, n_embd) of all prompts together, `scores` in the order of
    `ITEMS`, `difference` the self-check's.
    """

    layers: tuple[int, ...]
    split: Split
    states: npt.NDArray[np.float32]
    scores: tuple[ItemScore, ...]
    difference: float


def read_fixed(info: ModelInfo, settings: EngineSettings) -> Reading:
    """Load the model, read the states of the fixed prompts and score the fixed questions."""
    with Probe(info, settings) as probe:
        layers = tuple(range(1, probe.model.n_layers + 1))
        task = tokenize_items(probe, "", ITEMS)
        with Scorer(probe, task, layers, LENSES) as scorer:
            scores = tuple(score for _, group in scorer.groups() for score in group)
        prompts = [item.sequences[0][: item.start] for item in task.items]
        states = _states(probe, prompts, layers)
        return Reading(layers, probe.split, states, scores, probe.check.difference)


def _states(
    probe: Probe, prompts: Sequence[Sequence[int]], layers: Sequence[int]
) -> npt.NDArray[np.float32]:
    """Return the states of every token of the prompts, each prompt decoded by itself."""
    longest, found = max(map(len, prompts)), []
    with Context(probe.model, longest, 1, longest) as context:
        capture = Capture(layers, probe.model.n_embd, context.n_ubatch, probe.input_name)
        context.callback.listener = capture
        for prompt in prompts:
            n = len(prompt)
            every, none = np.ones(n, bool), np.zeros(n, np.int32)
            capture.begin(every)
            positions = np.arange(n, dtype=np.int32)
            context.decode(np.array(prompt, np.int32), positions, none, none + 1, every)
            found.append(capture.end().copy())
            context.drop_all()
    return np.concatenate(found, axis=1)


def compare_modes(fast: Reading, reference: Reading) -> dict[str, FloatArray]:
    """Return, per lens, the largest relative difference of a summed log-prob at each layer.

    Both readings have the same n_layers; each array is (n_layers,).
    """
    worst = {lens: np.zeros(len(fast.layers)) for lens in LENSES}
    for one, other in zip(fast.scores, reference.scores, strict=True):
        for lens in LENSES:
            a, b = one.logprob[lens], other.logprob[lens]
            worst[lens] = np.maximum(worst[lens], (np.abs(a - b) / np.abs(b)).max(axis=0))
    return worst


def agreement(device: Reading, cpu: Reading) -> Agreement:
    """Return how far the states and scores read on a device are from those of the CPU."""
    sizes = np.linalg.norm(cpu.states, axis=2)
    states = (np.linalg.norm(device.states - cpu.states, axis=2) / sizes).max(axis=1)
    scores = np.zeros(len(device.layers))
    for lens in LENSES:
        mine, theirs = (
            np.concatenate([score.logprob[lens] for score in each.scores]) for each in (device, cpu)
        )
        apart = np.abs(mine - theirs).max(axis=0) / np.abs(theirs).mean(axis=0)
        scores = np.maximum(scores, apart)
    return Agreement(" and ".join(device.split.devices), np.maximum(states, scores))
