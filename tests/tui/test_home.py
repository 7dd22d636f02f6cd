"""The list of runs: what it says, and what can be done from it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from shutil import copy
from typing import Any

import pytest
import yaml
from madeup import fill
from textual.pilot import Pilot
from textual.widgets import Static

from llprobe.plan import Plan
from llprobe.store import Store
from llprobe.sweep import parse_sweep
from llprobe.tui import runlist
from llprobe.tui.app import LlprobeApp
from llprobe.tui.runlist import Best, cells_of, filtered, ordered
from llprobe.tui.screens.home import FIRST_SWEEP, HomeScreen
from llprobe.tui.watch import state_of
from llprobe.tui.widgets import Chart, Confirm, Rows, Trouble

Snap = Callable[..., bool]

SIZES = [(80, 24), (140, 40)]
LOOKS = [(size, theme) for size in SIZES for theme in ("dark", "light", "mono")]


class Opening(LlprobeApp):
    """Notes what is opened in place of opening it."""

    def __init__(self, db: Path, **more: Any) -> None:
        super().__init__(db, **more)
        self.opened: list[tuple[Any, ...]] = []

    def _open(self, name: str, *of: Any) -> None:
        self.opened.append((name, *of))


async def settle(pilot: Pilot[None]) -> None:
    for _ in range(3):  # runs, then what is best in them, then what is under the cursor
        await pilot.pause()
        await pilot.app.workers.wait_for_complete()
    await pilot.pause()


def names(app: LlprobeApp) -> list[str]:
    table = app.screen_stack[0].query_one(Rows)
    return [str(table.get_row_at(n)[2]) for n in range(table.row_count)]


def row_of(app: LlprobeApp, name: str) -> list[str]:
    table = app.screen_stack[0].query_one(Rows)
    return [str(cell) for cell in table.get_row_at(names(app).index(name))]


def said(app: LlprobeApp, selector: str) -> str:
    return str(app.screen_stack[0].query_one(selector, Static).visual)


def ids(database: Path) -> dict[str, str]:
    with Store(database, create=False) as store:
        return {run.name: run.id for run in store.runs()}


@pytest.fixture
def app(database: Path) -> Opening:
    return Opening(database)


@pytest.mark.asyncio
async def test_runs_are_listed_with_their_best_finding(app: Opening) -> None:
    async with app.run_test(size=(140, 40)) as pilot:
        await settle(pilot)
        assert names(app) == ["large", "small"]
        mark, status, _, models, tasks, scored, best = row_of(app, "large")
        assert (mark, status, models, tasks, scored) == (
            " ", "✓ done", "large", "calculation, facts", "44",
        )  # fmt: skip
        with Store(app.db, create=False) as store:
            found = runlist.best_of(store, ids(app.db)["large"])
        assert found is not None
        assert best.split()[:2] == [f"{found.value:.0%}", f"L{found.layer}"]
        assert best.endswith(found.task)
        assert app.focused is app.screen.query_one(Rows)


@pytest.mark.asyncio
async def test_what_another_process_writes_is_seen(
    app: Opening, database: Path, unfinished: Plan, working: Callable[[str], None]
) -> None:
    async with app.run_test() as pilot:
        await settle(pilot)
        assert row_of(app, "half")[1:6:4] == ["‖ paused", "24/44"]
        working(unfinished.id)
        with Store(database) as store:
            rest = replace(unfinished, cells=unfinished.cells[1:])
            fill(store, rest, lambda cell, _: [True] * len(cell.layers))  # type: ignore[arg-type, return-value]
        app.on_database_changed(None)  # type: ignore[arg-type]
        await settle(pilot)
        assert row_of(app, "half")[1:6:4] == ["▶ running", "44"]
        assert row_of(app, "half")[6].startswith("100% L1 ")


@pytest.mark.asyncio
async def test_a_filter_keeps_what_has_every_word(app: Opening) -> None:
    async with app.run_test() as pilot:
        await settle(pilot)
        await pilot.press("slash", *"facts sma")
        await settle(pilot)
        assert names(app) == ["small"]
        assert said(app, "#summary") == "1 of 2 runs · newest first · filter: facts sma"
        await pilot.press("escape")
        await settle(pilot)
        assert names(app) == ["large", "small"]


@pytest.mark.asyncio
async def test_s_sorts_by_the_next_thing(app: Opening, unfinished: Plan) -> None:
    assert unfinished.name == "half"
    async with app.run_test() as pilot:
        await settle(pilot)
        seen = {}
        for _ in runlist.ORDERS:
            seen[said(app, "#summary").split(" · ")[1]] = names(app)
            await pilot.press("s")
        assert seen == {
            "newest first": ["half", "large", "small"],
            "by name": ["half", "large", "small"],
            "by status": ["large", "small", "half"],
            "least scored first": ["half", "large", "small"],
            "best finding first": ["large", *seen["best finding first"][1:]],
        }
        assert said(app, "#summary") == "3 runs · newest first"


@pytest.mark.asyncio
async def test_keys_open_the_run_under_the_cursor(app: Opening) -> None:
    async with app.run_test() as pilot:
        await settle(pilot)
        await pilot.press("j", "enter", "m", "n", "2", "6")
        await settle(pilot)
        small = ids(app.db)["small"]
        assert app.opened == [
            ("RunScreen", small),
            ("MonitorScreen", small),
            ("NewSweepScreen", ""),
            ("NewSweepScreen", ""),
            ("CompareScreen", ()),
        ]


@pytest.mark.asyncio
async def test_chosen_runs_are_compared_in_the_order_of_the_list(app: Opening) -> None:
    async with app.run_test() as pilot:
        await settle(pilot)
        await pilot.press("c", "j", "space", "k", "space")
        assert [row_of(app, name)[0] for name in names(app)] == ["◆", "◆"]
        assert said(app, "#summary").endswith("2 chosen")
        await pilot.press("c", "space", "c")
        known = ids(app.db)
        assert app.opened == [
            ("CompareScreen", (known["large"],)),
            ("CompareScreen", (known["large"], known["small"])),
            ("CompareScreen", (known["large"],)),
        ]


@pytest.mark.asyncio
async def test_runs_are_deleted_once_that_is_confirmed(app: Opening) -> None:
    async with app.run_test() as pilot:
        await settle(pilot)
        await pilot.press("d")
        await pilot.pause()
        assert isinstance(app.screen, Confirm)
        await pilot.press("n")
        await settle(pilot)
        assert set(ids(app.db)) == {"large", "small"}
        await pilot.press("d", "y")
        await settle(pilot)
        assert names(app) == ["small"] == list(ids(app.db))
        await pilot.press("d", "y")
        await settle(pilot)
        assert "No run is stored yet" in said(app, "#empty")


@pytest.mark.asyncio
async def test_a_run_that_is_worked_on_is_not_deleted(
    app: Opening, working: Callable[[str], None]
) -> None:
    working(ids(app.db)["large"])
    async with app.run_test() as pilot:
        await settle(pilot)
        await pilot.press("d", "y")
        await settle(pilot)
        assert "cancel it first" in app.screen.query_one(Trouble).said
        assert names(app) == ["large", "small"]


@pytest.mark.asyncio
async def test_a_run_that_another_process_deleted_is_gone(app: Opening) -> None:
    async with app.run_test(size=(100, 40)) as pilot:
        await settle(pilot)
        await pilot.press("space")
        with Store(app.db) as store:
            store.remove(ids(app.db)["large"])
        app.on_database_changed(None)  # type: ignore[arg-type]
        await settle(pilot)
        assert names(app) == ["small"]
        assert said(app, "#summary") == "1 run · newest first"


@pytest.mark.asyncio
async def test_a_newcomer_needs_two_keys(no_database: Path) -> None:
    app = Opening(no_database)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert "Press n, then Enter" in said(app, "#empty")
        assert not app.screen.query_one(Rows).display
        await pilot.press("enter", "c", "d", "s", "m", "space", "n")
        assert app.opened == [("NewSweepScreen", FIRST_SWEEP)]
    assert state_of(no_database) == (None, None)


def test_the_first_sweep_is_a_sweep() -> None:
    spec = parse_sweep(FIRST_SWEEP, "the first sweep")
    assert yaml.safe_load(FIRST_SWEEP)["models"] == ["smollm2-135m"]
    assert spec.name == "first"


@pytest.mark.asyncio
async def test_the_first_run_of_another_process_appears(no_database: Path, two_runs: Path) -> None:
    app = Opening(no_database)
    async with app.run_test() as pilot:
        await settle(pilot)
        copy(two_runs, no_database)
        app.on_database_changed(None)  # type: ignore[arg-type]
        await settle(pilot)
        assert names(app) == ["large", "small"]
        await pilot.press("j")
        assert app.focused is app.screen.query_one(Rows)


@pytest.mark.asyncio
async def test_a_damaged_database_is_said_until_it_is_mended(database: Path) -> None:
    copy(database, database.with_name("good.db"))
    copy(Path(__file__), database)
    app = Opening(database)
    async with app.run_test() as pilot:
        await settle(pilot)
        assert "is not an llprobe database: name another file" in app.screen.query_one(Trouble).said
        assert "see below" in said(app, "#empty")
        await pilot.press("n")
        assert app.opened == [("NewSweepScreen", "")]
        copy(database.with_name("good.db"), database)
        app.on_database_changed(None)  # type: ignore[arg-type]
        await settle(pilot)
        assert not app.screen.query_one(Trouble).display
        assert names(app) == ["large", "small"]


@pytest.mark.asyncio
async def test_a_high_screen_shows_the_curves_of_the_run(app: Opening) -> None:
    async with app.run_test(size=(100, 40)) as pilot:
        await settle(pilot)
        lines = str(app.screen.query_one(Chart).visual).splitlines()
        assert [line.split()[0] for line in lines[1:]] == ["calculation", "facts"]
        await pilot.resize_terminal(100, 20)
        await settle(pilot)
        assert not app.screen.query_one("#preview").display


@pytest.mark.asyncio
@pytest.mark.parametrize("size", [(40, 10), (20, 4)])
async def test_the_list_lives_at_any_size(app: Opening, size: tuple[int, int]) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.resize_terminal(*size)
        await settle(pilot)
        await pilot.press("j", "space", "s", "d")
        await settle(pilot)
        assert isinstance(app.screen, Confirm)
        await pilot.resize_terminal(80, 24)
        await pilot.press("escape")
        await settle(pilot)
        assert isinstance(app.screen, HomeScreen)


def _row(**more: Any) -> dict[str, Any]:
    usual = {
        "run": "0123456789abcdef", "name": "", "status": "done", "models": ["m"], "tasks": ["t"],
        "lenses": ["norm"], "done": 3, "items": 3, "cells_failed": 0, "updated": "",
    }  # fmt: skip
    return usual | more


def test_long_names_are_cut_and_many_are_counted() -> None:
    row = _row(name="n" * 40, models=["a" * 30, "b"], tasks=["漢" * 30], done=1200, items=34000)
    best = Best("facts", 3, 0.5, 0.3, tuple(n / 30 for n in range(30)))
    cells = [str(cell) for cell in cells_of(row, best, 80, chosen=True)]
    assert cells[:6] == [
        "◆", "✓ done", "n" * 13 + "…", "a" * 8 + "… +1", "漢漢漢…", "1,200/34,000",
    ]  # fmt: skip
    assert len(cells[6].split()[2]) == 10
    assert cells_of(_row(), None, 80, chosen=False)[6].plain == "–"  # type: ignore[union-attr]
    assert str(cells_of(_row(), None, 80, chosen=False)[2]) == "01234567"


def test_failed_cells_of_a_run_that_goes_on_are_counted() -> None:
    def status(**more: Any) -> str:
        return str(cells_of(_row(**more), None, 80, chosen=False)[1])

    assert status(status="running", cells_failed=2) == "▶ running 2✗"
    assert status(status="failed", cells_failed=2) == "✗ failed"
    assert status(status="planned") == "· planned"


def test_filters_and_orders_do_without_findings() -> None:
    rows = [_row(run="b", name="Two", lenses=["paper"]), _row(run="a", status="odd")]
    assert [row["run"] for row in filtered(rows, " PAPER two ")] == ["b"]
    assert filtered(rows, "none of these") == []
    by_order: dict[str, Sequence[str]] = {
        order: [row["run"] for row in ordered(rows, order, {})] for order in runlist.ORDERS
    }
    assert by_order["by name"] == ["b", "a"]
    assert by_order["by status"] == ["b", "a"]
    assert by_order["best finding first"] == ["b", "a"]


@pytest.mark.parametrize(("size", "theme"), LOOKS)
def test_look(
    database: Path, unfinished: Plan, snap_compare: Snap, size: tuple[int, int], theme: str
) -> None:
    assert unfinished.name == "half"
    app = LlprobeApp(database, theme=theme)

    async def choose(pilot: Pilot[None]) -> None:
        await settle(pilot)
        await pilot.press("j", "space")
        await settle(pilot)

    assert snap_compare(app, terminal_size=size, run_before=choose)


@pytest.mark.parametrize("keys", [(), ("question_mark",)], ids=["empty", "help"])
@pytest.mark.parametrize("size", SIZES)
def test_look_at_first(
    no_database: Path, snap_compare: Snap, size: tuple[int, int], keys: tuple[str, ...]
) -> None:
    async def press(pilot: Pilot[None]) -> None:
        await settle(pilot)
        await pilot.press(*keys)
        await settle(pilot)

    assert snap_compare(LlprobeApp(no_database), terminal_size=size, run_before=press)


def test_look_of_trouble(database: Path, snap_compare: Snap) -> None:
    app = LlprobeApp(database)

    async def trouble(pilot: Pilot[None]) -> None:
        await settle(pilot)
        home = app.screen
        assert isinstance(home, HomeScreen)
        home.trouble("the disk that holds the database is full: make room and try again")
        await pilot.press("d")
        await settle(pilot)

    assert snap_compare(app, terminal_size=(80, 24), run_before=trouble)
