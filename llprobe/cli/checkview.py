"""What `llprobe tasks check` says of a task: the share of each habit, and whether it sticks out.

Knows nothing of how habits are counted (see habits.py) or of which tasks are checked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llprobe.cli.output import Column, percent
from llprobe.errors import UsageError
from llprobe.task import Definition, TaskRequest, load_definition, load_questions
from llprobe.task.habits import HABITS, habits

__all__ = ["COLUMNS", "checked"]

COLUMNS = (
    Column("task", "task"),
    Column("questions", "questions", right=True),
    Column("chance", "chance", percent, right=True),
    Column("low", "at least", percent, right=True),
    Column("high", "at most", percent, right=True),
    *(Column(habit, habit, percent, right=True) for habit in HABITS),
    Column("verdict", "", wraps=True),
)
"""The columns of the table; `checked` gives the rows."""


def checked(request: TaskRequest) -> dict[str, Any]:
    """Return the row of a task: shares in [0, 1], and the habits that stick out.

    `sticks_out` names those that the task does not declare, `by_design` holds those that it does,
    each with the reason. UsageError for a task without options, TaskError for one that declares
    a habit that there is not.
    """
    definition = load_definition(request.name)
    declared = _declared(definition)
    questions = load_questions(request)
    if questions.answer == "generate":
        raise UsageError(f"task {definition.name} has no options that a habit could choose from")
    found = habits(questions.items)
    out = [habit.name for habit in found.each if habit.sticks_out]
    design = {name: declared[name] for name in out if name in declared}
    bad = [name for name in out if name not in declared]
    return {
        "task": definition.name,
        "questions": found.n_items,
        "chance": found.chance,
        "low": found.each[0].low,
        "high": found.each[0].high,
        **{habit.name: habit.share for habit in found.each},
        "sticks_out": bad,
        "by_design": design,
        "verdict": _verdict(bad, design),
    }


def _declared(definition: Definition) -> Mapping[str, str]:
    unknown = [name for name in definition.habits if name not in HABITS]
    if unknown:
        said = f"there is no habit {unknown[0]!r}; known: {', '.join(HABITS)}"
        raise definition.error("llprobe.habits", said)
    return definition.habits


def _verdict(bad: Sequence[str], design: Mapping[str, str]) -> str:
    parts = [f"sticks out: {', '.join(bad)}"] if bad else []
    for reason in dict.fromkeys(design.values()):
        names = [name for name, why in design.items() if why == reason]
        parts.append(f"by design: {', '.join(names)} ({reason})")
    return "; ".join(parts) or "within noise"
