"""Runs -> heat maps: tasks, languages or groups of items by layer.

This module knows what rows there are. The numbers are `report`'s and `published`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from llprobe.analysis.measures import metric
from llprobe.errors import UsageError
from llprobe.plots.gather.names import by_panel, counted, heading, names, shared, titles, unique
from llprobe.plots.gather.numbers import means, parts
from llprobe.plots.gather.remarks import grouped, only_printable, remarks
from llprobe.plots.gather.sources import Printed, Scored, Track, scored, tracks
from llprobe.plots.gather.wish import Wish
from llprobe.plots.shapes import Heat, HeatPanel
from llprobe.store import Store

__all__ = ["heat"]

_LANGUAGE: Final = "language"

FloatArray = npt.NDArray[np.float64]
Row = tuple[str, Sequence[int], FloatArray]
"""A name, layers (n,) and values there (n,)."""


def heat(store: Store | None, runs: Sequence[str], wish: Wish) -> Heat:
    """Return the heat maps of runs: a panel per model, or per model and task."""
    languages = wish.rows == "languages"
    found = tracks(
        store, runs, task=wish.task, lens=wish.lens, model=wish.model, languages=languages
    )
    found = only_printable(found, wish)
    if languages:
        found = _with_languages(found)
    if wish.rows == "groups":
        found = list(grouped(found, wish.by or "group"))
    panels = _of_tasks(store, found, wish) if wish.rows == "tasks" else _apart(store, found, wish)
    return Heat(
        title=wish.titled(heading(f"{wish.value} by layer", found)),
        note=shared(found, counted(found) if wish.rows == "tasks" else ""),
        remarks=remarks(found),
        x_label="layer",
        value_label=f"{wish.value}, %",
        panels=tuple(panels),
    )


def _with_languages(found: Sequence[Track]) -> list[Track]:
    kept = [t for t in found if isinstance(t, Printed) or _LANGUAGE in t.cell.facets]
    if not kept:
        raise UsageError("none of these tasks has languages: xmps_cal and xmps_rea have")
    return kept


def _of_tasks(store: Store | None, found: Sequence[Track], wish: Wish) -> Iterator[HeatPanel]:
    """Yield a panel per model with its tasks as rows."""
    said = names(found)
    for name in unique(said):
        of = [track for track, own in zip(found, said, strict=True) if own == name]
        # the note says the number of items where it is one
        apart = len({track.cell.n_done for track in scored(of)}) > 1
        rows = [(f"{t.panel} {counted([t])}" if apart else t.panel, t) for t in of]
        yield _panel(name, [(row, *means(store, track, wish)) for row, track in rows])


def _apart(store: Store | None, found: Sequence[Track], wish: Wish) -> Iterator[HeatPanel]:
    """Yield a panel per model and task, with the languages or groups as rows."""
    by = _LANGUAGE if wish.rows == "languages" else wish.by or "group"
    said = titles(found)
    empty = True
    for n in (n for of in by_panel(found).values() for n in of):
        rows = list(_rows(store, scored(found), found[n], by, wish))
        if rows:
            empty = False
            yield _panel(said[n], rows)
    if empty:
        raise UsageError("none of these tasks has groups of items")


def _rows(
    store: Store | None, own: Sequence[Scored], track: Track, by: str, wish: Wish
) -> Iterator[Row]:
    if isinstance(track, Printed):
        for language, (layers, values) in track.run.by_language[track.task].items():
            yield language, layers, values
        return
    for label, table in parts(store, own, track, by):
        yield (
            f"{label} (n = {table.n_items})",
            table.layers,
            metric(table, wish.metric).mean(axis=0),
        )


def _panel(title: str, rows: Sequence[Row]) -> HeatPanel:
    columns = sorted({layer for _, layers, _ in rows for layer in layers})
    values = np.full((len(rows), len(columns)), np.nan)
    for n, (_, layers, row) in enumerate(rows):
        values[n, np.searchsorted(columns, layers)] = row
    return HeatPanel(title, tuple(name for name, _, _ in rows), tuple(columns), values)
