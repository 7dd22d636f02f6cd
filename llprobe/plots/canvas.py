"""Dots of a terminal: a canvas of braille characters, eight dots each, coloured by line.

This module knows dots and characters. It does not know axes.
"""

from __future__ import annotations

from math import ceil

import numpy as np
import numpy.typing as npt
from rich.text import Text

__all__ = ["DOTS", "Canvas"]

DOTS = (2, 4)
"""Dots of a character, across and down."""

_BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
"""The bit of each dot of a braille character, as Unicode numbers them."""


class Canvas:
    """A grid of characters, drawn over each other: shades, dots, letters."""

    def __init__(self, columns: int, rows: int) -> None:
        self._bits: npt.NDArray[np.int64] = np.zeros((rows, columns), np.int64)
        self._styles = np.full((rows, columns), "", dtype=object)
        self._chars = np.full((rows, columns), " ", dtype=object)

    @property
    def shape(self) -> tuple[int, int]:
        """Dots across and down."""
        rows, columns = self._bits.shape
        return columns * DOTS[0], rows * DOTS[1]

    def dot(self, x: float, y: float, style: str) -> None:
        """Set the dot nearest to (x, y), in dots from the upper left; nothing outside."""
        column, row = round(x), round(y)
        across, down = self.shape
        if 0 <= column < across and 0 <= row < down:
            cell = row // DOTS[1], column // DOTS[0]
            self._bits[cell] |= _BITS[row % DOTS[1], column % DOTS[0]]
            self._styles[cell] = style

    def line(self, start: tuple[float, float], end: tuple[float, float], style: str) -> None:
        """Set the dots from one point to another."""
        steps = max(ceil(max(abs(end[0] - start[0]), abs(end[1] - start[1]))), 1)
        for x, y in zip(
            np.linspace(start[0], end[0], steps + 1),
            np.linspace(start[1], end[1], steps + 1),
            strict=True,
        ):
            self.dot(x, y, style)

    def under(self, x: float, y: float, char: str, style: str) -> None:
        """Put a character where no dot stands, at the place of a dot."""
        column, row = int(x) // DOTS[0], round(y) // DOTS[1]
        rows, columns = self._bits.shape
        if 0 <= column < columns and 0 <= row < rows and not self._bits[row, column]:
            self._chars[row, column], self._styles[row, column] = char, style

    def taken(self, x: float, y: float) -> bool:
        """Whether anything stands at the place of a dot."""
        column, row = int(x) // DOTS[0], round(y) // DOTS[1]
        rows, columns = self._bits.shape
        inside = 0 <= column < columns and 0 <= row < rows
        return inside and bool(self._bits[row, column] or self._chars[row, column] != " ")

    def letter(self, x: float, y: float, char: str, style: str) -> None:
        """Put a character over the dots, at the place of a dot."""
        column, row = int(x) // DOTS[0], min(round(y) // DOTS[1], self._bits.shape[0] - 1)
        self._bits[row, column] = 0
        self._chars[row, column], self._styles[row, column] = char, style

    def rows(self) -> list[Text]:
        """Return the canvas row by row."""
        return [self._row(n) for n in range(len(self._bits))]

    def _row(self, n: int) -> Text:
        text = Text()
        for bits, char, style in zip(self._bits[n], self._chars[n], self._styles[n], strict=True):
            text.append(chr(0x2800 + int(bits)) if bits else str(char), str(style))
        return text
