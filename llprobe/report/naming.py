"""Names of models that tell them apart: two files of one name differ in their fingerprints.

This module knows names. It does not know what is said of the models.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from llprobe.store import CellRecord

__all__ = ["told_apart", "unique_names"]

Model = tuple[str, str]
"""A model's name and fingerprint."""

_DIGITS = 8


def unique_names(models: Iterable[Model]) -> dict[Model, str]:
    """Return what each model is called, given the name and fingerprint of each.

    That is its name, with the beginning of the fingerprint where another model has that name too.
    """
    known = set(models)
    taken = [name for name, _ in known]
    return {
        (name, mark): name if taken.count(name) == 1 else f"{name} ({mark[:_DIGITS]})"
        for name, mark in known
    }


def told_apart(cells: Sequence[CellRecord]) -> list[CellRecord]:
    """Return the cells of a run, with names of models that belong to one model each."""
    names = unique_names((cell.model, cell.fingerprint) for cell in cells)
    return [replace(cell, model=names[cell.model, cell.fingerprint]) for cell in cells]
