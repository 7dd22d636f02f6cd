"""The letter format: options listed in the prompt as `A. ...`, and only the letter is scored.

Options are listed in an order drawn from the seed, since some published files have the true one
first. Knows nothing of files and templates.
"""

from __future__ import annotations

import hashlib
import string
from collections.abc import Sequence
from dataclasses import replace

from llprobe.task.records import Item, Skipped

__all__ = ["as_letters", "letter_order", "listed"]

_CUE = "Answer:"
"""What is asked for the letter with, where the prompt does not end in a line like `A:`."""


def letter_order(options: Sequence[str], key: str) -> list[int]:
    """Return the order in which options are listed: the same for the same `key` everywhere."""
    digests = [hashlib.sha256(f"{key}\0{option}".encode()).digest() for option in options]
    return sorted(range(len(options)), key=digests.__getitem__)


def listed(prompt: str, options: Sequence[str]) -> str:
    """Return the prompt with the options listed before its last line, `A:` or the like."""
    head, _, last = prompt.rpartition("\n")
    cue = last if head and last.rstrip().endswith(":") else ""
    lines = [
        f"{letter}. {option}"
        for letter, option in zip(string.ascii_uppercase, options, strict=False)
    ]
    return "\n".join([head if cue else prompt, *lines, cue or _CUE])


def as_letters(item: Item, seed: int, delimiter: str) -> Item | Skipped:
    """Return the item with its options in the prompt and letters as choices.

    `Skipped` where the alphabet is too short.
    """
    if len(item.choices) > len(string.ascii_uppercase):
        return Skipped(item.id, f"it has {len(item.choices)} options, there are 26 letters")
    texts = [choice.strip() for choice in item.choices]
    order = letter_order(texts, f"{seed}\0{item.id}")
    place = {option: at for at, option in enumerate(order)}
    return replace(
        item,
        prompt=listed(item.prompt, [texts[option] for option in order]),
        choices=tuple((delimiter or " ") + string.ascii_uppercase[at] for at in range(len(order))),
        correct=tuple(sorted(place[option] for option in item.correct)),
        best=place[item.best],
    )
