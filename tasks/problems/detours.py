"""Wrong answers of MPS-Rea: every computation is right, but the path is wrong in one place.

A step is dropped (`dropped`), another operation is used (`operation`), or another quantity of
the problem (`quantity`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from ..draw import Draw
from .expression import Expression, leaves, swaps
from .instance import Problem, Solution, work
from .template import Step, Template

__all__ = ["detours"]

_SIGNS: Mapping[str, str] = {"+": "-*", "-": "+*/", "*": "+-/", "/": "*-+"}
_FAR = 10


def detours(draw: Draw, problem: Problem) -> Iterator[tuple[str, Solution]]:
    """Yield wrong solutions in random order, each with its kind; all have another answer.

    An answer that is more than ten times as large or as small as the right one would be seen
    to be wrong without a thought, and is left out.
    """
    for kind, steps in draw.shuffled(list(_paths(problem.template))):
        solution = work(steps, problem.given)
        if solution and solution[-1].result != problem.answer:
            answer = solution[-1].result
            if answer < _FAR * problem.answer and problem.answer < _FAR * answer:
                yield kind, solution


def _paths(template: Template) -> Iterator[tuple[str, Sequence[Step]]]:
    """Yield every path that departs from the right one in one place."""
    known = list(template.shown)
    for place, step in enumerate(template.steps):
        before, after = template.steps[:place], template.steps[place + 1 :]
        # A quantity beside itself, `3 * 3`, would be seen to be wrong at once.
        others = [name for name in known if name not in leaves(step.expression)]
        names = dict.fromkeys(known, others)
        for kind, changed in swaps(step.expression, names, _SIGNS):
            yield kind, (*before, replace(step, expression=changed), *after)
        if len(template.steps) > 1:
            yield from (("dropped", (*before, *rest)) for rest in _without(step, after))
        known.append(step.name)


def _without(step: Step, after: Sequence[Step]) -> Iterator[Sequence[Step]]:
    """Yield the steps after a dropped one, with each quantity that it used in its place."""
    if not after:
        yield ()
        return
    for name in leaves(step.expression):
        yield [
            replace(each, expression=_renamed(each.expression, step.name, name)) for each in after
        ]


def _renamed(expression: Expression, old: str, new: str) -> Expression:
    """Return the expression with one name in place of another, wherever it stands."""
    if old not in leaves(expression):
        return expression
    _, changed = next(swaps(expression, {old: [new]}, dict.fromkeys("+-*/", "")))
    return _renamed(changed, old, new)
