"""Stored runs -> the data of a report.

This module knows where each part of a report comes from. It does not know HTML or Markdown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Final

import numpy as np

from llprobe import published, report
from llprobe.analysis.measures import available
from llprobe.analysis.measures import metric as metric_of
from llprobe.analysis.options import OptionTable
from llprobe.errors import UsageError
from llprobe.page.data import (
    CellView,
    ModelView,
    Page,
    PublishedView,
    RunView,
    WrittenView,
)
from llprobe.page.items import TextBook, item_scores
from llprobe.page.names import CellName, cell_names
from llprobe.published.tables import Series
from llprobe.report.compare.difference import stars
from llprobe.report.evidence import CurveEvidence, curve_evidence, sureness
from llprobe.report.pairing import Side
from llprobe.report.remarks import remarks
from llprobe.report.sametests import adjusted_once, mark
from llprobe.report.tables import option_table
from llprobe.store import CellRecord, Store
from llprobe.task.prior import PRIOR

__all__ = ["gather"]

_MULTIPLE: Final = ("mc1", "mc2", "mc3")
_RECORDED: Final = ("devices", "split", "rpc_servers", "threads", "system_info", "self_check")


def gather(store: Store, runs: Sequence[str], *, items: bool = True, title: str = "") -> Page:
    """Collect what a report of `runs` (whole ids) shows; without `items` no single questions.

    A cell that is in several runs stands there once. Raises UsageError where nothing is scored.
    """
    scored = _scored(store, runs)
    written = tuple(_written(store, runs))
    if not scored and not written:
        raise UsageError(f"nothing is scored in {', '.join(run[:8] for run in runs)}")
    book = TextBook(store) if items else None
    names = cell_names([cell for _, cell in scored])
    found = [
        _view(store, run, cell, name, book) for (run, cell), name in zip(scored, names, strict=True)
    ]
    every = list(_once(cell for run in runs for cell in store.cells(run)))
    laid = tuple(_published(dict.fromkeys(cell.task for _, cell in scored)))
    return Page(
        title=title or _title(every),
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        version=version("llprobe"),
        runs=tuple(RunView(store.run(run), store.spec(run)) for run in runs),
        models=tuple({cell.fingerprint: _model(cell) for cell in every}.values()),
        cells=_with_stars([view for view, _ in found], [of for _, of in found]),
        texts=book.sets() if book else {},
        published=laid,
        written=written,
        settings=_joined([cell.settings for cell in every]),
        versions=_joined([cell.versions | _recorded(cell) for cell in every]),
        remarks=tuple(dict.fromkeys([*remarks(every), *_published_remarks(laid)])),
    )


def _scored(store: Store, runs: Sequence[str]) -> list[tuple[str, CellRecord]]:
    """Cells that have options scored, each with the first of the runs that it stands in."""
    found: dict[str, tuple[str, CellRecord]] = {}
    for run in runs:
        for cell in store.cells(run):
            if cell.answer not in {PRIOR, "generate"} and cell.n_done:
                found.setdefault(cell.id, (run, cell))
    return list(found.values())


def _once(cells: Iterable[CellRecord]) -> Iterator[CellRecord]:
    yield from {cell.id: cell for cell in cells}.values()


def _view(
    store: Store, run: str, cell: CellRecord, name: CellName, book: TextBook | None
) -> tuple[CellView, str]:
    """Return what is shown of a cell, and the mark of its test at the last layer."""
    table = option_table(store, cell)
    items = item_scores(cell, table, book.places(cell, table.ids)) if book else None
    curves = {metric: curve_evidence(cell, table, metric) for metric in _metrics(table)}
    view = CellView(
        cell, run, name.variant, name.label, name.full, curves,
        stars_best="", stars_last="", items=items, sureness=sureness(table),
    )  # fmt: skip
    side = Side(cell.model, run, cell, table, table.ids)
    return view, mark((side,), (metric_of(table)[:, -1],))


def _metrics(table: OptionTable) -> tuple[str, ...]:
    several = bool((np.add.reduceat(table.true, table.start[:-1]) > 1).any())
    more = ("mc2", "mc3") if several else ()
    return ("mc1", *more, *(name for name in available(table) if name not in _MULTIPLE))


def _with_stars(views: Sequence[CellView], marks: Sequence[str]) -> tuple[CellView, ...]:
    """Put stars on cells: best layers corrected for all layers, last ones for all cells.

    Cells of one mark are the same at the last layer, and count once there.
    """
    last = adjusted_once([float(view.curves["mc1"].p_above[-1]) for view in views], marks)
    return tuple(
        replace(view, stars_best=_best_stars(view.curves["mc1"]), stars_last=stars(p))
        for view, p in zip(views, last, strict=True)
    )


def _best_stars(curve: CurveEvidence) -> str:
    return stars(float(curve.p_adjusted[curve.best.column]))


def _model(cell: CellRecord) -> ModelView:
    info = cell.model_info
    return ModelView(
        cell.model, cell.fingerprint, info["architecture"], info["quant"],
        info["bits_per_weight"], info["n_layers"], info["n_params"], info["file_bytes"],
    )  # fmt: skip


def _published(tasks: Iterable[str]) -> Iterator[PublishedView]:
    for task in tasks:
        row = published.published_task(task)
        for name in published.NAMES if row else ():
            yield _published_view(task, str(row), published.table(name))


def _published_view(task: str, row: str, run: published.PublishedRun) -> PublishedView:
    layers, accuracy = run.curves.get(row) or _over_languages(run.by_language[row])
    values = tuple(float(a) for a in accuracy)
    return PublishedView(
        task, run.model, run.source, row, tuple(layers), run.n_layers, values, run.remarks_on(row)
    )


def _over_languages(rows: Mapping[str, Series]) -> Series:
    """Mean of the languages, at the layers that are published for all of them."""
    values = [dict(zip(layers, row.tolist(), strict=True)) for layers, row in rows.values()]
    layers = tuple(layer for layer in values[0] if all(layer in row for row in values))
    return layers, np.array([[row[layer] for layer in layers] for row in values]).mean(axis=0)


def _published_remarks(views: Iterable[PublishedView]) -> Iterator[str]:
    for view in views:
        yield from (f"{view.source}: {remark}" for remark in view.remarks)


def _written(store: Store, runs: Sequence[str]) -> Iterator[WrittenView]:
    known: set[str] = set()
    for run in runs:
        for summary in report.written(store, run):
            if summary.cell.id not in known:
                known.add(summary.cell.id)
                row = summary.row()
                yield WrittenView(**{name: row[name] for name in WrittenView.__annotations__})


def _recorded(cell: CellRecord) -> dict[str, str]:
    return {name: cell.record[name] for name in _RECORDED if cell.record.get(name)}


def _joined(records: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Values by name; where records differ, all of them."""
    found: dict[str, dict[str, None]] = {}
    for record in records:
        for name, value in record.items():
            found.setdefault(name, {})["default" if value is None else str(value)] = None
    return {name: ", ".join(values) for name, values in found.items()}


def _title(cells: Sequence[CellRecord]) -> str:
    models = _few([cell.model for cell in cells])
    return f"{_few([cell.task for cell in cells])} on {models}, layer by layer"


def _few(names: Iterable[str]) -> str:
    known = list(dict.fromkeys(names))
    more = f" and {len(known) - 3} more" if len(known) > 4 else ""
    return ", ".join(known[:3] if more else known) + more
