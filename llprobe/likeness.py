"""Models and questions -> how alike layers are: reads states in children, compares as they come.

    questions dealt to batches -> a child per model -> Gram matrices by batch -> CKA, cosines

Two models run one after the other on the same batches; of the first only its Gram matrices are
kept until the second has run: items x batch x layers x 8 bytes. This module knows the order of
these steps. It does not know the arithmetic, nor how the outcome is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from llprobe.analysis.similarity import FEWEST_BATCHES, FEWEST_ITEMS, Cka, MeanCosine, deal
from llprobe.children import Cancel, call, raise_failure
from llprobe.errors import UnknownName, UsageError
from llprobe.events import Failed, StatesBatch, StatesRequest, StatesStarted
from llprobe.model import ModelInfo, read_model
from llprobe.report.similarity import LayerCosines, Similarity
from llprobe.settings import EngineSettings, parse_layers, settings_from
from llprobe.store import CellRecord, Store
from llprobe.task import Item, Questions, Skipped, TaskRequest, load_questions

__all__ = ["N_ITEMS", "POSITIONS", "Reading", "layer_similarity", "similarity_of_runs"]

POSITIONS = ("last", "mean")
"""Whose states stand for a prompt: its last token's, or the mean over the tokens that not all
prompts begin with."""

N_ITEMS: Final = 512
"""Questions that are enough for most comparisons: 8 batches of 64."""

Watch = Callable[[str, int, int], None]
"""Is told a model's name, how many items are read, and how many there are."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How states are read and dealt to batches."""

    layers: str | None = None
    """As in `settings.parse_layers`, of each model by itself; None for all."""
    position: str = "last"
    """One of `POSITIONS`."""
    batch: int = 64
    """Items whose states are compared with each other, `FEWEST_ITEMS` or more."""
    seed: int = 0
    """Of the order in which items are dealt to batches."""
    engine: EngineSettings = field(default_factory=EngineSettings)

    def __post_init__(self) -> None:
        """Refuse what nothing could be compared with."""
        if self.position not in POSITIONS:
            raise UsageError(f"no position {self.position!r}; known: {', '.join(POSITIONS)}")
        if self.batch < FEWEST_ITEMS:
            raise UsageError(f"a batch of {self.batch}: CKA needs at least {FEWEST_ITEMS} items")


def layer_similarity(
    models: Sequence[ModelInfo],
    questions: Questions,
    how: Reading | None = None,
    cancel: Cancel | None = None,
    watch: Watch | None = None,
) -> Similarity:
    """Compare all layers of a model with each other, or all of one model's with all of another's.

    Of questions with the same prompt the first counts. Those that do not fit the context of a
    model are left out of both. Raises UsageError where not one or two models are given, or fewer
    than `FEWEST_ITEMS` questions are left; KeyboardInterrupt after `cancel`; and what a worker
    reports.
    """
    if not 1 <= len(models) <= 2:
        raise UsageError(f"{len(models)} models are given: name one, or two to compare")
    work = _Work(questions, how or Reading(), cancel or Cancel(), watch or (lambda *_: None))
    return work.compare(models)


def similarity_of_runs(  # noqa: PLR0913 - what is read of it, and who steers and watches
    store: Store,
    runs: Sequence[str],
    task: str | None = None,
    n_items: int = N_ITEMS,
    how: Reading | None = None,
    *,
    model: str | None = None,
    cancel: Cancel | None = None,
    watch: Watch | None = None,
) -> Similarity:
    """Compare the layers of the model, or the two models, of stored runs, or of one `model`.

    The questions are the first `n_items` of the first run's `task`, its first one by default; the
    models are those of all runs, whole, whatever was left out of them there. Without `how` the
    engine runs as it did then. Raises UsageError where the runs name no or more than two models,
    or a model or the questions have changed since, UnknownName for a task or model they have not.
    """
    of_runs = [store.cells(store.find_run(run)) for run in runs]
    cell = _cell_of(of_runs[0], task)
    named = [each for cells in of_runs for each in cells if model in {None, each.model}]
    if not named:
        raise UnknownName(
            "model in these runs", model or "", {c.model for of in of_runs for c in of}
        )
    by_file = {each.fingerprint: each for each in named}
    models = [_model_of(each) for each in by_file.values()]
    asked = _questions_of(cell)
    how = how or Reading(engine=settings_from(cell.settings))
    return layer_similarity(models, replace(asked, items=asked.items[:n_items]), how, cancel, watch)


