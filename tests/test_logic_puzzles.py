"""Ordering and grouping puzzles of the logic task, read back from their English and solved.

Shares nothing with the generator but the names of things: what a clue means is said here a second
time, and every arrangement is tried.
"""

from __future__ import annotations

import importlib
import re
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import combinations, islice, permutations
from typing import Any

logic = importlib.import_module("llprobe.tasks.logic")
LINEUPS = importlib.import_module("llprobe.tasks.logic.lineups").LINEUPS
TEAMS = importlib.import_module("llprobe.tasks.logic.teams").TEAMS
NAMES = sorted({item.removeprefix("the ").lower() for x in (*LINEUPS, *TEAMS) for item in x.items})
NAME = rf"(?:the )?({'|'.join(NAMES)})"
Test = Callable[[Any], bool]


def questions(group: str) -> Iterator[Any]:
    for seed in range(2):
        yield from (each for _, each in islice(logic._named(seed, group), 48))


def asked(question: str) -> str:
    if re.search(r"could|is possible|can be true", question):
        return "could"
    return "cannot" if re.search(r"cannot|ruled out|is not\?", question) else "must"


def solved(question: Any, worlds: list[Any], read: Callable[[str], Test]) -> str:
    """Check that the answer is the only right option, and return what was asked."""
    _, *clues = question.context.lower().removesuffix(".").split(". ")
    assert 3 <= len(clues) <= 4
    left = [world for world in worlds if all(read(clue)(world) for clue in clues)]
    assert 1 < len(left) < 16
    what = asked(question.question)
    right = []
    for choice in question.choices:
        true = [read(choice.lower().removesuffix("."))(world) for world in left]
        if {"must": all(true), "could": any(true), "cannot": not any(true)}[what]:
            right.append(choice)
    assert right == [question.answer], question
    return what


def names(text: str) -> list[str]:
    return re.findall(rf"\b{NAME}\b", text)


# Orders.

PLACES = (
    ("monday", "first", "house 1", "at the bottom"),
    ("tuesday", "second", "house 2", "second from below"),
    ("wednesday", "third", "house 3", "in the middle"),
    ("thursday", "fourth", "house 4", "second from above"),
    ("friday", "last", "house 5", "at the top"),
)
DIRECTLY = r"on the day right before|right ahead of|right to the west of|right below|right before"
EARLIER = r"earlier|ahead of|farther west|below|before"
EDGE = r"monday or on friday|first or last|one end|bottom or at the top|first or the last"


def ordered(text: str) -> Test:
    """Return when a sentence about an order is true; an order is a list of names."""
    if len(names(text)) == 5:
        return lambda order: list(order) == names(text)
    a, b = (*names(text), "")[:2]
    if "exactly one" in text:
        return lambda order: abs(order.index(a) - order.index(b)) == 2
    if b and re.search(DIRECTLY, text):
        return lambda order: order.index(b) - order.index(a) == 1
    if b and re.search(EARLIER, text):
        return lambda order: order.index(a) < order.index(b)
    assert not b, text
    if re.search(EDGE, text):
        return lambda order: order.index(a) in {0, 4}
    place = spot(text)
    return lambda order: (order.index(a) == place) != (" not " in text)


def spot(text: str) -> int:
    """Return the place that a sentence names; the longest name counts (`second from below`)."""
    found = [(len(name), at) for at, each in enumerate(PLACES) for name in each if name in text]
    return max(found)[1]


def test_orders() -> None:
    kinds: Counter[str] = Counter()
    for question in questions("ordering"):
        intro = question.context.lower().split(". ")[0]
        items = names(intro)
        assert len(set(items)) == 5
        kinds[solved(question, list(permutations(items)), ordered)] += 1
    assert min(kinds["must"], kinds["could"], kinds["cannot"]) >= 25


# Groups.

IN = r"is chosen|goes on the trip|is hung|plays for the reds|sleeps in the attic|is on the heron"
OUT = (
    r"is not chosen|stays at home|is not hung|plays for the blues|sleeps in the garden room|"
    r"is on the swift"
)
BOTH = r"are both chosen|both go on the trip|are both hung"
SAME = r"play for the same team|(?<!not )sleep in the same room|are on the same ship"
APART = r"exactly one of|for different teams|do not sleep in the same room|on different ships"


def grouped(text: str) -> Test:
    """Return when a sentence about three of six is true; an arrangement is the set of the three."""
    if match := re.fullmatch(r"if (.+), (.+)", text):
        return implied(match[1], match[2])
    if match := re.fullmatch(r"(.+) if (.+)", text):
        return implied(match[2], match[1])
    found = names(text)
    if len(found) == 3:
        return lambda side: side == set(found)
    if len(found) == 2:
        return paired(text, *found)
    (a,) = found
    assert bool(re.search(IN, text)) != bool(re.search(OUT, text)), text
    return lambda side: (a in side) == bool(re.search(IN, text))


def implied(condition: str, consequence: str) -> Test:
    return lambda side: not grouped(condition)(side) or grouped(consequence)(side)


def paired(text: str, a: str, b: str) -> Test:
    tests: dict[str, Test] = {
        BOTH: lambda side: {a, b} <= side,
        SAME: lambda side: len({a, b} & side) != 1,
        APART: lambda side: len({a, b} & side) == 1,
        "at least one of": lambda side: bool({a, b} & side),
    }
    (found,) = [test for pattern, test in tests.items() if re.search(pattern, text)]
    return found


def test_groups() -> None:
    kinds: Counter[str] = Counter()
    for question in questions("grouping"):
        intro = question.context.lower().split(". ")[0]
        items = names(intro)
        assert len(set(items)) == 6
        worlds = [set(side) for side in combinations(items, 3)]
        kinds[solved(question, worlds, grouped)] += 1
    assert min(kinds["must"], kinds["could"], kinds["cannot"]) >= 15


# The readers themselves, since all rests on them.


def test_the_reader_of_orders_knows_what_sentences_mean() -> None:
    order = ("ana", "bilal", "chen", "dora", "emil")
    for text, true in {
        "ana speaks earlier in the week than emil": True,
        "emil finishes ahead of dora": False,
        "chen speaks on the day right before dora": True,
        "ana is right below chen": False,
        "exactly one runner finishes between chen and ana": True,
        "bilal lives at one end of the row": False,
        "dora is second from above": True,
        "dora does not finish fourth": False,
        "the runners finish in the order ana, bilal, chen, dora and emil": True,
    }.items():
        assert ordered(text)(order) == true, text


def test_the_reader_of_groups_knows_what_sentences_mean() -> None:
    for text, true in {
        "ana is chosen": True,
        "ana is not chosen": False,
        "dora stays at home": True,
        "ana and bilal are both chosen": True,
        "ana and dora play for different teams": True,
        "ana and dora do not sleep in the same room": True,
        "ana and bilal sleep in the same room": True,
        "at least one of dora and emil is hung": False,
        "if ana is chosen, dora is chosen": False,
        "ana is chosen if dora is chosen": True,
        "the reds are ana, bilal and chen": True,
    }.items():
        assert grouped(text)({"ana", "bilal", "chen"}) == true, text
