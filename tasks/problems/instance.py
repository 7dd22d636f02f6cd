"""A template with numbers and names, and solutions worked out on it, right or wrong.

Knows nothing of what makes a solution wrong, and writes no sentences.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..draw import Draw
from .expression import value
from .names import PEOPLE
from .template import Condition, Span, Step, Template

__all__ = ["Line", "Problem", "Solution", "drawn", "work"]

_MOST = 99_999


@dataclass(frozen=True, slots=True)
class Line:
    """One worked step: `3 * 12` and 36."""

    place: int
    """Which of the template's sentences tells it, from 0."""
    terms: str
    result: int


Solution = tuple[Line, ...]
"""Worked steps; the last result is the answer."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A template with numbers and names, and its true solution."""

    template: Template
    given: Mapping[str, int]
    """All quantities, hidden ones too."""
    people: tuple[Mapping[str, str], ...]
    """The names of A, B and so on, by language."""
    solution: Solution

    @property
    def answer(self) -> int:
        """The right answer."""
        return self.solution[-1].result


def drawn(draw: Draw, template: Template) -> Problem:
    """Draw numbers until every condition holds and every result is a whole number."""
    while True:
        given = _numbers(draw, template)
        if all(_holds(each, given) for each in template.where):
            solution = work(template.steps, given)
            if solution:
                return Problem(template, given, _people(draw, template), solution)


def work(
    steps: Sequence[Step], given: Mapping[str, int], slips: Mapping[int, int] | None = None
) -> Solution | None:
    """Work out `steps` in order; None where a result is no whole number from 2 to 99,999.

    `slips` gives the result of some steps, by their place, in place of the right one. So small
    a result as 1 would need another form of the words around it.
    """
    values, lines = dict(given), []
    for step in steps:
        right = value(step.expression, values)
        if right is None or not 2 <= right <= _MOST:
            return None
        result = (slips or {}).get(step.place, right)
        lines.append(Line(step.place, step.expression.text(values), result))
        values[step.name] = result
    return tuple(lines)


def _numbers(draw: Draw, template: Template) -> dict[str, int]:
    """Draw every quantity, or work it out from those before it.

    ValueError for a template in which a division may not come out even there.
    """
    given: dict[str, int] = {}
    for name, source in template.draw.items():
        if isinstance(source, Span):
            given[name] = draw.one(source.numbers)
        else:
            worked = value(source, given)
            if worked is None:
                raise ValueError(f"{template.id}: {name} comes to no whole number")
            given[name] = worked
    return given


def _holds(condition: Condition, given: Mapping[str, int]) -> bool:
    left, right = value(condition.left, given), value(condition.right, given)
    if left is None or right is None:
        return False
    return _compared(left, condition.sign, right)


def _compared(left: int, sign: str, right: int) -> bool:
    match sign:
        case "<":
            return left < right
        case ">":
            return left > right
    return left != right


def _people(draw: Draw, template: Template) -> tuple[Mapping[str, str], ...]:
    """Return a name for each person, none twice."""
    pools = {kind: draw.shuffled(names) for kind, names in PEOPLE.items()}
    return tuple(pools[kind].pop() for kind in template.people)
