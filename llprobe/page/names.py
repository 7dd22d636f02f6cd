"""What cells of a report are called, so that no two are called the same.

This module knows what tells cells apart. It does not know their numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from llprobe.store import CellRecord

__all__ = ["CellName", "cell_names", "variant_of"]


@dataclass(frozen=True)
class CellName:
    """The names of one cell; see the fields of `CellView`."""

    variant: str
    label: str
    full: str


def variant_of(cell: CellRecord) -> str:
    """Say how a cell differs from a plain run of its task; empty where it does not."""
    request = cell.request
    settings = [f"{name} {value}" for name, value in request.get("settings") or ()]
    parts = [
        f"answer {cell.answer}" if cell.answer != "cloze" else "",
        "chat" if request.get("chat") else "",
        f"{cell.shots} shots" if cell.shots != "default" else "",
        f"seed {cell.seed}" if cell.seed else "",
        *settings,
        f"without {cell.ablation}" if cell.ablation != "none" else "",
    ]
    return ", ".join(part for part in parts if part)


def cell_names(cells: Sequence[CellRecord]) -> tuple[CellName, ...]:
    """Name each cell by its task, and by what is not the same in all cells."""
    described = [_parts(cell) for cell in cells]
    telling = [n for n in range(3) if len({parts[n] for parts in described}) > 1]
    labels = [", ".join(parts[n] for n in telling if parts[n]) for parts in described]
    twice = Counter(zip((cell.task for cell in cells), labels, strict=True))
    return tuple(
        _name(cell, label, alone=twice[cell.task, label] == 1)
        for cell, label in zip(cells, labels, strict=True)
    )


def _parts(cell: CellRecord) -> tuple[str, str, str]:
    return cell.model, f"lens {cell.lens}", variant_of(cell)


def _name(cell: CellRecord, label: str, *, alone: bool) -> CellName:
    # cells that differ in something rarer, like the engine's settings, are told by their ids
    label = label if alone else ", ".join(filter(None, (label, f"cell {cell.id[:6]}")))
    full = f"{cell.task} · {label}" if label else cell.task
    return CellName(variant_of(cell), label or cell.model, full)
