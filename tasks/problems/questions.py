"""Word problems with four answers: which are drawn, which wrong answers, and in which order.

Wrong answers are drawn so that neither length nor place tells the true one. A number is drawn
evenly from none to all three: so many slips have a smaller answer than the true solution, and
all are as long as it; so many detours are shorter than the true solution, the others longer.
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

__all__ = ["KINDS", "Kind", "Question", "stream"]

_WRONG = 3
_Wrong = tuple[str, Solution]


@dataclass(frozen=True, slots=True)
class Question:
    """A problem with three wrong solutions."""

    problem: Problem
    wrong: tuple[Solution, ...]
    place: int
    """Where the true solution stands among the four, from 0."""


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


def stream(draw: Draw, template: Template, kind: str) -> Iterator[Question]:
    """Yield questions of a template, endlessly, none asked twice; `kind` is one of KINDS."""
    seen: set[str] = set()
    while True:
        asked = _question(draw, template, KINDS[kind])
        text = question(asked.problem, "en")
        if text not in seen:
            seen.add(text)
            yield asked


def _question(draw: Draw, template: Template, kind: Kind) -> Question:
    """Draw numbers until there are wrong solutions enough on either side of the true one."""
    below = draw.whole(0, _WRONG)
    while True:
        problem = drawn(draw, template)
        wrong = _sided(draw, problem, kind, below)
        if wrong:
            return Question(problem, tuple(draw.shuffled(wrong)), draw.whole(0, _WRONG))


def _sided(draw: Draw, problem: Problem, kind: Kind, below: int) -> list[Solution] | None:
    """Return `below` solutions that measure less than the true one, and others that do more."""
    own = kind.measure(problem, problem.solution)
    measured = [(kind.measure(problem, each[1]), each) for each in kind.make(draw, problem)]
    less = [wrong for size, wrong in measured if size < own]
    more = [wrong for size, wrong in measured if size > own]
    chosen: list[_Wrong] = []
    for side in [less] * below + [more] * (_WRONG - below):
        fresh = _fresh(side, chosen)
        if fresh is None:
            return None
        chosen.append(fresh)
    return [solution for _, solution in chosen]


def _fresh(side: list[_Wrong], chosen: list[_Wrong]) -> _Wrong | None:
    """Return one with an answer that no other has, of a kind that is not there yet if possible."""
    answers = {solution[-1].result for _, solution in chosen}
    kinds = {kind for kind, _ in chosen}
    left = [each for each in side if each[1][-1].result not in answers]
    return next((each for each in left if each[0] not in kinds), left[0] if left else None)
