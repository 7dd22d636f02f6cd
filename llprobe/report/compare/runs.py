"""`compare`: which curves of runs or published tables are laid beside each other, and the result.

This module knows runs and their cells. How a pair is measured and tested is told elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from llprobe.errors import UsageError
from llprobe.published import is_published
from llprobe.report.compare.difference import Difference, adjusted
from llprobe.report.compare.layers import differences, is_one_at_last, last_in_both
from llprobe.report.compare.printed import Curve, beside, curves_of, printed_curves, remarks
from llprobe.report.compare.where import LAST, Where
from llprobe.report.grouping import Grouping, grouping
from llprobe.report.missing import cell_names, unfinished, unscored
from llprobe.report.pairing import Side, across, between, shared, sides
from llprobe.report.sametests import sentence
from llprobe.report.tables import repeated_questions
from llprobe.store import CellRecord, Store

__all__ = ["Compared", "Question", "compare_cells", "compare_runs"]


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of every pair of curves."""

    where: Where | None = LAST
    """The layer; None for every layer of the reference, by relative depth."""
    by: str | None = None
    """More rows: group, facet, or one part of the groups' names; see `grouping`."""
    metric: str = "mc1"
    unpaired: bool = False
    """Compare what is not the same items too, without pairing."""
    adjustment: str = "holm"
    """One of `ADJUSTMENTS`."""
    seed: int = 0


@dataclass(frozen=True)
class Compared:
    """A table of differences, and what its reader must be told besides."""

    rows: tuple[Difference, ...]
    remarks: tuple[str, ...]


def compare_runs(store: Store | None, names: Sequence[str], ask: Question) -> Compared:
    """Compare the first of several runs with each of the others, task by task.

    A name is that of a stored run, for which `store` is needed, or of a published table
    (``paper:llama2-7b``). Raises UsageError where nothing can be compared or paired, and
    UnknownName.
    """
    if len(names) < 2:
        raise UsageError("name two runs or more, or one with --across what its cells differ in")
    found = Compared((), ())
    stored = [name for name in names if not is_published(name)]
    if len(stored) > 1 and stored[0] == names[0]:
        found = _stored(_database(store), stored, ask)
    for name in names[1:]:
        if is_published(name) or is_published(names[0]):
            found = _joined(found, _beside(store, names[0], name, ask))
    return _adjusted(found, ask)


def _database(store: Store | None) -> Store:
    if store is None:
        raise UsageError("stored runs need a database: name it with --db")
    return store


def _joined(one: Compared, other: Compared) -> Compared:
    remarks = dict.fromkeys((*one.remarks, *other.remarks))
    return Compared((*one.rows, *other.rows), tuple(remarks))


def _stored(store: Store, names: Sequence[str], ask: Question) -> Compared:
    whole = [store.find_run(name) for name in names]
    if len({*whole}) < len(whole):
        raise UsageError(
            f"{' and '.join(names)}: the same run twice; --across compares what differs within one"
        )
    runs = [sides(store, run) for run in whole]
    found = list(between(runs))
    if not found:
        raise UsageError(
            f"{' and '.join(names)} have no task in common that both asked in one way; "
            "--across compares what differs within runs"
        )
    cells = [store.cells(run) for run in whole]
    return _compared(store, found, ask, _left_out(runs, cells, found))


def compare_cells(store: Store, names: Sequence[str], feature: str, ask: Question) -> Compared:
    """Compare the cells of one run, or of several put together, that differ in a feature only.

    `feature` is one of `FEATURES`, or a part of groups' names; see `across`.
    """
    if any(map(is_published, names)):
        raise UsageError("--across compares cells of stored runs; published tables have none")
    pool = [side for name in names for side in sides(store, store.find_run(name))]
    if not pool:
        raise UsageError(f"{' and '.join(names)}: nothing is scored yet")
    cells = [cell for name in names for cell in store.cells(store.find_run(name))]
    pairs = list(across(pool, feature))
    return _adjusted(_compared(store, pairs, ask, _alone(pool, cells, pairs)), ask)


def _adjusted(found: Compared, ask: Question) -> Compared:
    rows = tuple(adjusted(found.rows, ask.adjustment))
    said = sentence(sum(row.repeats for row in rows))
    return Compared(rows, (*found.remarks, *([said] if said else [])))


def _left_out(
    runs: Sequence[Sequence[Side]],
    cells: Sequence[Sequence[CellRecord]],
    pairs: Sequence[tuple[Side, Side]],
) -> list[str]:
    """Name what each run has, the first or one of the others, and its counterpart has not."""
    notes: list[str] = []
    for other, planned in zip(runs[1:], cells[1:], strict=True):
        pool = [*runs[0], *other]
        paired = [pair for pair in pairs if pair[1].run == other[0].run] if other else []
        notes += [*_without_pair("not in both", pool, paired), *_unscored([*cells[0], *planned])]
    return list(dict.fromkeys(notes))


