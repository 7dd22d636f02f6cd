"""Seeded damage to GGUF files, by kind: what a bad disk, a bad converter or a bad person makes.

`mutate(drafts, index, seed)` is a pure function: the same numbers give the same bytes. This module
knows bytes and joints; `damagecontainer` and `damagecontent` know the fields.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from random import Random
from typing import Final

from damagecontainer import CONTAINER, TYPES
from damagecontent import CONTENT
from ggufdraft import Draft

__all__ = ["KINDS", "mutate"]

_DRAFTED: Final = {**CONTAINER, **CONTENT}


def _two(draft: Draft, rng: Random) -> bytes:
    """Do two things at once."""
    for change in rng.sample(list(_DRAFTED.values()), 2):
        if all(len(t.dims) and t.kind in TYPES for t in draft.tensors) and len(draft.pairs) > 3:
            change(draft, rng)
    return draft.encode()


def _cut_anywhere(draft: Draft, rng: Random) -> bytes:
    content = draft.encode()
    return content[: rng.randrange(len(content))]


def _cut_at_a_joint(draft: Draft, rng: Random) -> bytes:
    """Cut where one piece of the structure ends, or a byte beside it."""
    content = draft.encode()
    joints = list(accumulate(len(chunk) for chunk in draft.chunks() if chunk))[:-1]
    return content[: rng.choice(joints) + rng.choice((0, 0, -1, 1))]


def _flips(content: bytes, first: int, last: int, rng: Random) -> bytes:
    damaged = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        damaged[rng.randrange(first, last)] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def _header_size(draft: Draft) -> int:
    return len(draft.encode()) - sum(
        len(t.data) + -len(t.data) % draft.alignment for t in draft.tensors
    )


def _flips_in_header(draft: Draft, rng: Random) -> bytes:
    return _flips(draft.encode(), 0, _header_size(draft), rng)


def _flips_in_weights(draft: Draft, rng: Random) -> bytes:
    content = draft.encode()
    return _flips(content, _header_size(draft), len(content), rng)


def _zeros(draft: Draft, rng: Random) -> bytes:
    """Leave a stretch of zeros, as a download with holes does."""
    content = draft.encode()
    first = rng.randrange(len(content))
    length = min(rng.choice((16, 512, 4096, 65_536)), len(content) - first)
    return content[:first] + bytes(length) + content[first + length :]


_BYTES: Final[Mapping[str, Callable[[Draft, Random], bytes]]] = {
    "two of these at once": _two,
    "cut anywhere": _cut_anywhere,
    "cut at a joint": _cut_at_a_joint,
    "bits flipped in the header": _flips_in_header,
    "bits flipped in the weights": _flips_in_weights,
    "a hole of zeros": _zeros,
}

KINDS: Final = (*_DRAFTED, *_BYTES)
"""Names of the kinds of damage; each is done equally often."""


def mutate(drafts: Sequence[Draft], index: int, seed: int) -> tuple[str, bytes]:
    """Return the kind and the bytes of damaged file number `index`; they differ from its seed."""
    kind = KINDS[index % len(KINDS)]
    rng = Random(f"{seed}:{index}")
    original = rng.choice(drafts)
    whole = content = original.encode()
    while content == whole:  # a value may be drawn that the field had before
        content = _damaged(kind, original.copy(), rng)
    return kind, content


def _damaged(kind: str, draft: Draft, rng: Random) -> bytes:
    if kind in _BYTES:
        return _BYTES[kind](draft, rng)
    _DRAFTED[kind](draft, rng)
    return draft.encode()
