"""Colours that can be told from the ground they stand on, also where a terminal has only sixteen.

Such a terminal shows the nearest colour that it has: two colours of a theme may be one there. And
the lowest and highest colours of a heat map can be those of a theme's ground. This module knows
colours. It does not know what is drawn with them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from rich.color import Color as RichColor
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from textual.color import BLACK, WHITE, Color
from textual.filter import LineFilter

__all__ = ["BARS", "Readable"]

BARS: Final = frozenset("▁▂▃▄▅▆▇█")
"""Characters whose height says something, so that they must be seen."""
_LEAST: Final = 2.5
"""The ratio of contrast that text keeps in sixteen colours: dark grey on black has 2.8."""
_ENOUGH: Final = 3.0
"""The one that it gets where it has less; WCAG asks for this of large text."""
_BAR: Final = 1.5
"""That of bars where there are more colours."""


_DARK: Final = (
    *((0, 0, 0), (170, 0, 0), (0, 170, 0), (170, 85, 0)),
    *((0, 0, 170), (170, 0, 170), (0, 170, 170), (170, 170, 170)),
)
_LIGHT: Final = (
    *((85, 85, 85), (255, 85, 85), (85, 255, 85), (255, 255, 85)),
    *((85, 85, 255), (255, 85, 255), (85, 255, 255), (255, 255, 255)),
)
_SHOWN: Final = TerminalTheme(_DARK[0], _LIGHT[-1], list(_DARK), list(_LIGHT))
"""The sixteen colours, as most terminals and Rich's own rounding have them."""


class Readable(LineFilter):
    """Gives what cannot be read another colour.

    `sixteen` says that the terminal has no more; `grey` that colours have become greys, so that a
    dark blue line is a dark grey one.
    """

    def __init__(self, *, sixteen: bool, grey: bool = False) -> None:
        super().__init__()
        self._sixteen, self._grey = sixteen, grey

    def in_grey(self) -> Readable:
        """Return the one for lines without colours."""
        return Readable(sixteen=self._sixteen, grey=True)

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the segments of a line on this ground, with colours that can be read."""
        return [self._readable(segment, background) for segment in segments]

    def _readable(self, segment: Segment, background: Color) -> Segment:
        text, style, control = segment
        if style is None or style.color is None or control or text.isspace():
            return segment
        bars = BARS.issuperset(text.strip())
        if self._sixteen:
            return Segment(text, _of_sixteen(style, background, bars=bars))
        least = _BAR if bars else _ENOUGH if self._grey else 0.0
        return Segment(text, _seen(style, background, least)) if least else segment


@lru_cache(4096)
def _of_sixteen(style: Style, background: Color, *, bars: bool) -> Style:
    """Return a style whose colours, rounded to those of the terminal, differ enough.

    Bars are all alike: rounded, a higher one could be fainter than a lower one.
    """
    ground = _rounded(style.bgcolor or background.rich_color)
    if style.color is None or (not bars and _contrast(_rounded(style.color), ground) >= _LEAST):
        return style
    return style + Style(color=(_furthest(ground) if bars else _muted(ground)).rich_color)


@lru_cache(4096)
def _seen(style: Style, background: Color, least: float) -> Style:
    """Return a style whose colour is moved away from the ground as far as is needed."""
    ground = Color.from_rich_color(style.bgcolor) if style.bgcolor else background
    color = Color.from_rich_color(style.color)
    far = _furthest(ground)
    for step in range(11):
        moved = color.blend(far, step / 10)
        if _contrast(moved, ground) >= least:
            break
    return style + Style(color=moved.rich_color)


def _rounded(color: RichColor) -> Color:
    """Return the one of the sixteen colours that is shown."""
    return Color(*color.downgrade(ColorSystem.STANDARD).get_truecolor(_SHOWN))


def _muted(ground: Color) -> Color:
    """Return the grey that stands out least of those that can be read: it was to be muted."""
    greys = [Color(*each) for each in (_DARK[0], _LIGHT[0], _DARK[-1], _LIGHT[-1])]
    return min(
        (each for each in greys if _contrast(each, ground) >= _ENOUGH),
        key=lambda each: _contrast(each, ground),
    )


def _furthest(ground: Color) -> Color:
    return max(WHITE, BLACK, key=lambda each: _contrast(each, ground))


def _contrast(one: Color, other: Color) -> float:
    """Return the ratio of contrast, from 1 to 21, as WCAG defines it."""
    low, high = sorted((_luminance(one.rgb), _luminance(other.rgb)))
    return (high + 0.05) / (low + 0.05)


def _luminance(rgb: tuple[int, int, int]) -> float:
    red, green, blue = (_linear(part / 255) for part in rgb)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
