"""The exact prompt of a question of a sweep, as a model will get it.

This module is for worker threads: it loads questions. It does not know widgets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from llprobe.errors import UsageError
from llprobe.report.itemview import ItemView, as_text
from llprobe.sweep import SweepSpec, requests_of
from llprobe.task import TaskRequest, expand, load_questions

__all__ = ["Preview", "preview"]


@dataclass(frozen=True)
class Preview:
    """One question in one of the ways that it is asked in."""

    task: str
    way: int
    """Which of the `n_ways`, from 0."""
    n_ways: int
    number: int
    """Which of the `n_items`, from 0."""
    n_items: int
    how: str
    """What is special about this way, in words."""
    text: str


def preview(spec: SweepSpec, name: str, way: int = 0, number: int = 0) -> Preview:
    """Return a question of the tasks that `name` stands for; ways and numbers go round.

    Ways are the tasks' own, each with every answer format, number of shots and seed of the sweep.
    Raises what `requests_of` and `load_questions` raise.
    """
    ways = _ways(spec, name)
    request = ways[way % len(ways)]
    questions = load_questions(request)
    n_items = len(questions.items)
    view = ItemView.of(questions, str(number % n_items + 1))
    how = _how(request, questions.answer)
    return Preview(name, way % len(ways), len(ways), number % n_items, n_items, how, as_text(view))


def _ways(spec: SweepSpec, name: str) -> list[TaskRequest]:
    """Return the requests of the sweep that are of this task, also where it is not in it yet."""
    wanted = set(expand([name]))
    tasks = spec.tasks if name in spec.tasks else (*spec.tasks, name)
    found = [each for each in requests_of(replace(spec, tasks=tasks)) if each.name in wanted]
    if not found:
        raise UsageError(f"{name} stands for no task")
    return found


def _how(request: TaskRequest, answer: str) -> str:
    told: Mapping[str, object] = {
        "answer": answer,
        "shots": "default" if request.num_fewshot is None else request.num_fewshot,
        "seed": request.seed,
    }
    plain = {"answer": "cloze", "shots": "default", "seed": 0}
    said = [f"{key} {value}" for key, value in told.items() if value != plain[key]]
    return ", ".join([request.name, *said])
