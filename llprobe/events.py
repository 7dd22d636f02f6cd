"""The frozen records that cross the process boundary: requests to a worker, events from it.

Results and errors are both data. Arrays are float64. This module knows what is said, not who says
it or what is done about it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from llprobe.agreement import Agreement
from llprobe.estimate import Counts, Rates
from llprobe.model import ModelInfo
from llprobe.plan import Job
from llprobe.settings import EngineSettings
from llprobe.stateevents import StatesBatch, StatesRequest, StatesStarted
from llprobe.task import Questions, Skipped

__all__ = [
    "Calibrated",
    "CheckRequest",
    "Checked",
    "Event",
    "Failed",
    "GroupScored",
    "ItemAnswer",
    "ItemResult",
    "ItemTokens",
    "JobCounted",
    "JobDone",
    "JobStarted",
    "LensGrid",
    "LensRequest",
    "ModelLoaded",
    "PlanRequest",
    "QuantizeRequest",
    "QuantizeStep",
    "Quantized",
    "Request",
    "ScoreRequest",
    "StatesBatch",
    "StatesRequest",
    "StatesStarted",
    "Tokens",
    "TokensRequest",
    "Waiting",
]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """Score jobs of one model; `done[cell id]` are the groups that are stored already."""

    model: ModelInfo
    jobs: tuple[Job, ...]
    done: dict[str, frozenset[int]]


@dataclass(frozen=True, slots=True)
class LensRequest:
    """Look at a text through the lens: the `top_k` predictions of every layer at every token."""

    model: ModelInfo
    settings: EngineSettings
    text: str
    lens: str
    layers: tuple[int, ...]
    top_k: int
    track: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class QuantizeRequest:
    """Write `model` anew at `path` with llama.cpp's quant type `quant`."""

    model: ModelInfo
    quant: str
    path: str
    n_threads: int


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """Compare fast with reference mode on a fixed text, layer by layer."""

    model: ModelInfo | None
    settings: EngineSettings


@dataclass(frozen=True, slots=True)
class TokensRequest:
    """Say how a model reads items: the tokens of prompt and options, and where scoring starts."""

    model: ModelInfo
    settings: EngineSettings
    questions: Questions


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """Count what jobs would take; with `calibrate` say how fast this machine is, too."""

    model: ModelInfo
    jobs: tuple[Job, ...]
    calibrate: bool


Request = (
    PlanRequest
    | ScoreRequest
    | LensRequest
    | QuantizeRequest
    | CheckRequest
    | TokensRequest
    | StatesRequest
)


@dataclass(frozen=True, slots=True)
class ModelLoaded:
    """The model is loaded and passed its self-check; `record` says with what build and devices."""

    record: dict[str, str]
    seconds: float
    model: str = ""
    """The model's name, which the runner knows."""


@dataclass(frozen=True, slots=True)
class Calibrated:
    """How fast this machine runs a model, by a short trial."""

    rates: Rates


@dataclass(frozen=True, slots=True)
class JobCounted:
    """What a job would take: work, groups, context in tokens, and the items that do not fit."""

    cells: tuple[str, ...]
    counts: Counts
    n_groups: int
    n_ctx: int
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True, slots=True)
class Waiting:
    """All that is left is being computed by another process, which `holder` names."""

    holder: str


@dataclass(frozen=True, slots=True)
class JobStarted:
    """A job is packed: items that fit, items that do not, tokens to decode in all of its groups."""

    cells: tuple[str, ...]
    n_items: int
    n_groups: int
    n_tokens: int
    skipped: tuple[Skipped, ...]
    chat: tuple[str, ...] = ()
    """What the model's template writes before a question, after it, and before an answer; empty
    where the questions are plain text."""


@dataclass(frozen=True, slots=True)
class ItemResult:
    """One item's score in one cell: `logprob` (n_options, n_layers), tokens of each option."""

    index: int
    n_tokens: tuple[int, ...]
    logprob: FloatArray


@dataclass(frozen=True, slots=True)
class ItemAnswer:
    """What the model wrote to one item; `finished` is False where the limit of tokens ended it."""

    index: int
    n_tokens: int
    text: str
    finished: bool


@dataclass(frozen=True, slots=True)
class GroupScored:
    """A group of items is scored in one cell: stored whole or not at all."""

    cell: str
    group: int
    items: tuple[ItemResult, ...] | tuple[ItemAnswer, ...]
    tokens: int
    skipped: tuple[Skipped, ...] = ()
    """The group's items that got no score, with the reason."""


@dataclass(frozen=True, slots=True)
class JobDone:
    """All groups of a job are scored; seconds and work by phase, peak memory in bytes."""

    cells: tuple[str, ...]
    phases: dict[str, float]


@dataclass(frozen=True, slots=True)
class LensGrid:
    """Predictions of every layer at every token of a text.

    `tokens` the text's own; `top[layer][token]` the best (text, probability) pairs;
    `entropy` (n_layers, n_tokens) in bits; `ranks[word]` (n_layers, n_tokens), 1 = first.
    """

    tokens: tuple[str, ...]
    layers: tuple[int, ...]
    top: tuple[tuple[tuple[tuple[str, float], ...], ...], ...]
    entropy: FloatArray
    ranks: dict[str, npt.NDArray[np.int64]]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QuantizeStep:
    """The quantiser is at tensor `done` of `total`."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Quantized:
    """The new file is complete and in its place."""

    path: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What `doctor` found: facts for a person, and differences by layer where a model was given.

    `differences[lens]` (n_layers,) is the largest relative difference of summed log-probs,
    `agreement` that of the device in use and the CPU, None where the CPU is the only one.
    """

    facts: dict[str, str]
    layers: tuple[int, ...] = ()
    differences: dict[str, FloatArray] = field(default_factory=dict)
    agreement: Agreement | None = None


@dataclass(frozen=True, slots=True)
class ItemTokens:
    """An item in tokens: `options[i]` are the (id, text) pairs of prompt and option i together.

    The tokens before `start` are the same in all options; scoring starts with the token `start`.
    """

    options: tuple[tuple[tuple[int, str], ...], ...]
    start: int


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a `TokensRequest` asked for; items that the context cannot hold are `skipped`."""

    items: tuple[ItemTokens, ...]
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True, slots=True)
class Failed:
    """The worker stopped: `kind` is the error's class name, `message` what to show a person."""

    kind: str
    message: str
    exit_code: int
    log: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()
    """The cells that failed with it, which the runner knows."""


Event = (
    ModelLoaded
    | Calibrated
    | JobCounted
    | Waiting
    | JobStarted
    | GroupScored
    | JobDone
    | LensGrid
    | QuantizeStep
    | Quantized
    | Checked
    | Tokens
    | StatesStarted
    | StatesBatch
    | Failed
)
