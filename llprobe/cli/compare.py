"""`llprobe compare`: differences between runs, between cells of a run, or to published tables.

This module knows the command's options and its table. What is compared is `report`'s to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.text import Text

from llprobe.cli.console import err
from llprobe.cli.options import By, Db, Format, FormatOption, Metric, Output, database, option
from llprobe.cli.output import Column, draw, drawn, emit, percent, write
from llprobe.cli.runs import check_metric
from llprobe.errors import UsageError
from llprobe.store import Store

if TYPE_CHECKING:
    from llprobe.report.compare import Compared, Question

__all__ = ["at_least", "compare", "p_value", "signed"]

Row = dict[str, Any]

Runs = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN...",
        help="Runs (ids, their beginnings, names, `last`) or published tables "
        "(paper:llama2-7b); the first is the reference.",
    ),
]


def compare(
    runs: Runs,
    across: Annotated[
        str | None,
        option(
            "--across",
            help="Compare cells within runs: model, quant, lens, answer, ablation, shots, seed, "
            "or a part of groups' names, like language.",
        ),
    ] = None,
    at: Annotated[
        str,
        option(
            "--at",
            help="Layer: last, penultimate, a number (12, -3), a depth (0.5), or best: each side's "
            "best layer, on questions that did not choose it.",
        ),
    ] = "last",
    curve: Annotated[
        bool, option("--curve", help="Every layer, matched by relative depth.")
    ] = False,
    by: By = None,
    metric: Metric = "mc1",
    unpaired: Annotated[
        bool, option("--unpaired", help="Compare what is not the same items too, unpaired.")
    ] = False,
    fdr: Annotated[
        bool, option("--fdr", help="Adjust p by Benjamini-Hochberg, not by Holm.")
    ] = False,
    db: Db = None,
    form: FormatOption = Format.TABLE,
    output: Output = None,
) -> None:
    """Compare runs task by task: differences, intervals, tests, and what could have been seen."""
    from llprobe.report.compare import Question, parse_where  # noqa: PLC0415 - slow to import

    check_metric(metric, pmi=True)
    if curve and at != "last":
        raise UsageError(f"--curve shows every layer, --at {at} one of them: give one of the two")
    where = None if curve else parse_where(at)
    adjustment = "fdr" if fdr else "holm"
    ask = Question(where, by, metric, unpaired=unpaired, adjustment=adjustment)
    _print(_found(runs, across, ask, db), ask, form, output)


def _found(names: Sequence[str], across: str | None, ask: Question, db: Path | None) -> Compared:
    from llprobe.published import is_published  # noqa: PLC0415 - slow to import
    from llprobe.report.compare import compare_cells, compare_runs  # noqa: PLC0415 - as above

    with ExitStack() as stack:
        store = None
        if across or not all(map(is_published, names)):
            store = stack.enter_context(Store(database(db), create=False))
        if store is not None and across:
            return compare_cells(store, names, across, ask)
        return compare_runs(store, names, ask)


def _print(found: Compared, ask: Question, form: Format, output: Path | None) -> None:
    rows = [difference.row() for difference in found.rows]
    if form in {Format.TABLE, Format.MD}:
        tables = [_table(of, ask, form, output) for of in _pairs(rows)]
        legend = draw(Text(_legend(rows)), plain=output is not None)
        write("\n".join([*tables, legend]), output)
    else:
        emit(rows, (), form, output)
    for remark in found.remarks:
        err.print(remark, markup=False)


def _pairs(rows: Sequence[Row]) -> list[list[Row]]:
    """Put the rows of each pair together, in order."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row["a"], row["b"]), []).append(row)
    return list(found.values())


def _table(rows: Sequence[Row], ask: Question, form: Format, output: Path | None) -> str:
    title = _title(rows[0], ask)
    text = drawn(rows, _columns(rows, ask), form, output, title)
    return f"{title}\n\n{text}" if form is Format.MD else text


def _values(rows: Sequence[Row], key: str) -> list[Any]:
    return list(dict.fromkeys(row.get(key) for row in rows))


