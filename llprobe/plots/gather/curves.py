"""Runs -> lines over layers, with bands and baselines: a panel per task.

This module knows which lines belong together. The numbers are `report`'s and `published`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from llprobe.analysis.measures import chance
from llprobe.analysis.options import OptionTable
from llprobe.plots.gather.names import by_panel, counted, heading, names, shared
from llprobe.plots.gather.numbers import banded, parts, table_of
from llprobe.plots.gather.remarks import grouped, only_printable, remarks
from llprobe.plots.gather.sources import Printed, Scored, Track, scored, tracks
from llprobe.plots.gather.wish import Wish
from llprobe.plots.shapes import Curves, CurvesPanel, Level, Line
from llprobe.report.evidence import curve_evidence
from llprobe.store import Store

__all__ = ["curves", "levels"]

_SAID: Final = "intervals: 95%"
_SHORTEST: Final = "shortest: always choosing the shortest option"

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Drawn:
    """A line with its baselines, and what must be said of it."""

    line: Line
    levels: tuple[Level, ...]
    remarks: tuple[str, ...] = ()


def curves(store: Store | None, runs: Sequence[str], wish: Wish) -> Curves:
    """Return the curves of runs; with `wish.by` a line per group of items in place of one."""
    found = only_printable(
        tracks(store, runs, task=wish.task, lens=wish.lens, model=wish.model), wish
    )
    if wish.by:
        found = list(grouped(found, wish.by))
    drawn = _drawn(store, found, wish)
    panels = _apart(found) if wish.by else by_panel(found)
    own = scored(found)
    return Curves(
        title=wish.titled(heading(f"{wish.value} by layer", found)),
        note=shared(found, *_notes(own, wish)),
        remarks=remarks(found, (r for each in drawn for d in each for r in d.remarks)),
        x_label="relative depth (layer / layers of the model)" if wish.depth else "layer",
        y_label=f"{wish.value}, %",
        panels=tuple(
            _panel(panel, [found[n] for n in of], [d for n in of for d in drawn[n]])
            for panel, of in panels.items()
        ),
    )


def _apart(found: Sequence[Track]) -> dict[str, list[int]]:
    """Give every track a panel: groups of several models in one would hide each other."""
    said = names(found)
    several = len(set(said)) > 1
    titles = [f"{t.panel}, {n}" if several else t.panel for t, n in zip(found, said, strict=True)]
    return {title: [n] for n, title in enumerate(titles)}


def _notes(own: Sequence[Scored], wish: Wish) -> list[str]:
    """Say what intervals and baselines are, where they are shown."""
    short = own and wish.metric not in {"mc2", "mc3"} and not wish.by
    return [*([_SAID] if own else []), *([_SHORTEST] if short else [])]


def _panel(name: str, found: Sequence[Track], drawn: Sequence[_Drawn]) -> CurvesPanel:
    size = counted(found)
    return CurvesPanel(
        f"{name} ({size})" if size else name,
        tuple(each.line for each in drawn),
        levels([level for each in drawn for level in each.levels]),
    )


def levels(found: Sequence[Level]) -> tuple[Level, ...]:
    """Return baselines, those that are equal once; what has several values is counted."""
    once = {(level.name, round(level.y, 4)): level for level in found}
    return tuple(once.values())


def _drawn(store: Store | None, found: Sequence[Track], wish: Wish) -> list[list[_Drawn]]:
    """Return the lines of every track."""
    own = scored(found)
    return [
        list(_lines(store, own, track, name, wish))
        for track, name in zip(found, names(found), strict=True)
    ]


def _lines(
    store: Store | None, own: Sequence[Scored], track: Track, name: str, wish: Wish
) -> Iterator[_Drawn]:
    if isinstance(track, Printed):
        yield _printed(track, name, wish)
    elif wish.by:
        for label, table in parts(store, own, track, wish.by):
            line = _line(f"{label} (n = {table.n_items})", track, wish, table)
            guess = float(chance(table, wish.metric).mean())
            yield _Drawn(line, (Level("chance", guess),))
    else:
        alone = [t.task for t in own].count(track.task) == 1
        yield _whole(name, track, wish, table_of(store, track), "" if alone else f" ({name})")


def _line(name: str, track: Scored, wish: Wish, table: OptionTable) -> Line:
    found = banded(table, wish.metric)
    return Line(name, _x(table.layers, track, wish), found.mean, found.low, found.high)


def _whole(name: str, track: Scored, wish: Wish, table: OptionTable, of: str) -> _Drawn:
    """Return the line of all of a track's items, with what the evidence says `of` it."""
    evidence = curve_evidence(track.cell, table, wish.metric)
    x = _x(evidence.layers, track, wish)
    line = Line(name, x, evidence.mean, evidence.low, evidence.high)
    known = {"chance": evidence.chance, "shortest": evidence.shortest}
    levels = (Level(k, float(v.mean())) for k, v in known.items() if v is not None)
    return _Drawn(line, tuple(levels), tuple(f"{track.task}{of}: {r}" for r in evidence.remarks))


def _printed(track: Printed, name: str, wish: Wish) -> _Drawn:
    layers, values = track.run.curves[track.task]
    guess = track.run.chance.get(track.task)
    line = Line(name, _x(layers, track, wish), values, published=True)
    return _Drawn(line, () if guess is None else (Level("chance", guess),))


def _x(layers: Sequence[int], track: Track, wish: Wish) -> FloatArray:
    x = np.asarray(layers, np.float64)
    return x / track.n_layers if wish.depth else x
