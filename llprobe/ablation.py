"""What is left out of a model while it runs: whole blocks, or what half a block adds.

An ablation is written as ``none`` or as terms joined by ``+``, each ``WHAT:BLOCKS``. WHAT is
``skip`` (the block's output is its input), ``attn`` (its attention adds nothing) or ``ffn`` (its
feed-forward adds nothing). BLOCKS, numbered from 1, negative ones from the end, are ``7``,
``-1``, ``3-5``, ``upper-4`` or ``lower-4`` (the last or first four). One term may stand for
many ablations, one after the other: ``skip:each``, ``attn:upper-1..8``.

`Ablation` is the same for the same blocks however they were written. This module knows numbers of
blocks. It does not know how something is left out, nor which models allow it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Final, Literal

from llprobe.errors import UsageError

__all__ = ["NONE", "Ablation", "AblationSpec", "Part", "parse_ablation"]

Part = Literal["block", "attn", "ffn"]
"""What of a block is left out: all of it, or what one of its halves adds to its input."""

_PARTS: Final[dict[str, Part]] = {"skip": "block", "attn": "attn", "ffn": "ffn"}
_WORDS: Final = {part: word for word, part in _PARTS.items()}
_RANGE: Final = re.compile(r"(?P<first>-?\d+)(-(?P<last>-?\d+))?")
_SIDE: Final = re.compile(r"(?P<side>upper|lower)-(?P<first>\d+)(\.\.(?P<last>\d+))?")
_EXAMPLES: Final = "write e.g. skip:7, skip:3-5, skip:upper-4, attn:-1 or skip:3+ffn:9"


@dataclass(frozen=True, slots=True)
class Ablation:
    """Parts left out of the blocks of one model; falsy where nothing is.

    `parts` holds (block, part), by ascending block, each block once: a block whose two halves are
    left out is a whole one.
    """

    parts: tuple[tuple[int, Part], ...] = ()

    @classmethod
    def of(cls, parts: Iterable[tuple[int, Part]]) -> Ablation:
        """Return the ablation of these parts, in any order; a block may be named repeatedly."""
        left_out: dict[int, Part] = {}
        for block, part in parts:
            same = left_out.setdefault(block, part) == part
            left_out[block] = part if same else "block"
        return cls(tuple(sorted(left_out.items())))

    @property
    def text(self) -> str:
        """The one way to write this ablation: ``skip:3-5+ffn:9``, ``none``; it parses back."""
        # Neighbours left out alike have the same difference of number and place.
        runs = groupby(enumerate(self.parts), lambda item: (item[1][0] - item[0], item[1][1]))
        terms = []
        for (_, part), run in runs:
            blocks = [block for _, (block, _) in run]
            last = f"-{blocks[-1]}" if len(blocks) > 1 else ""
            terms.append(f"{_WORDS[part]}:{blocks[0]}{last}")
        return "+".join(terms) or "none"

    def __bool__(self) -> bool:
        return bool(self.parts)

    def __str__(self) -> str:
        return self.text


NONE: Final = Ablation()
"""Nothing is left out."""


@dataclass(frozen=True, slots=True)
class _Term:
    """One term: `text` as written; blocks `first` to `last`, or as many at one `side`.

    With `many` it stands for one ablation per block, or per number from `first` to `last`.
    """

    text: str
    part: Part
    first: int
    last: int
    side: str = ""
    many: bool = False

    def sets(self, n_layers: int) -> list[range]:
        """Return the blocks of every ablation that the term stands for."""
        if self.side:
            sizes = range(self.first, self.last + 1)
            return [self._at_side(size, n_layers) for size in sizes]
        first, last = (n + n_layers + 1 if n < 0 else n for n in (self.first, self.last))
        if not 1 <= first <= last <= n_layers:
            raise UsageError(f"ablation {self.text}: this model has blocks 1 to {n_layers}")
        return (
            [range(n, n + 1) for n in range(first, last + 1)]
            if self.many
            else [range(first, last + 1)]
        )

    def _at_side(self, size: int, n_layers: int) -> range:
        if size > n_layers:
            raise UsageError(f"ablation {self.text}: this model has {n_layers} blocks")
        first = 1 if self.side == "lower" else n_layers - size + 1
        return range(first, first + size)


@dataclass(frozen=True, slots=True)
class AblationSpec:
    """An ablation, or a series of them, as a person wrote it (`text`); fits any depth of model."""

    text: str
    terms: tuple[_Term, ...] = ()

    @property
    def is_series(self) -> bool:
        """Whether it stands for many ablations."""
        return any(term.many for term in self.terms)

    def expand(self, n_layers: int) -> tuple[Ablation, ...]:
        """Return the ablations it stands for in a model of `n_layers` blocks, one or a series.

        Raises UsageError for a block that the model does not have.
        """
        sets = [term.sets(n_layers) for term in self.terms]
        found = []
        for i in range(max(map(len, sets), default=1)):
            chosen = (s[i] if term.many else s[0] for term, s in zip(self.terms, sets, strict=True))
            parts = [
                (block, term.part)
                for term, blocks in zip(self.terms, chosen, strict=True)
                for block in blocks
            ]
            found.append(Ablation.of(parts))
        return tuple(found)

    def resolve(self, n_layers: int) -> Ablation:
        """Return the one ablation it stands for; raises UsageError for a series, as `expand`."""
        if self.is_series:
            raise UsageError(f"ablation {self.text} stands for many: name one, e.g. skip:7")
        return self.expand(n_layers)[0]

    def __str__(self) -> str:
        return self.text


def parse_ablation(text: str) -> AblationSpec:
    """Read an ablation as a person writes it (see the module's description).

    Whether its blocks exist is not known before `expand` or `resolve`. Raises UsageError.
    """
    words = [word.strip() for word in text.lower().split("+")]
    if words == ["none"]:
        return AblationSpec("none")
    terms = tuple(_term(word, text) for word in words)
    if sum(term.many for term in terms) > 1:
        raise UsageError(f"ablation {text!r}: only one of its terms may stand for many")
    return AblationSpec("+".join(term.text for term in terms), terms)


def _term(word: str, text: str) -> _Term:
    what, colon, blocks = (piece.strip() for piece in word.partition(":"))
    if word == "none":
        raise UsageError(f"ablation {text!r}: none stands alone")
    if not colon or what not in _PARTS:
        raise UsageError(f"ablation {text!r}: {word!r} is not known; {_EXAMPLES}")
    part, tidy = _PARTS[what], f"{what}:{blocks}"
    if blocks == "each":
        return _Term(tidy, part, 1, -1, many=True)
    side, plain = _SIDE.fullmatch(blocks), _RANGE.fullmatch(blocks)
    match = side or plain
    if not match:
        raise UsageError(f"ablation {text!r}: {blocks!r} names no blocks; {_EXAMPLES}")
    first = int(match["first"])
    last = int(match["last"] or first)
    _check_order(first, last, tidy)
    if plain:
        return _Term(tidy, part, first, last)
    return _Term(tidy, part, first, last, match["side"], many=match["last"] is not None)


def _check_order(first: int, last: int, term: str) -> None:
    if 0 in {first, last}:
        raise UsageError(f"ablation {term}: blocks are counted from 1; {_EXAMPLES}")
    if (first < 0) == (last < 0) and first > last:
        raise UsageError(f"ablation {term}: its first number is above its last; turn them around")
