"""A sweep becomes ordered cells with ids derived from their content.

A cell is one model, perhaps with something left out, one set of questions, one lens, one way to
run the engine; the same cell has the same id on any machine and in any sweep, so what is stored is
found again. Cells of one model, ablation and task share a forward pass and stand together as a
`Job`.

This module knows what is to be computed. It does not know how, when or where it is kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from itertools import groupby

from llprobe.ablation import parse_ablation
from llprobe.errors import UsageError
from llprobe.machine import performance_cores, versions
from llprobe.model import ModelInfo
from llprobe.settings import LENSES, EngineSettings, parse_layers
from llprobe.task import Questions, TaskRequest, load_questions

__all__ = ["FEATURES", "Cell", "Exclusion", "Job", "Plan", "Sweep", "make_plan", "models_left"]

SCORING = 2
"""Version of the scoring method: stored cells of another version are not continued."""


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Cells whose features all match a pattern (`*`, `?`, `[...]`): (feature, pattern) pairs.

    Features are model, task, answer, seed, shots, lens and ablation.
    """

    patterns: tuple[tuple[str, str], ...]

    def matches(self, features: Mapping[str, str]) -> bool:
        """Whether every pattern matches."""
        return all(fnmatchcase(features[name], pattern) for name, pattern in self.patterns)

    def __str__(self) -> str:
        return ",".join(f"{name}={pattern}" for name, pattern in self.patterns)


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
    ablations: tuple[str, ...] = ("none",)
    """What is left out of the models, in the form of ablation.py; a series stands for many."""
    exclude: tuple[Exclusion, ...] = ()
    """Cells that are left out."""
    awaited: tuple[ModelInfo, ...] = ()
    """Models that are not there (yet): exclusions may be meant for them, but none is planned."""


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
    ablation: str = "none"

    @property
    def features(self) -> dict[str, str]:
        """What a cell can be chosen by, as text."""
        shots = self.request.num_fewshot
        return {
            "model": self.model.name,
            "task": self.questions.task,
            "answer": self.questions.answer,
            "seed": str(self.request.seed),
            "shots": "default" if shots is None else str(shots),
            "lens": self.lens,
            "ablation": self.ablation,
        }


FEATURES = ("model", "task", "answer", "seed", "shots", "lens", "ablation")
"""The keys of `Cell.features`."""


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
    """A run: its id, derived from its name or its cells, and the cells in their order."""

    id: str
    cells: tuple[Cell, ...]
    name: str = ""
    """What a person calls it; a plan of the same name takes its place."""
    spec: str = ""
    """The sweep as YAML, to make it again."""
    unmatched: tuple[Exclusion, ...] = ()
    """Exclusions that match no cell, of awaited models neither."""

    def jobs(self) -> Iterator[tuple[ModelInfo, list[Job]]]:
        """Return jobs by model, each model once, in order."""
        for _, of_model in groupby(self.cells, key=lambda cell: cell.model.fingerprint):
            cells = list(of_model)
            by_task = groupby(cells, key=_shared)
            yield cells[0].model, [Job(tuple(group)) for _, group in by_task]


def _shared(cell: Cell) -> tuple[object, ...]:
    """Return what cells of one model must agree in to share their forward passes."""
    return cell.ablation, cell.questions.hash, cell.layers


def make_plan(sweep: Sweep, name: str = "", spec: str = "") -> Plan:
    """Load the questions and lay out the cells, by model, ablation, task and lens.

    The same model named twice stands there once. Raises UsageError where nothing is left, on
    awaited models neither.
    """
    laid = _laid_out(sweep)
    left = _left(sweep, laid)
    if not left:
        raise UsageError("nothing is left to compute: everything is excluded")
    there = {model.fingerprint for model in sweep.models}
    kept = {
        cell.id: replace(cell, settings=replace(cell.settings, force=sweep.settings.force))
        for cell in left
        if cell.model.fingerprint in there
    }
    _check_writers(left)
    cells = tuple(kept.values())
    id_ = _digest(["name", name]) if name else _digest([cell.id for cell in cells])
    return Plan(id_, cells, name, spec, _unmatched(sweep, laid))


def models_left(sweep: Sweep) -> frozenset[str]:
    """Return the fingerprints of the models, awaited ones too, that have a cell not excluded."""
    return frozenset(cell.model.fingerprint for cell in _left(sweep, _laid_out(sweep)))


def _laid_out(sweep: Sweep) -> list[Cell]:
    """Return all cells, as if none were excluded and all models there."""
    _check(sweep)
    settings = replace(
        sweep.settings, n_threads=sweep.settings.n_threads or performance_cores(), force=False
    )
    asked, models = list(_asked(sweep)), (*sweep.models, *sweep.awaited)
    return [
        _cell(model, questions, request, lens, layers, settings, ablation)
        for model in {model.fingerprint: model for model in models}.values()
        for ablation in _ablations(sweep, model)
        for request, questions in asked
        for lens, layers in _views(sweep, model, questions)
    ]


def _left(sweep: Sweep, laid: Iterable[Cell]) -> list[Cell]:
    return [
        cell
        for cell in laid
        if not any(exclusion.matches(cell.features) for exclusion in sweep.exclude)
    ]


def _unmatched(sweep: Sweep, laid: Iterable[Cell]) -> tuple[Exclusion, ...]:
    features = [cell.features for cell in laid]
    return tuple(
        exclusion
        for exclusion in sweep.exclude
        if not any(exclusion.matches(each) for each in features)
    )


def _ablations(sweep: Sweep, model: ModelInfo) -> list[str]:
    """Return the ablations of a model, each once, in their one way to be written."""
    try:
        found = [
            ablation.text
            for text in sweep.ablations
            for ablation in parse_ablation(text).expand(model.n_layers)
        ]
    except UsageError as problem:
        several = len(sweep.models) > 1
        raise UsageError(f"{model.name}: {problem}" if several else str(problem)) from problem
    return list(dict.fromkeys(found))


def _asked(sweep: Sweep) -> Iterator[tuple[TaskRequest, Questions]]:
    for request in sweep.tasks:
        questions = load_questions(request)
        yield request, questions
        if sweep.pmi and questions.answer != "generate":
            prior = replace(request, prior=True)
            yield prior, load_questions(prior)


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


def _check_writers(cells: Iterable[Cell]) -> None:
    """Refuse to let a model write of which something is left out; exclusions may leave none."""
    for cell in cells:
        if cell.questions.answer == "generate" and cell.ablation != "none":
            raise UsageError(
                f"{cell.questions.task}: answers are written by whole models only: leave out the "
                f"ablation {cell.ablation} or the answer format generate, or exclude the two "
                f"together"
            )


def _cell(
    model: ModelInfo,
    questions: Questions,
    request: TaskRequest,
    lens: str,
    layers: tuple[int, ...],
    settings: EngineSettings,
    ablation: str,
) -> Cell:
    decides = {
        "scoring": SCORING,
        "llama_cpp": versions()["llama-cpp-python"],
        "model": model.fingerprint,
        "questions": questions.hash,
        "lens": lens,
        "layers": layers,
        "settings": settings.deciding(),
    }
    # cells that were stored before there were ablations keep their ids
    decides |= {} if ablation == "none" else {"ablation": ablation}
    return Cell(_digest(decides), model, questions, request, lens, layers, settings, ablation)


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
