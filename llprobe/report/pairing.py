"""Which cells of runs stand against each other, and which items two of them share.

This module knows cells, their features and the names of items. It does not know metrics.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from llprobe.analysis.options import OptionTable
from llprobe.errors import UnknownName, UsageError
from llprobe.report.grouping import grouping
from llprobe.report.tables import tables
from llprobe.store import CellRecord, Store
from llprobe.task import Item

__all__ = [
    "FEATURES",
    "LANGUAGE",
    "Side",
    "across",
    "between",
    "feature",
    "shared",
    "sides",
    "split",
]

IntArray = npt.NDArray[np.int64]

FEATURES: Final = ("model", "quant", "lens", "answer", "ablation", "shots", "seed")
"""What cells of one task may differ in."""
LANGUAGE: Final = "language"
"""The part of groups' names by which a question's translations are told apart."""


@dataclass(frozen=True, eq=False)
class Side:
    """The items of a cell that are compared with another's."""

    label: str
    """What a table calls it."""
    run: str
    cell: CellRecord
    table: OptionTable
    keys: tuple[str, ...]
    """By what its items are paired, (n_items,): their ids, without the language if that differs."""

    @property
    def n_layers(self) -> int:
        """Number of the model's last layer."""
        return int(self.cell.model_info["n_layers"])

    def take(self, items: npt.ArrayLike) -> Side:
        """Return some of the items: indices, or a bool for each."""
        chosen = np.arange(len(self.keys))[np.asarray(items)].tolist()
        keys = tuple(self.keys[i] for i in chosen)
        return replace(self, table=self.table.take(chosen), keys=keys)


def sides(store: Store, run: str) -> list[Side]:
    """Return a run's cells that have scores; each is called by its model."""
    return [Side(c.model, run, c, table, table.ids) for c, table in tables(store, run)]


def feature(cell: CellRecord, name: str) -> str:
    """Return what one of `FEATURES` is in a cell."""
    if name == "quant":
        return str(cell.model_info["quant"])
    return str(getattr(cell, name))


def _family(cell: CellRecord) -> str:
    """Return a model's name without its quantisation."""
    name = cell.model.partition(":")[0]
    return re.sub(rf"[._-]{re.escape(feature(cell, 'quant'))}$", "", name, flags=re.IGNORECASE)


def between(runs: Sequence[Sequence[Side]]) -> Iterator[tuple[Side, Side]]:
    """Yield every cell of the first run with its counterpart in each of the others.

    A counterpart asks the same task and agrees in every feature of which a run has several.
    Raises UsageError where two cells of a run could be it.
    """
    names = _names(runs)
    called = [
        [replace(side, label=name) for side in of] for of, name in zip(runs, names, strict=True)
    ]
    for other in called[1:]:
        for side in called[0]:
            match = _counterpart(side, called[0], other)
            if match:
                yield side, match


def _counterpart(side: Side, own: Sequence[Side], others: Sequence[Side]) -> Side | None:
    task = side.cell.task
    mine = [s for s in own if s.cell.task == task]
    theirs = [s for s in others if s.cell.task == task]
    told = [name for name in FEATURES if _several(mine, name) or _several(theirs, name)]
    found = [s for s in theirs if _signature(s.cell, told) == _signature(side.cell, told)]
    if len(found) > 1:
        raise UsageError(
            f"run {found[0].run[:8]} asks {task} in {len(found)} ways that only its settings tell "
            f"apart: compare runs that ask it once"
        )
    return found[0] if found else None


def _several(of: Sequence[Side], name: str) -> bool:
    return len({feature(side.cell, name) for side in of}) > 1


def _signature(cell: CellRecord, names: Iterable[str]) -> tuple[str, ...]:
    return tuple(feature(cell, name) for name in names)


def _names(runs: Sequence[Sequence[Side]]) -> list[str]:
    """Call each run by the fewest features that tell them apart, else by its id."""
    said = [""] * len(runs)
    for name in FEATURES:
        values = [{feature(side.cell, name) for side in of} for of in runs]
        if all(len(each) == 1 for each in values) and len({*map(frozenset, values)}) > 1:
            said = [f"{text} {min(each)}".strip() for text, each in zip(said, values, strict=True)]
        if len(set(said)) == len(runs):
            return said
    return [of[0].run[:8] if of else "" for of in runs]


