"""Colours, markers, fonts and texts of all figures.

The colours are those of Okabe and Ito (2008), told apart with any colour vision; lines differ in
dash and marker as well, so that they are told apart in grey. This module knows no figure.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from matplotlib.font_manager import findfont, fontManager, get_font
from matplotlib.ft2font import LoadFlags
from rich.cells import cell_len

__all__ = [
    "ANNOTATION",
    "GREY",
    "LABEL",
    "NOTE",
    "TITLE",
    "Stroke",
    "clean",
    "ems",
    "fitting",
    "rc",
    "shortened",
    "stroke",
    "wrapped",
]

TITLE: Final = 11.0
LABEL: Final = 9.0
NOTE: Final = 8.0
ANNOTATION: Final = 7.0
"""Sizes of text in points."""

GREY: Final = "#595959"

_COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")
_DASHES: Final[tuple[Any, ...]] = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)))
_MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X", "<", ">")

_FONTS: Final = (
    "DejaVu Sans", "Noto Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans Thai",
    "Source Han Sans SC", "WenQuanYi Zen Hei", "PingFang SC", "Hiragino Sans GB",
    "Microsoft YaHei", "Arial Unicode MS", "Thonburi", "Leelawadee UI",
)  # fmt: skip
"""Where glyphs are looked for, in this order; the first comes with matplotlib."""

_MEASURED: Final = 64
"""Points at which widths are measured."""


@dataclass(frozen=True, slots=True)
class Stroke:
    """How one line looks, as matplotlib's keyword arguments say it."""

    color: str
    linestyle: Any
    marker: str


def stroke(n: int) -> Stroke:
    """Return how line `n` of a figure looks; 252 lines look different."""
    return Stroke(
        _COLOURS[n % len(_COLOURS)], _DASHES[n % len(_DASHES)], _MARKERS[n % len(_MARKERS)]
    )


def rc() -> dict[str, Any]:
    """Return matplotlib's settings: no mathematics in names, no accident in files."""
    known = set(fontManager.get_font_names())
    return {
        "text.parse_math": False,
        "text.usetex": False,
        "svg.hashsalt": "llprobe",
        "pdf.fonttype": 42,  # TrueType: publishers refuse Type 3
        "ps.fonttype": 42,
        "font.family": [name for name in _FONTS if name in known] or ["sans-serif"],
        "font.size": LABEL,
        "axes.titlesize": LABEL + 0.5,
        "axes.labelsize": LABEL,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": False,
        "grid.color": "#DDDDDD",
        "grid.linewidth": 0.6,
        "xtick.labelsize": NOTE,
        "ytick.labelsize": NOTE,
        "legend.fontsize": NOTE,
        "legend.frameon": False,
        "lines.linewidth": 1.5,
        "lines.markersize": 4.0,
        "image.interpolation": "nearest",
        "figure.dpi": 100,
        "savefig.dpi": 150,
        "figure.constrained_layout.h_pad": 0.06,
        "figure.constrained_layout.w_pad": 0.1,
    }


def clean(text: str) -> str:
    """Return a name as one line of characters that can be drawn."""
    return "".join(c if c.isprintable() else "\ufffd" for c in " ".join(text.split()))


@lru_cache(maxsize=4096)
def _advance(char: str) -> float:
    """Width of a character in ems; of what the first font lacks, by its cells, on the safe side."""
    font = get_font(findfont(_FONTS[0]))
    if not font.get_char_index(ord(char)):
        return 1.05 if cell_len(char) == 2 else 0.75
    font.set_size(_MEASURED, 72)
    glyph = font.load_char(ord(char), flags=LoadFlags.NO_HINTING)
    return float(glyph.linearHoriAdvance) / 65536 / _MEASURED


def ems(text: str) -> float:
    """Width of a text in ems: times its points it is its width in points."""
    return sum(map(_advance, text))


def fitting(inches: float, points: float) -> float:
    """Return how many ems of text fit into a width."""
    # screens round each character to whole pixels, which adds up
    return max(0.95 * inches * 72 / points, 2.0)


def shortened(text: str, room: float) -> str:
    """Cut a name to a number of ems: its middle gives way."""
    text = clean(text)
    if ems(text) <= room:
        return text
    head, tail = 0, len(text)
    # two characters are kept of the beginning for one of the end
    while head < tail:
        longer = (head + 1, tail) if head <= 2 * (len(text) - tail) else (head, tail - 1)
        if ems(f"{text[: longer[0]]}…{text[longer[1] :]}") > room:
            break
        head, tail = longer
    return f"{text[:head].rstrip()}…{text[tail:].lstrip()}"


def wrapped(text: str, inches: float, points: float) -> list[str]:
    """Break a text into lines that fit a width; a word that is longer is broken too."""
    room, lines = fitting(inches, points), [""]
    for word in clean(text).split():
        longer = f"{lines[-1]} {word}".strip()
        if ems(longer) <= room:
            lines[-1] = longer
            continue
        lines += [""] if lines[-1] else []
        for char in word:
            if ems(lines[-1] + char) > room:
                lines.append("")
            lines[-1] += char
    return lines
