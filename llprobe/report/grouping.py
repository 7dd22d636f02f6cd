"""How a run's items are sorted into rows: by group, by every part of groups' names, or by one.

This module knows names of groups. It does not know scores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from llprobe.errors import UsageError
from llprobe.store import CellAnswer, CellRecord, CellScores

__all__ = ["Grouping", "grouping", "sort_members"]

Grouping = Callable[[CellRecord, str], list[tuple[int, str]]]
"""The labels under which a cell's item of some group is counted, each with its facet's number."""

Member = TypeVar("Member", CellScores, CellAnswer)


def grouping(cells: Sequence[CellRecord], by: str) -> Grouping:
    """Return how items are sorted into rows: `group`, `facet` for every part of it, or one part.

    A group `int/3-4/mul` of a task whose facets are (numbers, size, operation) counts under
    `mul` by `operation`. Raises UsageError for a name that none of the cells knows.
    """
    known = list(dict.fromkeys(facet for cell in cells for facet in cell.facets))
    if by == "group":
        return lambda _, group: [(0, group)] if group else []
    if by == "facet":
        return lambda cell, group: [
            (at, f"{name} {part}") for at, (name, part) in enumerate(_parts(cell, group).items())
        ]
    if by not in known:
        raise UsageError(f"--by {by}: these tasks have {', '.join(['group', 'facet', *known])}")
    return lambda cell, group: [
        (0, part) for name, part in _parts(cell, group).items() if name == by
    ]


def _parts(cell: CellRecord, group: str) -> dict[str, str]:
    """Return the parts of a group's name by facet."""
    parts = group.split("/", max(len(cell.facets) - 1, 0)) if group else []
    return dict(zip(cell.facets, parts, strict=False))


def sort_members(
    cell: CellRecord, members: Sequence[Member], sort: Grouping
) -> Iterator[tuple[str, tuple[Member, ...]]]:
    """Yield each label with its members; rows of one facet stand together, in the task's order."""
    of: dict[tuple[int, str], list[Member]] = {}
    for member in members:
        for label in sort(cell, member.item.group):
            of.setdefault(label, []).append(member)
    for (_, name), found in sorted(of.items(), key=lambda entry: entry[0][0]):
        yield name, tuple(found)
