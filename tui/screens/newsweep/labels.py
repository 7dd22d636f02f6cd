"""Lines of the lists of models and tasks. This module knows what is said of each, no widgets."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from llprobe.task.listing import Listed

from .choices import ModelChoice
from .picks import Pick
from .planning import size

__all__ = ["model_picks", "task_picks"]


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
    memory = f"{'fits' if model.fits else 'does not fit'} ({size(model.needs)})"
    said = model.remark or memory
    return f"{model.name:<20} {model.quant:<7} {size(model.nbytes):>8}  {where:<8}  {said}"


def task_picks(known: Sequence[Listed], named: Collection[str], wanted: str) -> list[Pick]:
    """Return a line for each task, group and tag, and for other names that the sweep has."""
    names = {each.name for each in known}
    lines = [Pick(each.name, _task(each)) for each in known]
    lines += [Pick(name, f"{name}  (a file of your own)") for name in named if name not in names]
    return _holding(lines, wanted)


def _task(task: Listed) -> str:
    count = "–" if task.n_questions is None else f"{task.n_questions:,}"
    kind = "" if task.kind == "task" else f"{task.kind}: "
    needs = f" ({task.data})" if task.n_questions is None and task.data else ""
    return f"{task.name:<22} {count:>6}  {kind}{task.about}{needs}"


def _holding(lines: Sequence[Pick], wanted: str) -> list[Pick]:
    words = wanted.lower().split()
    return [line for line in lines if all(word in line.said.lower() for word in words)]
