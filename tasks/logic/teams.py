"""Six of whom three are taken, and the words for it: the vocabulary of grouping puzzles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .admissions import NAMES

__all__ = ["TEAMS", "Team"]


@dataclass(frozen=True, slots=True)
class Team:
    """Six items, three of which belong to one side, and how to speak of it."""

    intro: str
    """With a gap for the list of the six, in alphabetical order."""
    items: tuple[str, ...]
    """What the six are drawn from."""
    says: Mapping[str, str]
    """Wordings: `in` and `out` ({a}), `apart` and either `same` or `both` and `some` ({a}, {b}),
    `three` ({list})."""


TEAMS = (
    Team(
        "A jury of exactly three is chosen from six people: {}.",
        NAMES,
        {
            "in": "{a} is chosen",
            "out": "{a} is not chosen",
            "both": "{a} and {b} are both chosen",
            "apart": "Exactly one of {a} and {b} is chosen",
            "some": "At least one of {a} and {b} is chosen",
            "three": "The three on the jury are {list}",
        },
    ),
    Team(
        "Of the six friends {}, exactly three go on a trip.",
        NAMES,
        {
            "in": "{a} goes on the trip",
            "out": "{a} stays at home",
            "both": "{a} and {b} both go on the trip",
            "apart": "Exactly one of {a} and {b} goes on the trip",
            "some": "At least one of {a} and {b} goes on the trip",
            "three": "The three who go on the trip are {list}",
        },
    ),
    Team(
        "A gallery hangs exactly three of its six pictures, which show {}.",
        tuple(
            f"the {piece}"
            for piece in (
                "barn", "bridge", "chapel", "desert", "forest", "harbour", "mill", "storm",
            )
        ),
        {
            "in": "{a} is hung",
            "out": "{a} is not hung",
            "both": "{a} and {b} are both hung",
            "apart": "Exactly one of {a} and {b} is hung",
            "some": "At least one of {a} and {b} is hung",
            "three": "The three pictures on the wall are {list}",
        },
    ),
    Team(
        "{} are split into two teams of three, the Reds and the Blues.",
        NAMES,
        {
            "in": "{a} plays for the Reds",
            "out": "{a} plays for the Blues",
            "same": "{a} and {b} play for the same team",
            "apart": "{a} and {b} play for different teams",
            "three": "The Reds are {list}",
        },
    ),
    Team(
        "{} share two rooms, three in the attic and three in the garden room.",
        NAMES,
        {
            "in": "{a} sleeps in the attic",
            "out": "{a} sleeps in the garden room",
            "same": "{a} and {b} sleep in the same room",
            "apart": "{a} and {b} do not sleep in the same room",
            "three": "Those who sleep in the attic are {list}",
        },
    ),
    Team(
        "Two ships carry six goods to the island, three on the Heron and three on the Swift: {}.",
        ("coal", "cotton", "flour", "glass", "paper", "salt", "steel", "sugar", "timber", "wool"),
        {
            "in": "The {a} is on the Heron",
            "out": "The {a} is on the Swift",
            "same": "The {a} and the {b} are on the same ship",
            "apart": "The {a} and the {b} are on different ships",
            "three": "The goods on the Heron are {list}",
        },
    ),
)  # fmt: skip
"""All of them."""