def _cell_of(cells: Sequence[CellRecord], task: str | None) -> CellRecord:
    """Return the first cell of a task, or of any, that holds questions."""
    asked = [cell for cell in cells if cell.answer != "prior"]
    found = next((cell for cell in asked if task in {None, cell.task}), None)
    if found is None:
        raise UnknownName("task in this run", task or "", {cell.task for cell in asked})
    return found


def _model_of(cell: CellRecord) -> ModelInfo:
    """Return the model that a cell was computed with."""
    path = Path(cell.model_info["paths"][0])
    if not path.exists():
        raise UsageError(f"{cell.model} is no longer at {path}: put it there, or run it anew")
    model = read_model(path)
    if model.fingerprint != cell.fingerprint:
        raise UsageError(f"{path} is no longer the {cell.model} of the run: run it anew")
    return replace(model, name=cell.model)


def _questions_of(cell: CellRecord) -> Questions:
    """Ask for a cell's questions again."""
    request: dict[str, Any] = cell.request | {
        "settings": tuple((name, value) for name, value in cell.request["settings"])
    }
    found = load_questions(TaskRequest(**request))
    if found.hash != cell.questions:
        raise UsageError(f"task {cell.task} asks other questions than the run did: run it anew")
    return found


class _Work:
    """One comparison, from the questions to the outcome."""

    def __init__(self, questions: Questions, how: Reading, cancel: Cancel, watch: Watch) -> None:
        asked, self._notes = _distinct(questions)
        if len(asked.items) < FEWEST_ITEMS:
            raise UsageError(_too_few(questions.task, len(asked.items), "with different prompts"))
        self._questions, self._how, self._cancel, self._watch = asked, how, cancel, watch
        self._batches = deal(len(asked.items), how.batch, how.seed)

    def compare(self, models: Sequence[ModelInfo]) -> Similarity:
        """Read the models one after the other and compare."""
        layers = [parse_layers(self._how.layers, model.n_layers) for model in models]
        cka, cosines, n_items = Cka(), [_Cosines() for _ in models], 0
        for pair in self._pairs(models, layers):
            if len(pair[0].items) < FEWEST_ITEMS:
                continue
            n_items += len(pair[0].items)
            cka.add(pair[0].gram, pair[-1].gram)
            for each, batch in zip(cosines, pair, strict=True):
                each.add(batch)
        if not n_items:
            raise UsageError(_too_few(self._questions.task, 0, "that fit the context together"))
        return Similarity(
            labels=(models[0].name, models[-1].name),
            task=self._questions.task,
            position=self._how.position,
            layers_a=layers[0],
            layers_b=layers[-1],
            n_blocks=(models[0].n_layers, models[-1].n_layers),
            matrix=cka.matrix(),
            error=cka.error(),
            cosines=tuple(
                each.found(model.name, of)
                for each, model, of in zip(cosines, models, layers, strict=True)
            ),
            n_items=n_items,
            batch=self._how.batch,
            n_batches=cka.n_batches,
            notes=(*self._notes, *_remarks(cka, len(self._questions.items) - n_items)),
        )

    def _pairs(
        self, models: Sequence[ModelInfo], layers: Sequence[tuple[int, ...]]
    ) -> Iterator[tuple[StatesBatch, ...]]:
        """Yield each batch as every model has it, cut down to the items that fit all."""
        if len(models) == 1:
            yield from ((batch,) for batch in self._read(models[0], layers[0], self._batches))
            return
        kept = {each.batch: each for each in self._read(models[0], layers[0], self._batches)}
        left = tuple(kept[n].items if n in kept else () for n in range(len(self._batches)))
        for second in self._read(models[1], layers[1], left):
            yield _only(kept.pop(second.batch), second.items), second

    def _read(
        self, model: ModelInfo, layers: tuple[int, ...], batches: tuple[tuple[int, ...], ...]
    ) -> Iterator[StatesBatch]:
        """Let a child read the states of a model; yields its batches."""
        mean = self._how.position == "mean"
        request = StatesRequest(model, self._how.engine, self._questions, batches, layers, mean)
        read = total = 0
        with closing(call(request, self._cancel)) as events:
            for event in events:
                match event:
                    case Failed():
                        raise_failure(event)
                    case StatesStarted(n_items=total, skipped=skipped):
                        self._note_skipped(model, skipped)
                        self._watch(model.name, 0, total)
                    case StatesBatch():
                        read += len(event.items)
                        self._watch(model.name, read, total)
                        yield event
        if self._cancel.requests:
            raise KeyboardInterrupt

    def _note_skipped(self, model: ModelInfo, skipped: Sequence[Skipped]) -> None:
        if skipped:
            first = f"{skipped[0].id}: {skipped[0].reason}"
            self._notes.append(f"{model.name}: {len(skipped)} do not fit ({first})")


