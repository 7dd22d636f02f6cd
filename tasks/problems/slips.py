"""Wrong answers of MPS-Cal: the right steps, one computed result wrong and carried forward.

The wrong result is a near miss: one digit another, two digits exchanged, or a little more or
less. Whatever is computed from it later is computed correctly.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..draw import Draw
from .instance import Problem, Solution, work

__all__ = ["slips"]

_OFFSETS = (1, 2, 3, 10, 20, 100)


def slips(draw: Draw, problem: Problem) -> Iterator[tuple[str, Solution]]:
    """Yield wrong solutions in random order, each with the place of its slip as a text.

    Each is as long as the true one, and has another answer.
    """
    made = [(line.place, wrong) for line in problem.solution for wrong in _near(line.result)]
    for place, wrong in draw.shuffled(made):
        solution = work(problem.template.steps, problem.given, {place: wrong})
        if not solution or solution[-1].result == problem.answer:
            continue
        if _digits(solution) == _digits(problem.solution):
            yield str(place), solution


def _near(right: int) -> list[int]:
    """Return the near misses of a result, without itself, 0 and 1."""
    text = str(right)
    moved = [right + sign * offset for offset in _OFFSETS for sign in (1, -1)]
    typed = [
        text[:place] + digit + text[place + 1 :]
        for place in range(len(text))
        for digit in "0123456789"
    ]
    turned = [
        text[:place] + text[place + 1] + text[place] + text[place + 2 :]
        for place in range(len(text) - 1)
    ]
    written = [int(each) for each in typed + turned if each[0] != "0"]
    found = dict.fromkeys(moved + written)
    return [each for each in found if each > 1 and each != right and 2 * each < 5 * right]


def _digits(solution: Solution) -> int:
    """Return how much room the numbers of a solution take, the answer's twice as it is shown."""
    last = str(solution[-1].result)
    return sum(len(line.terms) + len(str(line.result)) for line in solution) + len(last)
