"""Figures as files, drawn with matplotlib, which is loaded only when one is drawn.

This module knows which files can be written. What they show is `shapes`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from llprobe.errors import UsageError
from llprobe.plots.shapes import Figure

__all__ = ["ENDINGS", "Size", "check_path", "save"]

ENDINGS: Final = (".svg", ".png", ".pdf")

_LARGEST: Final = 60.0
_SMALLEST: Final = 3.0


@dataclass(frozen=True, slots=True)
class Size:
    """Inches; None for what the figure needs. Raises UsageError for what cannot be drawn."""

    width: float | None = None
    height: float | None = None

    def __post_init__(self) -> None:
        """Refuse sheets that hold no text, or no memory holds."""
        for name, inches in (("width", self.width), ("height", self.height)):
            if inches is not None and not _SMALLEST <= inches <= _LARGEST:
                raise UsageError(f"--{name} {inches:g}: give {_SMALLEST:g} to {_LARGEST:g} inches")


def check_path(path: Path) -> None:
    """Refuse a file that cannot be drawn to: before the numbers are computed, not after."""
    if path.suffix.lower() not in ENDINGS:
        raise UsageError(
            f"-o {path}: the ending must be {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}"
        )
    if find_spec("matplotlib") is None:
        raise UsageError("files are drawn with matplotlib: pip install 'llprobe[plot]'")


def save(figure: Figure, path: Path, size: Size | None = None) -> tuple[str, ...]:
    """Draw a figure to a file; return what a person must be told about how it came out.

    The same figure gives the same bytes with the same matplotlib. Raises UsageError for a file
    that cannot be written.
    """
    check_path(path)
    from llprobe.plots.draw.files import write  # noqa: PLC0415 - it loads matplotlib

    return write(figure, path, size or Size())
