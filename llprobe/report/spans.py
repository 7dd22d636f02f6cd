"""Layers in words: those that follow each other as a range. This module knows numbers only."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["spans"]


def spans(numbers: Iterable[int], to: str = "-") -> str:
    """Write ascending numbers shortly: `3, 27-30`; `to` stands between the ends of a range."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}{to}{run[-1]}" for run in runs)