def _alone(
    pool: Sequence[Side], cells: Sequence[CellRecord], pairs: Sequence[tuple[Side, Side]]
) -> list[str]:
    """Name the cells that nothing stands against, and those without scores."""
    return [*_without_pair("nothing to compare with", pool, pairs), *_unscored(cells)]


def _without_pair(what: str, pool: Sequence[Side], pairs: Sequence[tuple[Side, Side]]) -> list[str]:
    used = {side.cell.id for pair in pairs for side in pair}
    alone = [side.cell for side in pool if side.cell.id not in used]
    names = dict.fromkeys(cell_names(alone, [side.cell for side in pool]))
    return [f"{what}: {', '.join(names)}"] if names else []


def _unscored(cells: Sequence[CellRecord]) -> list[str]:
    once = list({cell.id: cell for cell in cells}.values())
    texts = (("not compared", unscored(once)), ("only partly compared", unfinished(once)))
    return [f"{what}: {text}" for what, text in texts if text]


_ONE_LENS: Final = (
    "the lenses norm and paper are one at the last layer, by definition: there is nothing to "
    "compare there, only at the layers before it (--at penultimate, --curve)"
)


def _compared(
    store: Store, pairs: Sequence[tuple[Side, Side]], ask: Question, said: Sequence[str]
) -> Compared:
    sort = grouping([side.cell for pair in pairs for side in pair], ask.by) if ask.by else None
    rows: list[Difference] = []
    notes = list(said)
    for a, b in pairs:
        if again := repeated_questions(a.table):
            notes.append(f"{a.cell.task}: {again}")
        if is_one_at_last(a, b) and last_in_both(a, b, ask.where):
            notes.append(f"{a.cell.task}: {_ONE_LENS}")
        try:
            own, other = shared(store, a, b)
        except UsageError:
            if not ask.unpaired:
                raise
            rows += _rows(a, b, ask, sort, paired=False)
            continue
        if len(own) < max(len(a.keys), len(b.keys)):
            notes.append(
                f"{a.cell.task}: the {len(own)} items that both have are compared, of "
                f"{len(a.keys)} of {a.label} and {len(b.keys)} of {b.label}"
            )
        rows += _rows(a.take(own), b.take(other), ask, sort, paired=True)
    if not rows:
        raise UsageError("; ".join(dict.fromkeys(notes)))
    return Compared(tuple(rows), tuple(dict.fromkeys(notes)))


def _rows(
    a: Side, b: Side, ask: Question, sort: Grouping | None, *, paired: bool
) -> Iterator[Difference]:
    """Yield the differences of a pair, of the whole and then of its groups."""

    def of(one: Side, other: Side, group: str) -> Iterator[Difference]:
        return differences(
            one, other, ask.metric, ask.where, paired=paired, group=group, seed=ask.seed
        )

    yield from of(a, b, "")
    mine, theirs = (_groups(side, sort) if sort else {} for side in (a, b))
    for label, members in mine.items():
        # of paired items the second side's are the same, whatever their labels are there
        others = members if paired else theirs.get(label, [])
        if others:
            yield from of(a.take(members), b.take(others), label)


def _groups(side: Side, sort: Grouping) -> dict[str, list[int]]:
    """Return the places of a side's items by label; rows of one facet stand together."""
    found: dict[tuple[int, str], list[int]] = {}
    for at, group in enumerate(side.table.groups):
        for label in sort(side.cell, group):
            found.setdefault(label, []).append(at)
    return {label: places for (_, label), places in sorted(found.items(), key=lambda e: e[0][0])}


def _beside(store: Store | None, a: str, b: str, ask: Question) -> Compared:
    """Lay two tables beside each other of which at least one is published."""
    if ask.metric != "mc1":
        raise UsageError(f"--metric {ask.metric}: published tables hold mc1 only")
    of_a, of_b = (_curves(store, name, ask) for name in (a, b))
    pairs = [(x, y) for x in of_a for y in of_b if x.row and (x.row, x.group) == (y.row, y.group)]
    if not pairs:
        raise UsageError(f"{a} and {b} have no task in common")
    rows = [row for x, y in pairs for row in beside(x, y, ask.where, ask.metric)]
    shown = list(dict.fromkeys((x.row, x.group) for x, _ in pairs))
    said = [remark for name in (a, b) if is_published(name) for remark in remarks(name, shown)]
    return Compared(tuple(rows), tuple(dict.fromkeys(said)))


def _curves(store: Store | None, name: str, ask: Question) -> list[Curve]:
    if is_published(name):
        return printed_curves(name, ask.by)
    database = _database(store)
    of = sides(database, database.find_run(name))
    return [curve for side in of for curve in curves_of(side, ask.metric, ask.by)]
