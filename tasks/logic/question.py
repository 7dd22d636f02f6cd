"""What a logic question is, and four options among which the right one's length says nothing.

Knows nothing of any kind of question and of what makes an option right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ..draw import Draw

__all__ = ["CANNOT", "COULD", "MUST", "Attempt", "Question", "insist", "listed", "make", "sentence"]

_WRONG = 3
_ALIKE = 0.5  # a wrong option is at most this much longer or shorter than the right one

MUST = (
    "Which of these must be true if the passage is?",
    "If all of this is true, which one of these must be true as well?",
    "Which of these follows from the passage?",
)
"""Ways to ask for the one option that is true in every case that the passage allows."""

COULD = (
    "Which of these could be true, given the passage?",
    "Which one of these is possible under the rules of the passage?",
    "Only one of these can be true if the passage is. Which one?",
)
"""Ways to ask for the one option that is true in some case that the passage allows."""

CANNOT = (
    "Which of these cannot be true, given the passage?",
    "Which one of these is ruled out by the passage?",
    "Three of these are possible if the passage is true. Which one is not?",
)
"""Ways to ask for the one option that is true in no case that the passage allows."""


@dataclass(frozen=True, slots=True)
class Question:
    """A passage, what is asked about it, and four options in the order in which they stand."""

    context: str
    question: str
    choices: tuple[str, ...]
    answer: str
    """One of `choices`."""


Attempt = Callable[[Draw, int], Question | None]
"""Draws a question whose right option has the given length rank; None where the draw has none."""


def insist(draw: Draw, attempt: Attempt) -> Question:
    """Return the first question that `attempt` brings about, for one rank drawn beforehand.

    The rank stays the same from try to try: easy ranks would be too frequent otherwise.
    """
    rank = draw.whole(0, _WRONG)
    while (question := attempt(draw, rank)) is None:
        pass
    return question


def make(
    draw: Draw,
    rank: int,
    told: tuple[str, str],
    rights: Iterable[str],
    wrongs: Iterable[Sequence[str]],
) -> Question | None:
    """Return a question with one of `rights`, `rank` shorter wrong options and the rest longer.

    `told` holds passage and question. Each of `wrongs` holds wordings of one statement, of which a
    question has one at most. Options of equal length count as shorter or longer by lot. None where
    no right option has wrong ones enough on both sides.
    """
    drawn = [draw.one(wordings) for wordings in wrongs]
    for right in draw.shuffled(list(rights)):
        near = [each for each in drawn if abs(len(each) - len(right)) <= _ALIKE * len(right)]
        longer = [each for each in near if 2 * len(each) + draw.whole(0, 1) > 2 * len(right)]
        shorter = [each for each in near if each not in longer]
        if len(shorter) >= rank and len(longer) >= _WRONG - rank:
            wrong = draw.some(shorter, rank) + draw.some(longer, _WRONG - rank)
            return Question(*told, tuple(draw.shuffled([right, *wrong])), right)
    return None


def sentence(text: str) -> str:
    """Return a clause with a capital letter in front and a full stop behind."""
    return f"{text[0].upper()}{text[1:]}."


def listed(names: Sequence[str]) -> str:
    """Return `a, b and c`."""
    return f"{', '.join(names[:-1])} and {names[-1]}"
