"""Questions on chains of conditionals: what follows from rules, and from rules with one fact.

The passage holds four rules of a chain and one or two beside it, in random order and wording. A
truth table decides which options follow; those that a single rule gives away are not asked for.
Knows nothing of other kinds of question.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from ..draw import Draw
from .matters import MATTERS, Matter
from .propositional import Clause, World, follows, if_then, models
from .question import MUST, Question, insist, make, sentence

__all__ = ["rule", "stream"]

_CHAIN = 4
_FRAMES = ("If {x}, {y}", "Whenever {x}, {y}", "{y} if {x}")

Rule = tuple[int, int]
"""A condition and its consequence, literals of a matter's facts."""


def stream(draw: Draw) -> Iterator[Question]:
    """Yield questions whose options are rules and such whose options are facts, by turns."""
    while True:
        yield insist(draw, _on_rules)
        yield insist(draw, _on_facts)


def rule(draw: Draw, matter: Matter, each: Rule) -> str:
    """Return a sentence that says a rule in one of several ways."""
    x, y = matter.say(each[0]), matter.say(each[1])
    # "Not x only if y" could be heard as the denial of "x only if y".
    last = "{x} only if {y}" if each[0] > 0 else "Unless {other}, {y}"
    frames = (*_FRAMES, last, last)
    return sentence(draw.one(frames).format(x=x, y=y, other=matter.say(-each[0])))


def _rules(draw: Draw, atoms: int) -> list[Rule]:
    """Return a chain of rules, and one more rule to or from it for each atom it leaves over."""
    literals = [atom * draw.one((1, -1)) for atom in draw.shuffled(range(1, atoms + 1))]
    chain = literals[:_CHAIN]
    rules = list(pairwise(chain))
    for literal in literals[_CHAIN:]:
        link = draw.one(chain)
        rules.append(draw.one(((literal, link), (link, literal))))
    return rules


def _clauses(rules: Sequence[Rule]) -> list[Clause]:
    return [if_then(*each) for each in rules]


def _passage(draw: Draw, matter: Matter, rules: Sequence[Rule]) -> str:
    said = [rule(draw, matter, each) for each in draw.shuffled(rules)]
    return " ".join([matter.intro, *said])


def _on_rules(draw: Draw, rank: int) -> Question | None:
    matter, frame = draw.one(MATTERS), draw.one(_FRAMES)
    rules = _rules(draw, 5)
    premises = _clauses(rules)
    worlds = models(premises, 5)
    literals = [sign * atom for atom in range(1, 6) for sign in (1, -1)]
    rights: list[str] = []
    wrongs: dict[Clause, list[str]] = {}
    for x in literals:
        for y in (each for each in literals if abs(each) != abs(x)):
            text = sentence(frame.format(x=matter.say(x), y=matter.say(y)))
            said = if_then(x, y)
            if not follows(worlds, *said):
                wrongs.setdefault(said, []).append(text)
            elif said not in premises:
                rights.append(text)
    kept = _mostly_traps(draw, worlds, wrongs)
    return make(draw, rank, (_passage(draw, matter, rules), draw.one(MUST)), rights, kept)


def _mostly_traps(
    draw: Draw, worlds: Sequence[World], wrongs: dict[Clause, list[str]]
) -> list[list[str]]:
    """Return the wrong options that turn a right one round, and as many others."""
    traps: list[Clause] = []
    others: list[Clause] = []
    for said in wrongs:
        turned = follows(worlds, *(-literal for literal in said))
        (traps if turned else others).append(said)
    return [wrongs[said] for said in [*traps, *draw.some(others, len(traps))]]


def _on_facts(draw: Draw, rank: int) -> Question | None:
    matter = draw.one(MATTERS)
    rules = _rules(draw, 6)
    given = draw.one((1, -1)) * draw.whole(1, 6)
    rights, wrongs = _facts(draw, matter, _clauses(rules), given)
    passage = f"{_passage(draw, matter, rules)} Today {matter.say(given)}."
    return make(draw, rank, (passage, draw.one(MUST)), rights, wrongs)


def _facts(
    draw: Draw, matter: Matter, rules: Sequence[Clause], given: int
) -> tuple[list[str], list[list[str]]]:
    """Return facts that take two rules and more to derive, and others that do not follow."""
    fact = frozenset((given,))
    worlds = models([*rules, fact], 6)
    near_worlds = [models([each, fact], 6) for each in rules]
    rights: list[str] = []
    wrongs: list[list[str]] = []
    for atom in range(1, 7):
        follow = [x for x in (atom, -atom) if follows(worlds, x)]
        near = [x for x in follow if any(follows(each, x) for each in near_worlds)]
        rights += [_today(matter, x) for x in follow if x not in near]
        if not follow:
            wrongs.append([_today(matter, draw.one((atom, -atom)))])
        elif near and follow != [given]:
            wrongs.append([_today(matter, -follow[0])])
    return rights, wrongs


def _today(matter: Matter, literal: int) -> str:
    return sentence(f"today {matter.say(literal)}")
