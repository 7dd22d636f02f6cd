"""Runs -> items by layer, and the options of one item over layers.

This module knows which items there are. What is right is `analysis`'s to say.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from llprobe.analysis.measures import metric, probability
from llprobe.errors import UnknownName, UsageError
from llprobe.plots.gather.names import heading, names, shared, titles, unique
from llprobe.plots.gather.numbers import table_of
from llprobe.plots.gather.remarks import only_own
from llprobe.plots.gather.sources import Scored, tracks
from llprobe.plots.gather.wish import Wish
from llprobe.plots.shapes import (
    ItemMap,
    ItemPanel,
    Trajectories,
    TrajectoriesPanel,
    Trajectory,
)
from llprobe.store import Store
from llprobe.task import Item

__all__ = ["item_map", "trajectory"]

_TAIL = 200
"""Characters of a prompt that are shown: its end, where the question stands."""


def item_map(store: Store | None, runs: Sequence[str], wish: Wish) -> ItemMap:
    """Return which items are right at which layer, a panel per model and task."""
    every = tracks(store, runs, task=wish.task, lens=wish.lens, model=wish.model)
    found = only_own(every, "items")
    panels = [
        _map(store, track, title, wish) for track, title in zip(found, titles(found), strict=True)
    ]
    what = "items by layer" if wish.metric == "mc1" else f"items by layer, {wish.value}"
    return ItemMap(
        title=wish.titled(heading(what, found)),
        note=shared(found, "items sorted by the number of layers at which they are right"),
        remarks=(),
        value_label="right" if wish.metric != "mc2" else "probability of the true options",
        panels=tuple(panels),
    )


def _map(store: Store | None, track: Scored, title: str, wish: Wish) -> ItemPanel:
    table = table_of(store, track)
    values = metric(table, wish.metric)
    order = _order(values)
    return ItemPanel(
        title,
        tuple(table.ids[n] for n in order),
        table.layers,
        values[order],
    )


def _order(values: npt.NDArray[np.float64]) -> list[int]:
    """Sort items by their sum over layers, the highest first, then by where they are right first.

    `values` is (n_items, n_layers).
    """
    first = (values > 0).argmax(axis=1)
    order: list[int] = np.lexsort((first, -values.sum(axis=1))).tolist()
    return order


def trajectory(store: Store | None, runs: Sequence[str], wish: Wish) -> Trajectories:
    """Return the probabilities of one item's options over layers, a panel per model.

    Raises UsageError without an item, UnknownName for one that the runs do not have.
    """
    every = tracks(store, runs, task=wish.task, lens=wish.lens, model=wish.model)
    found = only_own(every, "items")
    if store is None or not wish.item:
        raise UsageError("name an item with --item ID: `llprobe export RUN --items` lists them")
    ids = {track.cell.id: _ids(store, track) for track in found}
    held = [track for track in found if wish.item in ids[track.cell.id]]
    if not held:
        known = sorted({id_ for of in ids.values() for id_ in of})
        near = difflib.get_close_matches(wish.item, known, n=3, cutoff=0.4)
        hint = "(`llprobe export RUN --items` lists all)"
        raise UnknownName("item", wish.item, near or known[:3], hint)
    item = _item(store, held, wish.item)
    return Trajectories(
        title=wish.titled(heading(f"options of item {wish.item}", held)),
        note=shared(held, f"probability among the {len(item.choices)} options"),
        remarks=(),
        question=_tail(item.prompt),
        panels=tuple(
            _panel(store, track, name, item) for track, name in zip(held, names(held), strict=True)
        ),
        guess=1 / len(item.choices),
    )


def _ids(store: Store, track: Scored) -> frozenset[str]:
    return frozenset(table_of(store, track).ids)


def _item(store: Store, held: Sequence[Scored], id_: str) -> Item:
    """Return the item; UsageError where tasks or runs have different ones of that name."""
    found = {
        score.item.choices: score.item
        for track in held
        for score in store.scores(track.cell.id)
        if score.item.id == id_
    }
    if len(found) > 1:
        tasks = " and ".join(unique(track.task for track in held))
        raise UsageError(f"{id_} stands for different items, of {tasks}: name one run and --task")
    return next(iter(found.values()))


def _panel(store: Store, track: Scored, name: str, item: Item) -> TrajectoriesPanel:
    table = table_of(store, track)
    table = table.take([table.ids.index(item.id)])
    options = (
        Trajectory(text.strip(), n in item.correct, n == item.best, y)
        for n, (text, y) in enumerate(zip(item.choices, probability(table), strict=True))
    )
    return TrajectoriesPanel(f"{track.task}, {name}", table.layers, tuple(options))


def _tail(prompt: str) -> str:
    """Return a prompt's last paragraph, cut in front where it is long."""
    text = " ".join(prompt.strip().split("\n\n")[-1].split())
    return text if len(text) <= _TAIL else f"… {text[-_TAIL:]}"
