"""Questions on an order of five: three or four clues, tried on all 120 arrangements.

An arrangement is a tuple of the five items, from the first place to the last.
Knows nothing of other kinds of question.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import permutations

from ..draw import Draw
from .lineups import LINEUPS, Lineup
from .question import Question, insist, listed, sentence
from .worlds import Claim, Puzzle, posed

__all__ = ["stream"]

Order = tuple[str, ...]

_SIZE = 5
_CLUES = ("at", "not", "before", "next", "gap", "edge", "before", "next", "gap")
_MOST_LEFT = 15
_KINDS = (
    ("must", "at"),
    ("must", "before"),
    ("must", "not"),
    ("could", "at"),
    ("could", "before"),
    ("could", "order"),
    ("cannot", "at"),
    ("cannot", "before"),
    ("cannot", "not"),
)


def stream(draw: Draw) -> Iterator[Question]:
    """Yield questions; what is asked takes turns, and so do the forms of the options."""
    while True:
        for asked, form in draw.shuffled(_KINDS):
            yield insist(draw, partial(_question, asked=asked, form=form))


def _question(draw: Draw, rank: int, asked: str, form: str) -> Question | None:
    lineup = draw.one(LINEUPS)
    items = draw.some(lineup.items, _SIZE)
    truth = tuple(draw.shuffled(items))
    clues = [_clue(draw, lineup, truth) for _ in range(draw.whole(3, 4))]
    intro = lineup.intro.format(listed(sorted(items)))
    puzzle = Puzzle(intro[0].upper() + intro[1:], list(permutations(items)), clues)
    if not 1 < len(puzzle.left) <= _MOST_LEFT or not puzzle.needs_every_clue():
        return None
    if form == "order":
        claims = [_whole(lineup, order) for order in _near(puzzle)]
    else:
        claims = _claims(draw, lineup, items, form)
    return posed(draw, rank, puzzle, asked, claims)


def _near(puzzle: Puzzle[Order]) -> list[Order]:
    """Return the orders that agree with all clues or with all but one."""
    enough = len(puzzle.clues) - 1
    return [
        world for world in puzzle.worlds if sum(clue.true(world) for clue in puzzle.clues) >= enough
    ]


def _clue(draw: Draw, lineup: Lineup, truth: Order) -> Claim[Order]:
    """Return a claim that is true of the order `truth`."""
    kind = draw.one(_CLUES)
    while True:
        a, b = draw.some(truth, 2)
        claim = _claim(lineup, kind, a, b, draw.whole(0, _SIZE - 1))
        if claim.true(truth):
            return claim


def _claim(lineup: Lineup, kind: str, a: str, b: str, place: int) -> Claim[Order]:
    """Return a claim about items `a` and `b` or about `a` and a place."""
    tests = {
        "at": lambda order: order[place] == a,
        "not": lambda order: order[place] != a,
        "before": lambda order: order.index(a) < order.index(b),
        "next": lambda order: order.index(a) + 1 == order.index(b),
        "gap": lambda order: abs(order.index(a) - order.index(b)) == 2,
        "edge": lambda order: a in {order[0], order[-1]},
    }
    text = lineup.says[kind].format(a=a, b=b, p=lineup.places[place])
    return Claim(sentence(text), tests[kind])


def _claims(draw: Draw, lineup: Lineup, items: Sequence[str], form: str) -> list[Claim[Order]]:
    """Return claims of one form, of which no two say the same or the opposite."""
    if form == "before":
        pairs = [draw.shuffled((a, b)) for a in items for b in items if a < b]
        return [_claim(lineup, form, a, b, 0) for a, b in pairs]
    spots = [(item, place) for item in items for place in range(_SIZE)]
    return [_claim(lineup, form, item, "", place) for item, place in spots]


def _whole(lineup: Lineup, order: Sequence[str]) -> Claim[Order]:
    text = lineup.says["order"].format(list=listed(order))
    return Claim(sentence(text), lambda world: world == tuple(order))
