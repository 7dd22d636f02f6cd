"""What a report shows, as plain frozen records: runs, models, curves, items, published curves.

This module knows what there is to show. It does not know where it was stored, nor HTML or
Markdown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from llprobe.report.evidence import CurveEvidence, Sureness
from llprobe.store import CellRecord, RunRecord

__all__ = [
    "NO_NUMBER",
    "CellView",
    "ItemScores",
    "ItemText",
    "ModelView",
    "Page",
    "PublishedView",
    "RunView",
    "TextSet",
    "WrittenView",
]

NO_NUMBER: Final = 65535
"""Stands for a probability where the log-probs are no numbers."""


@dataclass(frozen=True)
class RunView:
    """A run, and how to make it again."""

    record: RunRecord
    """Id, command, when (UTC), how far it is."""
    spec: str
    """The sweep as YAML; empty for a run that was stored before there were any."""


@dataclass(frozen=True)
class ModelView:
    """A model, as its file says it is."""

    name: str
    """As the user knows it."""
    fingerprint: str
    """sha256 in hex."""
    architecture: str
    """llama.cpp's name of it."""
    quant: str
    """llama.cpp's name of the quantisation."""
    bits_per_weight: float
    """Measured over all tensors."""
    n_layers: int
    """Blocks."""
    n_params: int
    """Weights."""
    file_bytes: int
    """Of all parts."""


@dataclass(frozen=True)
class ItemText:
    """One question as it is asked, without what all questions of its task begin with."""

    id: str
    """Unique in its task."""
    group: str
    """Empty for none."""
    prompt: str
    """What follows the shared beginning."""
    choices: tuple[str, ...]
    """The options, as they follow the prompt."""
    correct: tuple[int, ...]
    """Indices of the true ones."""
    best: int
    """Index of the designated best one."""


@dataclass(frozen=True)
class TextSet:
    """The questions that several cells may share."""

    preamble: str
    """What every prompt begins with; a prompt is this and the item's own text."""
    items: tuple[ItemText, ...]
    """In the task's order."""


@dataclass(frozen=True)
class ItemScores:
    """What a cell says of every item; options of all items stand one below the other."""

    texts: str
    """Key of its `TextSet`."""
    rows: npt.NDArray[np.int64]
    """(n_items,): where in the text set each item stands."""
    right: npt.NDArray[np.bool_]
    """(n_items, n_layers): MC1."""
    settled: npt.NDArray[np.int64]
    """(n_items,): number of the first layer whose answer is the last layer's and stays so."""
    thousandths: npt.NDArray[np.uint16]
    """(n_options, n_layers): each option's probability within its item in thousandths, rounded;
    `NO_NUMBER` where there is none."""


@dataclass(frozen=True)
class CellView:
    """One model on one task through one lens: its curves, and perhaps its items."""

    cell: CellRecord
    """What decided its numbers."""
    run: str
    """Id of the run it stands in."""
    variant: str
    """How it differs from a plain run of its task: answers, shots, seed, what is left out."""
    label: str
    """What tells it from other cells of its task."""
    full: str
    """What tells it from all others: its task, and the label where there are several."""
    curves: Mapping[str, CurveEvidence]
    """By metric; `mc1` is always there."""
    stars_best: str
    """How clearly the best layer lies above its baseline; see `report.compare.STARS`."""
    stars_last: str
    """The same of the last scored layer."""
    items: ItemScores | None
    """None where items were left out."""
    sureness: Sureness | None = None
    """What the options' probabilities are worth; None where nobody shows it."""


@dataclass(frozen=True)
class PublishedView:
    """A curve of the paper's tables, laid beside a task of ours."""

    task: str
    """Our task."""
    model: str
    """The paper's model."""
    source: str
    """Where it was published."""
    row: str
    """What the paper calls its task."""
    layers: tuple[int, ...]
    """Numbered 1..n."""
    n_layers: int
    """Blocks of the paper's model."""
    accuracy: tuple[float, ...]
    """By layer, in [0, 1]."""
    remarks: tuple[str, ...]
    """What a reader of this row must be told."""


@dataclass(frozen=True)
class WrittenView:
    """What a model wrote, counted: a cell without options to score."""

    model: str
    task: str
    items: int
    exact: float
    numeric: float | None
    tokens: float
    unfinished: int


@dataclass(frozen=True)
class Page:
    """Everything that a report shows."""

    title: str
    """One line."""
    made: str
    """When (UTC, ISO 8601)."""
    version: str
    """llprobe's."""
    runs: tuple[RunView, ...]
    models: tuple[ModelView, ...]
    cells: tuple[CellView, ...]
    texts: Mapping[str, TextSet]
    """By the hash of the questions."""
    published: tuple[PublishedView, ...]
    written: tuple[WrittenView, ...]
    settings: Mapping[str, str]
    """What the engine ran with, where cells differ all values; so `versions`."""
    versions: Mapping[str, str]
    remarks: tuple[str, ...]
    """What was mended, skipped or did not come to its end, and what published tables say."""
