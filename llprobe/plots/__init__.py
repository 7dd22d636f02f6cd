"""Figures: what they show (`shapes`), where that comes from (`gather`), and how it is drawn.

`draw` writes files with matplotlib, `terminal` draws with rich. A shape knows no drawing library,
and what draws it knows neither runs nor papers.
"""

from llprobe.plots.draw import ENDINGS, Size, check_path, save
from llprobe.plots.gather import KINDS, Wish, gather, matrix
from llprobe.plots.shapes import Figure
from llprobe.plots.terminal import IN_TERMINAL, terminal

__all__ = [
    "ENDINGS",
    "IN_TERMINAL",
    "KINDS",
    "Figure",
    "Size",
    "Wish",
    "check_path",
    "gather",
    "matrix",
    "save",
    "terminal",
]
