"""Questions on what is needed against what is enough: rules about a goal, applied to people.

The passage calls some conditions of a goal necessary and others sufficient. What follows about a
person, or as a general rule, is decided by a truth table over one person's properties.
Knows nothing of other kinds of question.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations

from ..draw import Draw
from .admissions import ADMISSIONS, NAMES, Admission
from .propositional import Clause, follows, if_then, models
from .question import MUST, Question, insist, make, sentence

__all__ = ["stream"]

_GOAL = 1
_CONDITIONS = range(2, 6)
_ATOMS = 5
_NEEDED = (
    "No {noun} {goal} who {unmet}",
    "A {noun} {goal} only if that {noun} {met}",
    "Every {noun} who {goal} {met}",
)
_ENOUGH = (
    "Every {noun} who {met} {goal}",
    "If a {noun} {met}, that {noun} {goal}",
    "Whatever else may be the case, a {noun} who {met} {goal}",
)
_GENERAL = ("Any {noun} who {x} {y}", "Whenever a {noun} {x}, that {noun} {y}")
_PEOPLE = 3


def stream(draw: Draw) -> Iterator[Question]:
    """Yield questions about people and questions about general rules, by turns."""
    while True:
        yield insist(draw, _on_people)
        yield insist(draw, _on_rules)


def _roles(draw: Draw) -> tuple[list[int], list[int]]:
    """Return necessary and sufficient conditions: two and one, or one and two."""
    conditions, needed = draw.shuffled(_CONDITIONS), draw.whole(1, 2)
    return conditions[:needed], conditions[needed:3]


def _clauses(needed: Sequence[int], enough: Sequence[int]) -> list[Clause]:
    return [
        *(if_then(_GOAL, condition) for condition in needed),
        *(if_then(condition, _GOAL) for condition in enough),
    ]


def _passage(draw: Draw, admission: Admission, needed: list[int], enough: list[int]) -> list[str]:
    """Return the sentences that state the rules."""
    frames = [*zip(needed, draw.some(_NEEDED, len(needed)), strict=True)]
    frames += [*zip(enough, draw.some(_ENOUGH, len(enough)), strict=True)]
    said = [_stated(admission, frame, condition) for condition, frame in draw.shuffled(frames)]
    return [admission.intro, *said]


def _stated(admission: Admission, frame: str, condition: int) -> str:
    met, unmet = admission.say(condition), admission.say(-condition)
    goal = admission.say(_GOAL)
    return sentence(frame.format(noun=admission.noun, goal=goal, met=met, unmet=unmet))


def _on_rules(draw: Draw, rank: int) -> Question | None:
    """Draw a question whose right option is a rule and whose wrong ones are rules turned round."""
    admission, frame = draw.one(ADMISSIONS), draw.one(_GENERAL)
    needed, enough = _roles(draw)
    worlds = models(_clauses(needed, enough), _ATOMS)
    pairs = permutations([_GOAL, *needed, *enough], 2)
    rules = [(x, y) for x, y in pairs if follows(worlds, -x, y)]
    right = draw.one(rules)
    # Always to offer the right rule turned round would make these two the most alike.
    turned = [rule for rule in rules if rule != right or draw.whole(0, 1)]
    true = draw.one(_wordings(admission, frame, *right))
    wrongs = [_wordings(admission, frame, y, x) for x, y in turned]
    passage = " ".join(_passage(draw, admission, needed, enough))
    return make(draw, rank, (passage, draw.one(MUST)), [true], wrongs)


def _wordings(admission: Admission, frame: str, x: int, y: int) -> list[str]:
    """Return two sentences that mean the same: from `x` to `y`, and from not `y` to not `x`."""
    pairs = [(admission.say(x), admission.say(y)), (admission.say(-y), admission.say(-x))]
    return [sentence(frame.format(noun=admission.noun, x=one, y=two)) for one, two in pairs]


def _on_people(draw: Draw, rank: int) -> Question | None:
    admission, people = draw.one(ADMISSIONS), draw.some(NAMES, _PEOPLE)
    needed, enough = _roles(draw)
    atoms = [_GOAL, *needed, *enough]
    facts = [atom * draw.one((1, -1)) for atom in draw.some(atoms, _PEOPLE)]
    rights: list[str] = []
    wrongs: list[list[str]] = []
    for name, given in zip(people, facts, strict=True):
        worlds = models([*_clauses(needed, enough), frozenset((given,))], _ATOMS)
        for literal in (draw.one((1, -1)) * atom for atom in atoms if atom != abs(given)):
            text = sentence(f"{name} {admission.say(literal)}")
            if follows(worlds, literal):
                rights.append(text)
            else:
                wrongs.append([text])
    known = [sentence(f"{who} {admission.say(x)}") for who, x in zip(people, facts, strict=True)]
    passage = " ".join([*_passage(draw, admission, needed, enough), *known])
    return make(draw, rank, (passage, draw.one(MUST)), rights, wrongs)