class _Cosines:
    """The cosines of one model, batch by batch."""

    def __init__(self) -> None:
        self._next, self._last = MeanCosine(), MeanCosine()

    def add(self, batch: StatesBatch) -> None:
        """Add a batch."""
        self._next.add(batch.to_next)
        self._last.add(batch.to_last)

    def found(self, model: str, layers: tuple[int, ...]) -> LayerCosines:
        """Return the means over all batches."""
        return LayerCosines(
            model, layers, self._next.mean(), self._next.error(), self._last.mean(),
            self._last.error(),
        )  # fmt: skip


def _distinct(questions: Questions) -> tuple[Questions, list[str]]:
    """Return questions of which no two have the same prompt, and a note where some had.

    No answer is written, so no prompt needs room for one.
    """
    first: dict[str, Item] = {}
    for item in questions.items:
        first.setdefault(item.prompt, item)
    n_repeated = len(questions.items) - len(first)
    said = f"{n_repeated} questions with the prompt of another one are left out"
    distinct = replace(questions, items=tuple(first.values()), max_tokens=0)
    return distinct, [said] if n_repeated else []


def _only(batch: StatesBatch, items: tuple[int, ...]) -> StatesBatch:
    """Return a batch as if it had these of its items alone; HSIC_1 does not see their mean."""
    keep = np.isin(batch.items, items)
    gram = batch.gram[:, keep][:, :, keep]
    return replace(
        batch, items=items, gram=gram, to_next=batch.to_next[keep], to_last=batch.to_last[keep]
    )


def _too_few(task: str, n_items: int, which: str) -> str:
    return (
        f"task {task} has {n_items} questions {which}, CKA needs {FEWEST_ITEMS}: raise -L, or "
        "take another task"
    )


def _remarks(cka: Cka, left_out: int) -> Iterator[str]:
    """Say what the numbers cannot."""
    if left_out:
        yield f"{left_out} questions are not in the numbers: they, or their batch mates, do not fit"
    if cka.n_batches < FEWEST_BATCHES:
        said = f"{cka.n_batches} batch{'es' if cka.n_batches > 1 else ''}"
        yield f"{said}: no standard errors of CKA below {FEWEST_BATCHES} (raise -L)"
    if np.isnan(cka.matrix()).any():
        yield "no CKA (–) where a layer's states are the same for all questions"
