"""Things that stand in an order, and the words for it: the vocabulary of ordering puzzles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .admissions import NAMES

__all__ = ["LINEUPS", "Lineup"]


@dataclass(frozen=True, slots=True)
class Lineup:
    """Five places in a row, and how to speak of who is where."""

    intro: str
    """With a gap for the list of the five, in alphabetical order."""
    items: tuple[str, ...]
    """What may be lined up."""
    places: tuple[str, ...]
    """Five names of places, from the first to the last."""
    says: Mapping[str, str]
    """Wordings: `at` and `not` ({a}, {p}), `before`, `next` and `gap` ({a}, {b}), `edge` ({a}),
    `order` ({list}, from the first to the last)."""


_TURNS = ("first", "second", "third", "fourth", "last")

LINEUPS = (
    Lineup(
        "{} each give one talk in the same week, one a day from Monday to Friday.",
        NAMES,
        ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday"),
        {
            "at": "{a} speaks on {p}",
            "not": "{a} does not speak on {p}",
            "before": "{a} speaks earlier in the week than {b}",
            "next": "{a} speaks on the day right before {b}",
            "gap": "Exactly one talk lies between those of {a} and {b}",
            "edge": "{a} speaks on Monday or on Friday",
            "order": "From Monday to Friday, the speakers are {list}",
        },
    ),
    Lineup(
        "{} run a race in which no two of them finish at the same time.",
        NAMES,
        _TURNS,
        {
            "at": "{a} finishes {p}",
            "not": "{a} does not finish {p}",
            "before": "{a} finishes ahead of {b}",
            "next": "{a} finishes right ahead of {b}",
            "gap": "Exactly one runner finishes between {a} and {b}",
            "edge": "{a} finishes either first or last",
            "order": "The runners finish in the order {list}",
        },
    ),
    Lineup(
        "{} live in a row of five houses, numbered 1 to 5 from west to east, one in each.",
        NAMES,
        ("1", "2", "3", "4", "5"),
        {
            "at": "{a} lives in house {p}",
            "not": "{a} does not live in house {p}",
            "before": "{a} lives farther west than {b}",
            "next": "{a} lives in the house right to the west of {b}",
            "gap": "Exactly one house stands between those of {a} and {b}",
            "edge": "{a} lives at one end of the row",
            "order": "From west to east, the neighbours are {list}",
        },
    ),
    Lineup(
        "Five boxes stand one on top of the other: {}.",
        tuple(
            f"the {colour} box"
            for colour in ("black", "blue", "brown", "green", "grey", "pink", "red", "white")
        ),
        ("at the bottom", "second from below", "in the middle", "second from above", "at the top"),
        {
            "at": "{a} is {p}",
            "not": "{a} is not {p}",
            "before": "{a} is somewhere below {b}",
            "next": "{a} is right below {b}",
            "gap": "Exactly one box lies between {a} and {b}",
            "edge": "{a} is at the bottom or at the top",
            "order": "From bottom to top, the stack is {list}",
        },
    ),
    Lineup(
        "A band plays five pieces one after the other, each of them once: {}.",
        tuple(
            f"the {piece}"
            for piece in ("ballad", "hymn", "lullaby", "march", "polka", "samba", "tango", "waltz")
        ),
        _TURNS,
        {
            "at": "{a} is played {p}",
            "not": "{a} is not played {p}",
            "before": "{a} is played at some time before {b}",
            "next": "{a} is played right before {b}",
            "gap": "Exactly one piece is played between {a} and {b}",
            "edge": "{a} is played either first or last",
            "order": "The pieces are played in the order {list}",
        },
    ),
    Lineup(
        "On its round, a van stops once in each of five towns: {}.",
        ("Arlow", "Benholt", "Corrin", "Dunmar", "Eskby", "Fennick", "Garth", "Holm"),
        _TURNS,
        {
            "at": "{a} is the {p} stop",
            "not": "{a} is not the {p} stop",
            "before": "{a} is an earlier stop than {b}",
            "next": "{a} is the stop right before {b}",
            "gap": "The van makes exactly one stop between {a} and {b}",
            "edge": "{a} is the first or the last stop",
            "order": "The van stops in the order {list}",
        },
    ),
)
"""All of them."""
