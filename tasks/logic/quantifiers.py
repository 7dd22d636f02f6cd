"""Questions on all, some and none: three statements about four groups, and what follows.

Whether a statement follows is decided by search for a world in which it does not: see `follows`.
A right option follows even if groups may be empty, and from no single sentence of the passage; a
wrong one does not follow even if none is empty. So no question hangs on that.
Knows nothing of other kinds of question.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import permutations

from ..draw import Draw
from .kinds import REALMS, Realm
from .question import MUST, Question, insist, make, sentence

__all__ = ["FORMS", "Statement", "consistent", "follows", "stated", "stream"]

FORMS = ("all", "no", "some", "some not")
"""What can be said of two groups."""

_GROUPS = 4
_ENOUGH = 3  # wrong options for a question; more leave a choice of lengths
_OPPOSITE = {"all": "some not", "some not": "all", "no": "some", "some": "no"}
_FRAMES = {
    "all": ("All {xs} are {ys}", "Every {x} is {ay}", "Each {x} is {ay}"),
    "no": ("No {x} is {ay}", "None of the {xs} is {ay}", "Not one {x} is {ay}"),
    "some": ("Some {xs} are {ys}", "At least one {x} is {ay}"),
    "some not": ("Some {xs} are not {ys}", "Not every {x} is {ay}", "At least one {x} is not {ay}"),
}

_KINDS = range(2**_GROUPS)  # of things; bit g of a kind's number says whether it is in group g


@dataclass(frozen=True, slots=True)
class Statement:
    """One of `FORMS`, said of groups `x` and `y`, numbers from 0 to 3."""

    form: str
    x: int
    y: int

    @property
    def key(self) -> tuple[str, int, int]:
        """Equal for statements that mean the same: `some` and `no` can be turned round."""
        turned = self.form in {"some", "no"} and self.x > self.y
        return (self.form, self.y, self.x) if turned else (self.form, self.x, self.y)

    @property
    def opposite(self) -> Statement:
        """The statement that is true where this one is not."""
        return Statement(_OPPOSITE[self.form], self.x, self.y)

    @property
    def witnesses(self) -> frozenset[int]:
        """The kinds of things that make a `some` true, or an `all` or `no` false."""
        both = self.form in {"some", "no"}
        return frozenset(k for k in _KINDS if k >> self.x & 1 and (k >> self.y & 1) == both)


_WITNESSES = {
    Statement(form, x, y): Statement(form, x, y).witnesses
    for form in FORMS
    for x, y in permutations(range(_GROUPS), 2)
}
_MEMBERS = [frozenset(kind for kind in _KINDS if kind >> group & 1) for group in range(_GROUPS)]


def consistent(statements: Sequence[Statement], *, inhabited: bool) -> bool:
    """Say whether all statements can be true together, and no group empty if `inhabited`.

    They can if, of the kinds of things that no `all` and no `no` forbids, each `some` finds one.
    """
    general = [_WITNESSES[each] for each in statements if each.form in {"all", "no"}]
    wanted = [_WITNESSES[each] for each in statements if each.form in {"some", "some not"}]
    allowed = frozenset(_KINDS).difference(*general)
    return not any(allowed.isdisjoint(each) for each in [*wanted, *(_MEMBERS * inhabited)])


def follows(premises: Sequence[Statement], conclusion: Statement, *, inhabited: bool) -> bool:
    """Say whether there is no world with the premises true and the conclusion false."""
    return not consistent([*premises, conclusion.opposite], inhabited=inhabited)


def stated(draw: Draw, realm: Realm, said: Statement, frame: str | None = None) -> str:
    """Return a sentence that says it, in the wording `frame` or one drawn at random."""
    (x, xs), ys = realm.kinds[said.x], realm.kinds[said.y][1]
    wording = frame or draw.one(_FRAMES[said.form])
    return sentence(wording.format(x=x, xs=xs, ys=ys, ay=realm.one(said.y)))


def stream(draw: Draw) -> Iterator[Question]:
    """Yield questions; the four options of one are of the same form, and forms take turns."""
    while True:
        for form in FORMS:
            yield insist(draw, partial(_question, form=form))


def _question(draw: Draw, rank: int, form: str) -> Question | None:
    realm, premises = draw.one(REALMS).some(draw, _GROUPS), _premises(draw)
    if not consistent(premises, inhabited=True):
        return None
    pairs = [Statement(form, x, y) for x, y in permutations(range(_GROUPS), 2)]
    rights = [said for said in pairs if _takes_thought(premises, said)]
    if not rights:
        return None
    right = draw.one(rights)
    wrongs = [said for said in pairs if not follows(premises, said, inhabited=True)]
    # Those that share no group with it would make the right option the least like the others.
    near = [said for said in wrongs if {said.x, said.y} & {right.x, right.y}]
    frame = draw.one(_FRAMES[form])
    worded: dict[object, list[str]] = {}
    for said in near if len({said.key for said in near}) > _ENOUGH else wrongs:
        worded.setdefault(said.key, []).append(stated(draw, realm, said, frame))
    passage = " ".join([realm.intro, *(stated(draw, realm, each) for each in premises)])
    told, true = (passage, draw.one(MUST)), stated(draw, realm, right, frame)
    return make(draw, rank, told, [true], worded.values())


def _takes_thought(premises: Sequence[Statement], said: Statement) -> bool:
    """Say whether a statement follows even if groups may be empty, and from no single premise."""
    return follows(premises, said, inhabited=False) and not any(
        follows([premise], said, inhabited=True) for premise in premises
    )


def _premises(draw: Draw) -> list[Statement]:
    """Return three statements that connect all groups, in random order."""
    links = [(draw.whole(0, place - 1), place) for place in range(1, _GROUPS)]
    pairs = [draw.shuffled(link) for link in links]
    return draw.shuffled([Statement(draw.one(FORMS), x, y) for x, y in pairs])
