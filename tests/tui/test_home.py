"""The list of runs: what it says, and what can be done from it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from shutil import copy
from typing import Any

import pytest
import yaml
from homescreen import Opening, ids, made_up, names, row_of, said
from madeup import fill
from settled import press, settle
from textual.widgets import Footer
from textual.widgets._footer import FooterKey

from llprobe.plan import Plan
from llprobe.store import Store
from llprobe.sweep import parse_sweep
from llprobe.tui import runlist
from llprobe.tui.itemtable import ItemTable
from llprobe.tui.runcolumns import cells_of
from llprobe.tui.screens import home
from llprobe.tui.screens.home import FIRST_SWEEP, HomeScreen
from llprobe.tui.watch import state_of
from llprobe.tui.widgets import Chart, Confirm, Trouble


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
        assert app.focused is app.screen.query_one(ItemTable)


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
        assert not app.screen.query_one(ItemTable).display
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
        assert app.focused is app.screen.query_one(ItemTable)


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


@pytest.mark.asyncio
async def test_the_footer_has_room_at_80(app: Opening) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        footer = app.screen.query_one(Footer)
        assert footer.max_scroll_x == 0
        assert len(footer.query(FooterKey)) >= 8
        await press(pilot, "d")  # below a dialog there is a way back too
        assert footer.max_scroll_x == 0


@pytest.mark.asyncio
async def test_of_many_runs_only_those_on_the_screen_are_drawn(
    app: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [made_up(run=f"{n:016x}", name=f"run-{n}", updated=str(n)) for n in range(2000)]
    asked: list[str] = []

    def count(row: dict[str, Any], *rest: Any, **more: Any) -> Any:
        asked.append(row["name"])
        return cells_of(row, *rest, **more)

    monkeypatch.setattr(runlist, "read_rows", lambda _: rows)
    monkeypatch.setattr(runlist, "more_best", lambda _, wanted: {r["run"]: None for r in wanted})
    monkeypatch.setattr(home, "cells_of", count)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert app.screen.query_one(ItemTable).n_rows == 2000
        await press(pilot, "G", "s", "slash", *"run-19")
        assert said(app, "#summary").startswith("111 of 2000 runs · by name")
        assert names(app)[0] == "run-19"
        rounds = 40 * 24  # every key may draw the screen a few times
        assert len(set(asked)) < 200
        assert len(asked) < rounds
