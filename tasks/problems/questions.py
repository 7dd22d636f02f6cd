"""Word problems with three wrong solutions each, which neither length nor size give away.

How many of the wrong solutions measure less than the true one is said from outside, from none to
all three: so many slips have a smaller answer than the true solution, and all are as long as it;
so many detours are shorter than the true solution, the others longer. Of detours those are taken
first whose answer is smaller, too, where they are shorter, and larger where they are longer, so
that the size of the answer tells as little as the length.

Knows nothing of the order in which options are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from ..draw import Draw
from .detours import detours
from .instance import Problem, Solution, drawn
from .slips import slips
from .template import Template
from .wording import question, told

__all__ = ["KINDS", "WRONG", "Kind", "Question", "stream"]

WRONG = 3
"""How many wrong solutions a question has."""
_TRIES = 20
"""How many problems are drawn for wrong solutions that suit in size, too."""
_Wrong = tuple[str, Solution]


@dataclass(frozen=True, slots=True)
class Question:
    """A problem with three wrong solutions, those that measure less first."""

    problem: Problem
    wrong: tuple[Solution, ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of wrong answers."""

    make: Callable[[Draw, Problem], Iterator[_Wrong]]
    """Yields wrong solutions in random order, each with what is wrong with it in a word."""
    measure: Callable[[Problem, Solution], int]
    """What as many wrong solutions have less of as more of, over many questions."""


def _answer(problem: Problem, solution: Solution) -> int:
    del problem
    return solution[-1].result


def _length(problem: Problem, solution: Solution) -> int:
    return len(told(problem, solution, "en"))


KINDS: Mapping[str, Kind] = {"cal": Kind(slips, _answer), "rea": Kind(detours, _length)}
"""The kinds of wrong answers, by name."""


def stream(draw: Draw, template: Template, kind: str, below: Iterator[int]) -> Iterator[Question]:
    """Yield questions of a template, none asked twice, until `below` ends; `kind` is one of KINDS.

    `below` says of each question how many wrong solutions measure less than the true one, 0 to 3.
    """
    seen: set[str] = set()
    for count in below:
        asked = _question(draw, template, KINDS[kind], count)
        while question(asked.problem, "en") in seen:
            asked = _question(draw, template, KINDS[kind], count)
        seen.add(question(asked.problem, "en"))
        yield asked


def _question(draw: Draw, template: Template, kind: Kind, below: int) -> Question:
    """Draw numbers until there are wrong solutions enough on either side of the true one."""
    tries = 0
    while True:
        problem = drawn(draw, template)
        wrong = _sided(draw, problem, kind, below)
        tries += 1
        if wrong and (tries >= _TRIES or _smaller(problem, wrong) == below):
            return Question(problem, tuple(wrong))


def _smaller(problem: Problem, wrong: list[Solution]) -> int:
    """Return how many wrong solutions have a smaller answer than the true one."""
    return sum(solution[-1].result < problem.answer for solution in wrong)


def _sided(draw: Draw, problem: Problem, kind: Kind, below: int) -> list[Solution] | None:
    """Return `below` solutions that measure less than the true one, and others that do more."""
    own = kind.measure(problem, problem.solution)
    measured = [(kind.measure(problem, each[1]), each) for each in kind.make(draw, problem)]
    less = [wrong for size, wrong in measured if size < own]
    more = [wrong for size, wrong in measured if size > own]
    less.sort(key=lambda wrong: wrong[1][-1].result > problem.answer)
    more.sort(key=lambda wrong: wrong[1][-1].result < problem.answer)
    chosen: list[_Wrong] = []
    for side in [less] * below + [more] * (WRONG - below):
        fresh = _fresh(problem, side, chosen)
        if fresh is None:
            return None
        chosen.append(fresh)
    return [solution for _, solution in chosen]


def _fresh(problem: Problem, side: list[_Wrong], chosen: list[_Wrong]) -> _Wrong | None:
    """Return one with an answer that no other has, of a kind that is not there yet if possible.

    What comes first in `side` and is on one side of the right answer goes before the rest.
    """
    answers = {solution[-1].result for _, solution in chosen}
    kinds = {kind for kind, _ in chosen}
    left = [each for each in side if each[1][-1].result not in answers]
    if not left:
        return None
    smaller = left[0][1][-1].result < problem.answer
    best = [each for each in left if (each[1][-1].result < problem.answer) == smaller]
    return next((each for each in best if each[0] not in kinds), best[0])
