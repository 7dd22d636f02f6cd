"""Questions on parallel reasoning: which of four arguments is built as a given one is.

An argument is a form filled with the facts of a place or with groups of things; some forms are
valid, others are well-known mistakes. The five arguments of a question are about five places, and
the four options are of four forms with the same number of clauses, so that neither a shared
subject nor length shows which one it is. Knows nothing of other kinds of question.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from ..draw import Draw
from .kinds import REALMS, Realm
from .matters import MATTERS, Matter
from .quantifiers import Statement, stated
from .question import Question, insist, make, sentence

__all__ = ["FAMILIES", "Form", "stream"]

_ASK = (
    "Which of these arguments is built in the same way as the one in the passage?",
    "Which of these arguments has the same form as that of the passage?",
    "Right or wrong, the passage reasons in a certain way. Which argument reasons in that way too?",
)
_SO = ("So", "Therefore", "Hence", "It follows that", "This shows that")
_FRAMES = {
    "if": ("If {x}, {y}", "Whenever {x}, {y}"),
    "or": ("Either {x} or {y}", "Either {x}, or else {y}"),
    "never": ("It never happens that {x} while {y}", "It cannot be that {x} while {y}"),
    "not": ("{not_x}",),
    "is": ("{x}",),
}
_PARTS = 3


@dataclass(frozen=True, slots=True)
class Form:
    """An argument's skeleton: two premises and a conclusion over facts or groups a, b and c.

    `if a b`, `or a b`, `never a b`, `is a`, `not a` are said of facts; `all a b`, `no a b`,
    `some a b` of groups.
    """

    premises: tuple[str, str]
    conclusion: str


FAMILIES: Mapping[str, tuple[Form, ...]] = {
    "fact": (
        Form(("if a b", "is a"), "is b"),
        Form(("if a b", "not b"), "not a"),
        Form(("if a b", "is b"), "is a"),
        Form(("if a b", "not a"), "not b"),
        Form(("or a b", "not a"), "is b"),
        Form(("or a b", "is a"), "not b"),
        Form(("never a b", "is a"), "not b"),
    ),
    "chain": (
        Form(("if a b", "if b c"), "if a c"),
        Form(("if a b", "if b c"), "if c a"),
        Form(("if a c", "if b c"), "if a b"),
        Form(("if a b", "if a c"), "if b c"),
    ),
    "groups": (
        Form(("all a b", "all b c"), "all a c"),
        Form(("all a c", "all b c"), "all a b"),
        Form(("all a b", "no b c"), "no a c"),
        Form(("all a b", "no a c"), "no b c"),
        Form(("some a b", "all b c"), "some a c"),
        Form(("some a b", "some b c"), "some a c"),
    ),
}
"""Forms by family; the options of one question are of the same family. No form becomes another by
calling its facts or groups by other letters."""


def stream(draw: Draw) -> Iterator[Question]:
    """Yield questions; the families of forms take turns."""
    while True:
        for family in FAMILIES:
            yield insist(draw, partial(_question, family=family))


def _question(draw: Draw, rank: int, family: str) -> Question | None:
    """Draw a passage and, of each form, an argument about a place of its own."""
    forms = draw.shuffled(FAMILIES[family])
    everywhere: Sequence[Matter | Realm] = REALMS if family == "groups" else MATTERS
    places = draw.shuffled(everywhere)
    passage = _argument(draw, places[0], forms[0])
    right, *wrong = [
        _argument(draw, place, form) for place, form in zip(places[1:], forms, strict=False)
    ]
    return make(draw, rank, (passage, draw.one(_ASK)), [right], [[each] for each in wrong])


def _argument(draw: Draw, place: Matter | Realm, form: Form) -> str:
    said = _filled(draw, place, form)
    conclusion = said[-1][0].lower() + said[-1][1:]
    so = draw.one(_SO)
    comma = "" if so.endswith("that") else ","
    return " ".join([*said[:-1], f"{so}{comma} {conclusion}"])


def _filled(draw: Draw, place: Matter | Realm, form: Form) -> list[str]:
    """Return premises and conclusion as sentences about a place."""
    parts = [part.split() for part in (*form.premises, form.conclusion)]
    if isinstance(place, Realm):
        realm = place.some(draw, _PARTS)
        return [stated(draw, realm, Statement(how, *map("abc".index, of))) for how, *of in parts]
    facts = dict(zip("abc", draw.some(range(1, len(place.facts) + 1), _PARTS), strict=True))
    return [_clause(draw, place, how, [facts[each] for each in of]) for how, *of in parts]


def _clause(draw: Draw, matter: Matter, how: str, of: Sequence[int]) -> str:
    x, y = matter.say(of[0]), matter.say(of[-1])
    return sentence(draw.one(_FRAMES[how]).format(x=x, y=y, not_x=matter.say(-of[0])))
