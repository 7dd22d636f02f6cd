"""Which quants say nothing about quantising: those made from a file of fewer bits.

This module knows what is stored of models. It does not know what is done with those it names.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from llprobe.store import CellRecord

__all__ = ["above_source"]

_FOLDER = "quants"
"""The folder of quants made by llprobe; below it, one named after their source."""


def above_source(cells: Sequence[CellRecord]) -> dict[str, str]:
    """Name the models that llprobe quantised from one of `cells` with fewer bits per weight.

    Returns each with its source. What the source has lost, such a quant does not restore, so it is
    no step of a ladder.
    """
    bits = {cell.model: _bits(cell) for cell in cells}
    made = {cell.model: (cell, _source(cell)) for cell in cells}
    return {
        model: source
        for model, (cell, source) in made.items()
        if source in bits and _bits(cell) > bits[source]
    }


def _bits(cell: CellRecord) -> float:
    return float(cell.model_info["bits_per_weight"])


def _source(cell: CellRecord) -> str:
    """Return the name of the model that a quant was made from here, else nothing."""
    place = PurePath(next(iter(cell.model_info.get("paths", ())), ""))
    return place.parent.name if place.parent.parent.name == _FOLDER else ""
