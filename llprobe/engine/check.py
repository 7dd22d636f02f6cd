"""What a model gives for a fixed set of small questions, to compare modes and devices by.

Reference mode scores one option at a time with a float32 cache and no flash attention; fast mode
packs all into one tree. This module knows probes and differences. It judges nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from llprobe.agreement import Agreement
from llprobe.engine import ggml
from llprobe.engine.capture import Capture
from llprobe.engine.probe import Probe
from llprobe.engine.score import ItemScore, Scorer
from llprobe.engine.session import Context, Model
from llprobe.engine.split import Split
from llprobe.engine.tokens import tokenize_items
from llprobe.errors import ModelNotSupported, RunError
from llprobe.model import ModelInfo
from llprobe.settings import LENSES, EngineSettings
from llprobe.task import Item

__all__ = [
    "ITEMS",
    "Examination",
    "Reading",
    "agreement",
    "compare_modes",
    "examine",
    "read_fixed",
    "states_apart",
]

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

    `prompts` are the texts' tokens, `states` float32 (n_layers, n_tokens, n_embd) of all of them
    together, `scores` in the order of `ITEMS`, `difference` the self-check's.
    """

    layers: tuple[int, ...]
    split: Split
    prompts: tuple[tuple[int, ...], ...]
    states: npt.NDArray[np.float32]
    scores: tuple[ItemScore, ...]
    difference: float


@dataclass(frozen=True, slots=True)
class Examination:
    """What there is to say of a model on this machine.

    `facts` are for a person, `differences` as of `compare_modes`, empty where the device may not
    score; `agreement` is None where the CPU is the only device.
    """

    facts: dict[str, str]
    layers: tuple[int, ...]
    differences: dict[str, FloatArray]
    agreement: Agreement | None


def examine(info: ModelInfo, settings: EngineSettings) -> Examination:
    """Compare fast with reference mode, and the devices in use with the CPU.

    A device on which the model fails its self-check is compared by its states. Raises what loading
    and the self-check raise where the CPU fails as well.
    """
    alone = replace(settings.using(()), n_gpu_layers=0)
    try:
        fast, reference = (read_fixed(info, of) for of in (settings, settings.reference()))
    except (ModelNotSupported, RunError) as problem:
        if not (devices := _asked_for(settings)):
            raise
        cpu = read_fixed(info, alone)  # where it fails here too, it is not the device's fault
        apart = states_apart(info, settings, cpu)
        return Examination({}, cpu.layers, {}, Agreement(devices, apart, str(problem)))
    facts = {"self_check": f"{fast.difference:.3g}", "split": str(fast.split)}
    agrees = agreement(fast, read_fixed(info, alone)) if fast.split.devices else None
    return Examination(facts, fast.layers, compare_modes(fast, reference), agrees)


def _asked_for(settings: EngineSettings) -> str:
    """Return the names of the devices that settings ask for; empty for the CPU alone."""
    gpus = [device.name for device in ggml.gpus()] if settings.n_gpu_layers else []
    return " and ".join([*(f"RPC server {each}" for each in settings.servers), *gpus])


def read_fixed(info: ModelInfo, settings: EngineSettings) -> Reading:
    """Load the model, read the states of the fixed prompts and score the fixed questions."""
    with Probe(info, settings) as probe:
        layers = tuple(range(1, probe.model.n_layers + 1))
        task = tokenize_items(probe, "", ITEMS)
        with Scorer(probe, task, layers, LENSES) as scorer:
            scores = tuple(score for _, group in scorer.groups() for score in group)
            faults = [scorer.fault(score, lens) for score in scores for lens in LENSES]
        if fault := next(filter(None, faults), ""):
            raise RunError(f"a question of the check cannot be scored: {fault}")
        prompts = tuple(tuple(item.sequences[0][: item.start]) for item in task.items)
        states = _states(probe.model, prompts, layers)
        return Reading(layers, probe.split, prompts, states, scores, probe.check.difference)


def _states(
    model: Model, prompts: Sequence[Sequence[int]], layers: Sequence[int]
) -> npt.NDArray[np.float32]:
    """Return the states of every token of the prompts, each prompt decoded by itself.

    They are what blocks give: layers are numbered from 1.
    """
    longest, found = max(map(len, prompts)), []
    with Context(model, longest, 1, longest) as context:
        capture = Capture(layers, model.n_embd, context.n_ubatch, b"")
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
    states = _apart(device.states, cpu.states)
    scores = np.zeros(len(device.layers))
    for lens in LENSES:
        mine, theirs = (
            np.concatenate([score.logprob[lens] for score in each.scores]) for each in (device, cpu)
        )
        apart = np.abs(mine - theirs).max(axis=0) / np.abs(theirs).mean(axis=0)
        scores = np.maximum(scores, apart)
    return Agreement(" and ".join(device.split.devices), np.maximum(states, scores))


def states_apart(info: ModelInfo, settings: EngineSettings, cpu: Reading) -> FloatArray:
    """Return, per layer, how far states are from the CPU's on a device that may not score."""
    with Model(info, settings) as model:
        return _apart(_states(model, cpu.prompts, cpu.layers), cpu.states)


def _apart(
    states: npt.NDArray[np.float32], theirs: npt.NDArray[np.float32]
) -> npt.NDArray[np.float64]:
    """Return the largest difference of a token's state by layer, relative to the state's length."""
    sizes = np.linalg.norm(theirs.astype(np.float64), axis=2)
    apart = np.linalg.norm(states.astype(np.float64) - theirs, axis=2)
    found: FloatArray = (apart / sizes).max(axis=1)
    return found