def _title(row: Row, ask: Question) -> str:
    where = "by layer" if ask.where is None else str(ask.where)
    return f"{ask.metric.upper()} in % {where}, A: {row['a']}, B: {row['b']}"


_FEATURES: Final = {
    "model": "model", "lens": "lens", "answer": "answer", "ablation": "left out",
    "shots": "shots", "seed": "seed",
}  # fmt: skip


def _columns(rows: Sequence[Row], ask: Question) -> list[Column]:
    """Columns that say something for these rows."""
    heads = [
        Column(key, heading, head=True)
        for key, heading in (("task", "task"), *_FEATURES.items())
        if key == "task" or len(_values(rows, key)) > 1
    ]
    if any(row["group"] for row in rows):
        heads.append(Column("group", "group", head=True))
    return [*heads, *_layer_columns(rows, ask), *_figures(rows)]


def _layer_columns(rows: Sequence[Row], ask: Question) -> list[Column]:
    if ask.where is not None and ask.where.kind in {"last", "penultimate"}:
        return []
    if all(row["layer_a"] == row["layer_b"] for row in rows):
        return [Column("layer_a", "layer", right=True, head=True)]
    return [
        Column("layer_a", "layer A", right=True, head=True),
        Column("layer_b", "layer B", right=True, head=True),
    ]


def _figures(rows: Sequence[Row]) -> list[Column]:
    tested = any(row["p"] is not None for row in rows)
    found = [
        Column("items_a", "items", lambda v: "–" if v is None else str(v), right=True),
        Column("mean_a", "A", percent, right=True),
        Column("mean_b", "B", percent, right=True),
        Column("difference", "B-A", signed, right=True),
    ]
    if any(row["items_b"] not in {None, row["items_a"]} for row in rows):
        found[1:1] = [Column("items_b", "of B", found[0].show, right=True)]
    if not tested:
        return found
    for row in rows:
        row["interval"] = None if row["low"] is None else [row["low"], row["high"]]
    return [
        *found,
        Column("interval", "95% interval", _interval, right=True, apart=True),
        Column("p_adjusted", "p", p_value, right=True, apart=True),
        Column("stars", "", apart=True),
        Column("detectable", "can see", at_least, right=True, apart=True),
    ]


def signed(value: float) -> str:
    """Write a difference in points of a hundred, with its sign."""
    points = round(100 * value, 1)
    return f"{points:+.1f}" if points else "0.0"


def _interval(ends: Sequence[float] | None) -> str:
    return "–" if ends is None else f"{signed(ends[0])} to {signed(ends[1])}"


def at_least(value: float | None) -> str:
    """Write the smallest difference that can be seen, in points; a dash where none is known."""
    return "–" if value is None or value >= 1 else f"≥{percent(value)}"


def p_value(value: float | None) -> str:
    """Write a p with three decimals, a dash where there is none."""
    if value is None:
        return "–"
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def _legend(rows: Sequence[Row]) -> str:
    """Say what the marks and the last columns mean."""
    from llprobe.report.compare import STARS  # noqa: PLC0415 - slow to import

    tested = [row for row in rows if row["p_adjusted"] is not None]
    if not tested:
        return "No test: published figures have no items."
    stars = ", ".join(f"{mark} p < {level:g}" for level, mark in reversed(STARS))
    how = {"holm": "Holm", "fdr": "Benjamini-Hochberg"}[tested[0]["adjustment"]]
    kinds = {row["paired"] for row in tested}
    paired = "paired by item" if kinds == {True} else "not paired"
    paired = "paired by item where the items are the same" if len(kinds) > 1 else paired
    repeats = sum(row["repeats"] for row in tested)
    over = len(tested) - repeats
    lines = [
        f"{stars}; {paired}; p adjusted over {over} comparison{'s' * (over != 1)} ({how}).",
        "95% interval: of each row by itself, not adjusted.",
        "can see: smallest difference, in points, shown four times in five; –: too few items.",
    ]
    return "\n".join(lines)
