"""A figure to a file: the kind of figure decides who draws it, the ending the format.

This module knows matplotlib's formats. It does not know what is in a figure.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, cast

import matplotlib as mpl
from matplotlib.figure import Figure as Canvas

from llprobe.errors import UsageError
from llprobe.files import whole_file
from llprobe.plots.draw import Size
from llprobe.plots.draw.curves import draw_curves, draw_trajectories
from llprobe.plots.draw.grids import draw_heat, draw_items, draw_matrix
from llprobe.plots.draw.radar import draw_radar
from llprobe.plots.draw.scale import draw_scale
from llprobe.plots.draw.sheet import settle
from llprobe.plots.draw.style import rc
from llprobe.plots.shapes import (
    Curves,
    Figure,
    Heat,
    ItemMap,
    Matrix,
    Radar,
    Scale,
    Trajectories,
)

__all__ = ["drawing", "write"]

_DRAWS: Final[Mapping[type[Figure], Callable[[Any, Size], Canvas]]] = MappingProxyType({
    Curves: draw_curves,
    Heat: draw_heat,
    ItemMap: draw_items,
    Matrix: draw_matrix,
    Radar: draw_radar,
    Scale: draw_scale,
    Trajectories: draw_trajectories,
})  # fmt: skip

_METADATA: Final[Mapping[str, dict[str, Any]]] = MappingProxyType({
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
    "png": {},
})  # fmt: skip
"""No date, so that the same figure is the same file."""

_NO_GLYPH: Final = re.compile(r"Glyph .* missing from")


def drawing(figure: Figure, size: Size) -> Canvas:
    """Return a figure as matplotlib's; to be called, and saved, under `style.rc`."""
    return _DRAWS[type(figure)](figure, size)


def write(figure: Figure, path: Path, size: Size) -> tuple[str, ...]:
    """Draw a figure to a file, and return what a person must be told about it.

    Raises UsageError for a file that cannot be written.
    """
    with mpl.rc_context(cast("Any", rc())), warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        form = path.suffix.lower().removeprefix(".")
        try:
            canvas = drawing(figure, size)
            settle(canvas)
            with whole_file(path) as part:
                canvas.savefig(part, format=form, metadata=_METADATA[form])
        except OSError as error:
            raise UsageError(f"cannot write {path}: {error.strerror}") from error
    return _said(heard)


def _said(heard: list[warnings.WarningMessage]) -> tuple[str, ...]:
    """Pass other warnings on; say once that characters could not be drawn."""
    others = [each for each in heard if not _NO_GLYPH.search(str(each.message))]
    for each in others:
        warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
    if len(others) == len(heard):
        return ()
    return ("some characters are drawn as boxes: no font of this machine has them",)
