"""A run as a line of the list: what is cut, counted, filtered and sorted."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import pytest
from homescreen import made_up
from rich.cells import cell_len

from llprobe.tui import runlist
from llprobe.tui.runcolumns import cells_of, columns_of
from llprobe.tui.runfilter import KEYS, filtered
from llprobe.tui.runlist import Best, ordered
from llprobe.tui.screens.home import HomeScreen


def _cells(row: dict[str, Any], best: Best | None = None, width: int = 80) -> list[str]:
    cells = cells_of(row, best, columns_of([row], width), chosen=True)
    return [str(cell) for cell in cells]


_RISING = Best("facts", 3, 0.5, 0.3, tuple(n / 30 for n in range(30)))


def test_long_names_are_cut_and_many_are_counted() -> None:
    row = made_up(name="n" * 40, models=["a" * 30, "b"], tasks=["漢" * 30], done=1200, items=34000)
    mark, status, name, models, tasks, scored, best = _cells(row, _RISING)
    assert (mark, status, name, scored) == ("◆", "✓ done", "n" * 40, "1,200/34,000")
    columns = columns_of([row], 80)
    widths = (columns.status, columns.name, columns.models, columns.tasks, columns.scored)
    assert sum(widths) + columns.best + 6 + 4 == 80
    assert models.endswith("a… +1")
    assert tasks.endswith("漢…")
    assert cell_len(models) == columns.models
    assert cell_len(tasks) <= columns.tasks
    assert best.split()[:2] == ["50%", "L3"]
    assert len(best.split()[2]) == 10
    assert _cells(made_up())[6] == "–"
    assert _cells(made_up())[2] == "01234567"


@pytest.mark.parametrize("width", [80, 100, 200])
def test_every_column_has_room(width: int) -> None:
    row = made_up(
        name="a sweep with a long name", models=["smollm2-135m", "smollm2-135m:Q2_K"],
        tasks=["calculation", "facts"], tags=["baseline", "four-shots"], status="interrupted",
        done=1200, items=34000,
    )  # fmt: skip
    columns = columns_of([row], width)
    assert min(columns.name, columns.tags, columns.models, columns.tasks) >= 6
    assert columns.best >= 12
    whole = sum(getattr(columns, each.name) for each in fields(columns))
    assert whole + 7 + 4 == width
    assert columns_of([row | {"tags": []}], width).tags == 0
    cells = _cells(row, _RISING, width)
    assert cells[3].startswith("bas" if width < 200 else "baseline, four-shots")


def test_failed_cells_of_a_run_that_goes_on_are_counted() -> None:
    assert _cells(made_up(status="running", cells_failed=2))[1] == "▶ running 2✗"
    assert _cells(made_up(status="failed", cells_failed=2))[1] == "✗ failed"
    assert _cells(made_up(status="planned"))[1] == "· planned"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("", "abc"),
        ("alpha", "a"),
        ("PAPER run", "a"),
        ("norm calc", "bc"),
        ("none of these", ""),
        ("tag:b", "ab"),
        ("tag:base", "a"),
        ("tag:ase", ""),
        ("tag:", "ab"),
        ("tag:phase:1", "b"),
        ("tag:b tag:phase", "b"),
        ("status:d", "ab"),
        ("status:one", ""),
        ("model:tiny", "bc"),
        ("model:tiny task:calc status:fail", "c"),
        ("name:ALPHA", "a"),
        ("lens:paper", "a"),
        ("note:shots", "c"),
        ("shots", ""),
        ("baseline", "a"),
        ("foo:x", ""),
        ("q2:x", "c"),
    ],
)
def test_words_of_a_filter_are_joined_by_and(text: str, kept: str) -> None:
    rows = [
        made_up(run="a", name="Alpha run", lenses=["paper"], tags=["baseline"], tasks=["facts"]),
        made_up(run="b", name="two", models=["tiny"], tags=["best", "phase:1"], tasks=["calc"]),
        made_up(
            run="c", name="q2:x", models=["Tiny2"], status="failed", tasks=["calc"], note="4 Shots"
        ),
    ]
    assert "".join(row["run"] for row in filtered(rows, text)) == kept


def test_the_help_says_every_key_of_the_filter() -> None:
    assert all(f"`{key}:x`" in HomeScreen.HELP for key in KEYS)


def test_filters_and_orders_do_without_findings() -> None:
    rows = [made_up(run="b", name="Two", lenses=["paper"]), made_up(run="a", status="odd")]
    assert [row["run"] for row in filtered(rows, " PAPER two ")] == ["b"]
    assert filtered(rows, "none of these") == []
    by_order: dict[str, Sequence[str]] = {
        order: [row["run"] for row in ordered(rows, order, {})] for order in runlist.ORDERS
    }
    assert by_order["by name"] == ["b", "a"]
    assert by_order["by status"] == ["b", "a"]
    assert by_order["best finding first"] == ["b", "a"]


def test_the_task_of_the_best_finding_has_room_before_the_curve_grows() -> None:
    row = made_up(name="sizes", models=["smollm2-135m"], tasks=["calculation", "facts"])
    best = replace(_RISING, task="calculation")
    for width in (90, 100, 140):
        assert _cells(row, best, width)[-1].endswith(" calculation")
        assert cell_len(_cells(row, best, width)[-1]) <= columns_of([row], width).best


def test_tags_have_the_room_that_others_do_not_need() -> None:
    row = made_up(name="a", tags=["baseline", "old"])
    assert _cells(row, _RISING, 100)[3] == "baseline, old"


def test_names_that_are_only_counted_leave_their_room_to_the_best_finding() -> None:
    tasks = ["calculation", "mps_cal", "mps_rea", "facts", "logic", "truth"]
    row = made_up(name="example", models=["smollm2-135m", "smollm2-135m:Q2_K"], tasks=tasks)
    cells = _cells(row, _RISING, 100)
    assert cells[3:5] == ["smollm2-135m +1", "calculation +5"]
    assert cells[-1].endswith(f" {_RISING.task}")