def across(of: Sequence[Side], name: str) -> Iterator[tuple[Side, Side]]:
    """Yield cells that differ in a feature only, the first in order with each of the others.

    By `quant`, files of one model are compared; by `model`, whatever their quantisation. By a part
    of groups' names, like `language` or `operation`, a cell is compared with itself, items of one
    label with those of another. Raises UnknownName, or UsageError where nothing differs in it.
    """
    parts = _parts(of)
    if name not in FEATURES and name not in parts:
        raise UnknownName("feature", name, {*FEATURES, *parts})
    if name in FEATURES:
        families = list(_alike(of, name))
    else:
        families = [split(side, name) for side in of if name in side.cell.facets or name == "group"]
    found = [(same[0], other) for same in families for other in same[1:]]
    if not found:
        raise UsageError(f"nothing differs in {name} only; {_varied(of)}")
    yield from found


def _varied(of: Sequence[Side]) -> str:
    """Say in what cells differ."""
    known = [name for name in FEATURES if _several(of, name)] + sorted(_parts(of))
    return f"these cells differ in {', '.join(known)}" if known else "these cells differ in nothing"


def _parts(of: Sequence[Side]) -> set[str]:
    found = {facet for side in of for facet in side.cell.facets}
    return found | ({"group"} if any(any(side.table.groups) for side in of) else set())


def _alike(of: Sequence[Side], name: str) -> Iterator[list[Side]]:
    """Put cells together that agree in everything else; each is called by its feature."""
    free = {"model", "quant"} if name in {"model", "quant"} else {name}
    rest = [each for each in FEATURES if each not in free]
    found: dict[tuple[str, ...], dict[str, Side]] = {}
    for side in of:
        family = _family(side.cell) if name == "quant" else ""
        alike = found.setdefault((side.cell.task, family, *_signature(side.cell, rest)), {})
        value = feature(side.cell, name)
        # several runs may hold the same cell
        alike.setdefault(value, replace(side, label=value))
    yield from (list(alike.values()) for alike in found.values())


def split(side: Side, part: str) -> list[Side]:
    """Return a cell's items by their label, in the task's order.

    Items are paired by their ids; ids of translations end in their language, which is left out.
    """
    sort = grouping([side.cell], part)
    labels = [next((label for _, label in sort(side.cell, g)), "") for g in side.table.groups]
    found = []
    for label in dict.fromkeys(filter(None, labels)):
        some = side.take([own == label for own in labels])
        keys = tuple(key.removesuffix(f"/{label}") for key in some.keys)
        found.append(replace(some, label=label, keys=keys if part == LANGUAGE else some.keys))
    return found


def shared(store: Store, a: Side, b: Side) -> tuple[IntArray, IntArray]:
    """Return the places (n_shared,) in `a` and in `b` of the items that both hold.

    Items of the same questions are told by their ids. Other questions must agree in the options
    too: a seed or a language may give other questions the same ids. Raises UsageError where there
    is nothing to pair, or ids that mean other questions.
    """
    places = {key: at for at, key in enumerate(b.keys)}
    rows = [(at, places[key]) for at, key in enumerate(a.keys) if key in places]
    if not rows:
        raise UsageError(f"{_both(a, b)} share no items{_ADVICE}")
    if a.cell.questions != b.cell.questions:
        _check(store, a, b, [a.table.ids[at] for at, _ in rows])
    found = np.array(rows, np.int64)
    return found[:, 0], found[:, 1]


_ADVICE: Final = ": run both on the same questions, or add --unpaired to compare them unpaired"


def _both(a: Side, b: Side) -> str:
    return f"{a.cell.task}: {a.label} and {b.label}"


def _check(store: Store, a: Side, b: Side, ids: Sequence[str]) -> None:
    mine, theirs = ({s.item.id: s.item for s in store.scores(x.cell.id)} for x in (a, b))
    for id_ in ids:
        one, other = mine[id_], theirs[id_]
        if a.cell.answer == b.cell.answer:
            same = _bare(one) == _bare(other) and one.best == other.best
        elif a.cell.answer == _LETTER:
            same = _listed(one, other)
        else:
            same = _listed(other, one)
        if not same:
            raise UsageError(f"{_both(a, b)} have other options for item {id_}{_ADVICE}")


def _bare(item: Item) -> list[str]:
    """Return its options without the space before them, which a chat does without."""
    return [choice.lstrip() for choice in item.choices]


_LETTER: Final = "letter"


def _listed(letters: Item, texts: Item) -> bool:
    """Whether the prompt of a question about letters lists the options of another."""
    as_many = len(letters.choices) == len(texts.choices)
    return as_many and all(f". {text.strip()}" in letters.prompt for text in texts.choices)
