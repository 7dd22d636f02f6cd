"""Lines of the lists of models and tasks. This module knows what is said of each, no widgets."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from llprobe.task.listing import Listed

from .choices import Choices, ModelChoice
from .picks import Pick
from .planning import size

__all__ = ["MODEL_HEAD", "TASK_HEAD", "model_picks", "task_picks"]

MODEL_HEAD: Final = (
    f"    {'model':<20} {'quant':<7} {'file':>8}  {'where':<8}  memory, known of those here"
)
"""What the parts of a model's line are."""
TASK_HEAD: Final = f"    {'task':<22} {'asks':>6}  about (questions are counted: …)"


def model_picks(known: Sequence[ModelChoice], named: Sequence[str], wanted: str) -> list[Pick]:
    """Return a line for each model: those known, then others that the sweep names.

    Only those that hold the text `wanted` are returned.
    """
    names = {each.name for each in known}
    lines = [Pick(each.name, _model(each)) for each in known]
    lines += [Pick(name, f"{name}  (of your own)") for name in named if name not in names]
    return _holding(lines, wanted)


def _model(model: ModelChoice) -> str:
    where = "here" if model.here else "download"
    said = model.remark or _memory(model)
    return f"{model.name:<20} {model.quant:<7} {size(model.nbytes):>8}  {where:<8}  {said}"


def _memory(model: ModelChoice) -> str:
    """Say what memory it takes: of a model that is away only its file's size is known."""
    if not model.here:
        return "may fit" if model.fits else "does not fit"
    return f"{'fits' if model.fits else 'does not fit'} ({size(model.needs)})"


def task_picks(known: Choices, named: Collection[str], wanted: str) -> list[Pick]:
    """Return a line for each task, group and tag, and for other names that the sweep has."""
    names = {each.name for each in known.tasks}
    lines = [Pick(each.name, _task(each, counted=known.counted)) for each in known.tasks]
    lines += [Pick(name, f"{name}  (a file of your own)") for name in named if name not in names]
    return _holding(lines, wanted)


def _task(task: Listed, *, counted: bool) -> str:
    unknown = "–" if counted else "…"
    count = unknown if task.n_questions is None else f"{task.n_questions:,}"
    kind = "" if task.kind == "task" else f"{task.kind}: "
    needs = f" ({task.data})" if task.n_questions is None and task.data else ""
    return f"{task.name:<22} {count:>6}  {kind}{task.about}{needs}"


def _holding(lines: Sequence[Pick], wanted: str) -> list[Pick]:
    words = wanted.lower().split()
    return [line for line in lines if all(word in line.said.lower() for word in words)]
