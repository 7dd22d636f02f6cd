"""Questions on three out of six: clues about who goes with whom, tried on all 20 arrangements.

An arrangement is the set of the three that are taken, or that are on the first of two sides.
Knows nothing of other kinds of question.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import combinations

from ..draw import Draw
from .question import Question, insist, listed, sentence
from .teams import TEAMS, Team
from .worlds import ASKED, Claim, Puzzle, posed

__all__ = ["stream"]

Side = frozenset[str]

_ITEMS, _TAKEN = 6, 3
_MOST_LEFT = 8
_FORMS = ("in", "out", "both", "same", "apart", "three")
# What cannot be asked, or hardly: if three could not be taken the other three must be; for three
# pairs never to be apart, only one arrangement and its mirror may be left; and a whole list that
# is ruled out is so by a single clue.
_NEVER = {
    ("could", "in"),
    ("could", "out"),
    ("could", "apart"),
    ("must", "three"),
    ("cannot", "three"),
}
_RULE = "if"


def stream(draw: Draw) -> Iterator[Question]:
    """Yield questions; what is asked takes turns, and so do the forms of the options."""
    kinds = [(asked, form) for form in _FORMS for asked in ASKED]
    while True:
        for asked, form in draw.shuffled([kind for kind in kinds if kind not in _NEVER]):
            yield insist(draw, partial(_question, asked=asked, form=form))


def _question(draw: Draw, rank: int, asked: str, form: str) -> Question | None:
    team = draw.one([team for team in TEAMS if form in team.says])
    items = draw.some(team.items, _ITEMS)
    truth = frozenset(draw.some(items, _TAKEN))
    clues = [_clue(draw, team, items, truth) for _ in range(draw.whole(3, 4))]
    intro = team.intro.format(listed(sorted(items)))
    worlds = [frozenset(side) for side in combinations(items, _TAKEN)]
    puzzle = Puzzle(intro[0].upper() + intro[1:], worlds, clues)
    if not 1 < len(puzzle.left) <= _MOST_LEFT or not puzzle.needs_every_clue():
        return None
    return posed(draw, rank, puzzle, asked, _claims(draw, team, items, form))


def _clue(draw: Draw, team: Team, items: Sequence[str], truth: Side) -> Claim[Side]:
    """Return a claim about two items that is true of `truth`; rules are the most frequent."""
    kind = draw.one([each for each in ("same", "apart", "some") if each in team.says] + [_RULE] * 3)
    while True:
        a, b = draw.some(items, 2)
        claim = _rule(draw, team, a, b) if kind == _RULE else _claim(team, kind, a, b)
        if claim.true(truth):
            return claim


def _rule(draw: Draw, team: Team, a: str, b: str) -> Claim[Side]:
    """Return the claim that `a` on one side means that `b` is on one."""
    if_in, then_in = draw.one((True, False)), draw.one((True, False))
    x = team.says["in" if if_in else "out"].format(a=a)
    y = team.says["in" if then_in else "out"].format(a=b)
    x, y = (text.replace("The ", "the ", 1) for text in (x, y))
    text = draw.one(("If {x}, {y}", "{y} if {x}")).format(x=x, y=y)
    return Claim(sentence(text), lambda side: (a in side) != if_in or (b in side) == then_in)


def _claim(team: Team, kind: str, a: str, b: str = "") -> Claim[Side]:
    tests = {
        "in": lambda side: a in side,
        "out": lambda side: a not in side,
        "both": lambda side: a in side and b in side,
        "some": lambda side: a in side or b in side,
        "same": lambda side: (a in side) == (b in side),
        "apart": lambda side: (a in side) != (b in side),
    }
    return Claim(sentence(team.says[kind].format(a=a, b=b)), tests[kind])


def _claims(draw: Draw, team: Team, items: Sequence[str], form: str) -> list[Claim[Side]]:
    """Return claims of one form, of which no two say the same."""
    if form == "three":
        threes = [draw.shuffled(three) for three in combinations(items, _TAKEN)]
        return [_whole(team, three) for three in threes]
    if form in {"in", "out"}:
        return [_claim(team, form, a) for a in items]
    pairs = [draw.shuffled(pair) for pair in combinations(items, 2)]
    return [_claim(team, form, a, b) for a, b in pairs]


def _whole(team: Team, three: Sequence[str]) -> Claim[Side]:
    text = team.says["three"].format(list=listed(three))
    return Claim(sentence(text), lambda side: side == frozenset(three))
