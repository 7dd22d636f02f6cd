"""Puzzles by brute force: clues leave some of all arrangements, and options are tried on those.

An option must be true where all that are left agree with it, cannot be true where none does, and
could be true where one does. Knows neither what an arrangement is nor what a clue says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from ..draw import Draw
from .question import CANNOT, COULD, MUST, Question, make

__all__ = ["ASKED", "Claim", "Puzzle", "posed"]

W = TypeVar("W")

ASKED = {"must": MUST, "could": COULD, "cannot": CANNOT}
"""What can be asked of an option, with ways to ask it."""


@dataclass(frozen=True, slots=True)
class Claim(Generic[W]):
    """A sentence about an arrangement, and when it is true."""

    text: str
    true: Callable[[W], bool]


@dataclass(frozen=True, slots=True)
class Puzzle(Generic[W]):
    """What a passage says of an arrangement."""

    intro: str
    worlds: Sequence[W]
    """All arrangements that the intro allows."""
    clues: Sequence[Claim[W]]

    @property
    def passage(self) -> str:
        """The intro and the clues."""
        return " ".join([self.intro, *(clue.text for clue in self.clues)])

    @property
    def left(self) -> list[W]:
        """The arrangements with which all clues agree."""
        return [world for world in self.worlds if all(clue.true(world) for clue in self.clues)]

    def needs_every_clue(self) -> bool:
        """Say whether each clue rules out an arrangement that the others do not."""
        few = len(self.left)
        return all(
            len(Puzzle(self.intro, self.worlds, [c for c in self.clues if c is not clue]).left)
            > few
            for clue in self.clues
        )


def posed(
    draw: Draw, rank: int, puzzle: Puzzle[W], asked: str, claims: Iterable[Claim[W]]
) -> Question | None:
    """Return a question of the kind `asked` with four of the claims; None where they do not do.

    A right option that one clue alone decides is not taken.
    """
    left = puzzle.left
    rights: list[str] = []
    wrongs: list[list[str]] = []
    for claim in claims:
        if not _right(asked, claim, left):
            wrongs.append([claim.text])
        elif asked == "could" or not any(
            _right(asked, claim, [world for world in puzzle.worlds if clue.true(world)])
            for clue in puzzle.clues
        ):
            rights.append(claim.text)
    return make(draw, rank, (puzzle.passage, draw.one(ASKED[asked])), rights, wrongs)


def _right(asked: str, claim: Claim[W], worlds: Iterable[W]) -> bool:
    found = {claim.true(world) for world in worlds}
    return {"must": False not in found, "could": True in found, "cannot": True not in found}[asked]
