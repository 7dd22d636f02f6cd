"""A sweep (models x tasks x lenses) becomes ordered cells with ids derived from their content.

A cell is one model, one set of questions, one lens, one way to run the engine; the same cell has
the same id on any machine and in any sweep, so what is stored is found again. Cells of one model
and task share a forward pass and stand together as a `Job`.

This module knows what is to be computed. It does not know how, when or where it is kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby

from llprobe.errors import UsageError
from llprobe.machine import performance_cores, versions
from llprobe.model import ModelInfo
from llprobe.settings import LENSES, EngineSettings, parse_layers
from llprobe.task import Questions, TaskRequest, load_questions

__all__ = ["Cell", "Job", "Plan", "Sweep", "make_plan"]

SCORING = 1
"""Version of the scoring method: stored cells of another version are not continued."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """What a person asked for. `layers` as typed, None = all; see `settings.parse_layers`."""

    models: tuple[ModelInfo, ...]
    tasks: tuple[TaskRequest, ...]
    lenses: tuple[str, ...] = ("norm",)
    layers: str | None = None
    settings: EngineSettings = field(default_factory=EngineSettings)
    pmi: bool = False
    """Whether the options are scored without their question as well."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One curve: accuracy over `layers` of one model on one set of questions through one lens.

    Where the model writes its answers there is no lens (it is empty), and the layer is the last.
    """

    id: str
    model: ModelInfo
    questions: Questions
    request: TaskRequest
    lens: str
    layers: tuple[int, ...]
    settings: EngineSettings


@dataclass(frozen=True, slots=True)
class Job:
    """Cells that differ in their lens only, and so share every forward pass."""

    cells: tuple[Cell, ...]

    @property
    def first(self) -> Cell:
        """Any of the cells: model, questions, layers and settings are those of all."""
        return self.cells[0]


@dataclass(frozen=True, slots=True)
class Plan:
    """A run: its id, derived from its cells, and the cells in the order they are computed."""

    id: str
    cells: tuple[Cell, ...]

    def jobs(self) -> Iterator[tuple[ModelInfo, list[Job]]]:
        """Return jobs by model, each model once, in order."""
        for _, of_model in groupby(self.cells, key=lambda cell: cell.model.fingerprint):
            cells = list(of_model)
            by_task = groupby(cells, key=lambda cell: (cell.questions.hash, cell.layers))
            yield cells[0].model, [Job(tuple(group)) for _, group in by_task]


def make_plan(sweep: Sweep) -> Plan:
    """Load the questions and lay out the cells, model by model, task by task, lens by lens."""
    _check(sweep)
    settings = replace(
        sweep.settings, n_threads=sweep.settings.n_threads or performance_cores(), force=False
    )
    asked = [(request, load_questions(request)) for request in _requests(sweep)]
    cells = tuple(
        _cell(model, questions, request, lens, layers, settings)
        for model in sweep.models
        for request, questions in asked
        for lens, layers in _views(sweep, model, questions)
    )
    cells = tuple(replace(c, settings=replace(settings, force=sweep.settings.force)) for c in cells)
    return Plan(_digest([cell.id for cell in cells]), cells)


def _requests(sweep: Sweep) -> Iterator[TaskRequest]:
    for request in sweep.tasks:
        yield request
        if sweep.pmi:
            yield replace(request, prior=True)


def _views(
    sweep: Sweep, model: ModelInfo, questions: Questions
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the lens and layers of each curve of a model on a set of questions."""
    if questions.answer == "generate":
        yield "", (model.n_layers,)
        return
    layers = parse_layers(sweep.layers, model.n_layers)
    for lens in sweep.lenses:
        yield lens, layers


def _check(sweep: Sweep) -> None:
    for lens in sweep.lenses:
        if lens not in LENSES:
            raise UsageError(f"no lens {lens!r}; known: {', '.join(LENSES)}")
    twice = [f"the lens {lens}" for lens in sweep.lenses if sweep.lenses.count(lens) > 1]
    twice += [f"the task {task.name}" for task in sweep.tasks if sweep.tasks.count(task) > 1]
    if twice:
        raise UsageError(f"{twice[0]} is given twice; give it once")


def _cell(
    model: ModelInfo,
    questions: Questions,
    request: TaskRequest,
    lens: str,
    layers: tuple[int, ...],
    settings: EngineSettings,
) -> Cell:
    decides = {
        "scoring": SCORING,
        "llama_cpp": versions()["llama-cpp-python"],
        "model": model.fingerprint,
        "questions": questions.hash,
        "lens": lens,
        "layers": layers,
        "settings": asdict(settings),
    }
    return Cell(_digest(decides), model, questions, request, lens, layers, settings)


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
