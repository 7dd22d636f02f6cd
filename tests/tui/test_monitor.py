"""Watching a sweep and steering its process: what is said, asked, and seen to grow."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from madeup import fill
from monitoring import again, opened, said
from rich.text import Text
from settled import settle

from llprobe.events import GroupScored
from llprobe.plan import Plan
from llprobe.report.pace import Whole
from llprobe.store import Store
from llprobe.tui import process
from llprobe.tui.app import LlprobeApp
from llprobe.tui.screens.monitor import page
from llprobe.tui.screens.monitor.curve import curve_of
from llprobe.tui.screens.monitor.look import items_a_second, look
from llprobe.tui.screens.monitor.words import advice, bar, cell_table, headline, log_line
from llprobe.tui.screens.newsweep import NewSweepScreen
from llprobe.tui.screens.newsweep import page as newsweep
from llprobe.tui.screens.newsweep.choices import Choices
from llprobe.tui.widgets import Chart, Confirm, Rows, Trouble


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """See no model of this machine, and use one thread."""
    monkeypatch.setenv("LLPROBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LLPROBE_THREADS", "1")
    monkeypatch.setattr(NewSweepScreen, "WAIT", 0.0)
    monkeypatch.setattr(newsweep, "choices", lambda: Choices((), (), 1))


def test_a_paused_run_is_described(database: Path, unfinished: Plan) -> None:
    found = look(database, "half")
    assert headline(found, None) == "half, paused: 1 of 2 cells done; 24 of 44 items scored"
    assert advice(found) == "it is paused; what is scored is stored, and r goes on with the rest"
    headings, rows = cell_table(found, {}, 80)
    assert headings == ("cell", "status", "progress", "items", "best")
    first, second = (rows[cell.id] for cell in unfinished.cells)
    assert first[:4] == ("calculation", "✓ done", "████████", "24/24")
    assert second == ("facts", "! interrupted", "░░░░░░░░", "0/20", "")
    assert look(database, unfinished.id[:8]).name == "half"


def test_the_machine_of_a_cell_is_said_where_there_is_room(
    database: Path, unfinished: Plan
) -> None:
    found = look(database, "half")
    rows = tuple(dict(row, machine="anna (w1)") for row in found.rows)
    headings, lines = cell_table(replace(found, rows=rows), {}, 120)
    assert headings[-1] == "machine"
    assert lines[unfinished.cells[0].id][-1] == "anna (w1)"
    assert "machine" not in cell_table(replace(found, rows=rows), {}, 50)[0]
    assert "machine" not in cell_table(found, {}, 120)[0]


def test_a_killed_runner_is_said(
    database: Path, unfinished: Plan, working: Callable[[str], None]
) -> None:
    with Store(database) as store:
        store.end(unfinished.id, "running")
    told = advice(look(database, "half"))
    assert told.startswith("! the process that ran it is gone")
    assert "r goes on" in told
    working(unfinished.id)
    found = look(database, "half")
    assert (advice(found), found.workers) == ("", (f"process {os.getpid()}",))


def test_a_killed_worker_is_said(database: Path, unfinished: Plan) -> None:
    with Store(database) as store:
        store.fail_cells([unfinished.cells[1].id], "half: the worker died of SIGKILL: killed")
        store.end(unfinished.id, "failed")
    assert advice(look(database, "half")).splitlines() == [
        "✗ half: the worker died of SIGKILL: killed",
        "t tries what failed again",
    ]


def test_what_never_began_is_said(database: Path, no_database: Path) -> None:
    log = process.log_of(database, "fresh")
    log.parent.mkdir()
    log.write_text("error: fresh.gguf does not exist\n")
    found = look(database, "fresh")
    assert advice(found) == "✗ it could not be started: fresh.gguf does not exist"
    assert headline(found, None) == "fresh: nothing is stored of it"
    assert "no run named 'other'" in advice(look(database, "other"))
    no_database.unlink(missing_ok=True)
    assert "no database at" in advice(look(no_database, "other"))


def test_a_pace_is_told_of_what_is_at_work(database: Path, unfinished: Plan) -> None:
    found = look(database, "half")
    pace = Whole(0, 20)
    pace.done, pace._started = 5, pace._started - 10
    _, rows = cell_table(found, {unfinished.cells[1].id: pace}, 120)
    assert rows[unfinished.cells[1].id][4:6] == ("30 items/min", "30 s")
    busy = replace(found, workers=("process 1",))
    assert headline(busy, pace).endswith("; 30 items/min, about 30 s left")
    with Store(database) as store:
        cell = store.cells(unfinished.id)[0]
    spent = replace(cell, n_done=20, phases={"tokens": 9.0, "prefill": 3.0, "projection": 2.0})
    assert items_a_second(spent) == 4.0
    assert items_a_second(replace(cell, phases={"tokens": 100.0})) is None
    slow = replace(found, rates={cell.id: 0.1})
    assert cell_table(slow, {}, 120)[1][cell.id][4] == "6.0 items/min"


def test_a_line_of_the_log_has_no_numbers_for_machines() -> None:
    line = "2026-11-23T04:58:21+00:00 done x: prefill 1.5, peak_memory 3.639e+08"
    assert log_line(line) == "04:58:21 done x: prefill 1.5, peak memory 363.9 MB"


def test_lines_fit_where_they_stand(database: Path) -> None:
    assert bar(0, 3) == "░░░░░░░░"
    assert bar(2, 3) == "█████░░░"
    assert bar(0, 0) == bar(7, 7) == "████████"
    assert log_line("2026-11-23T02:12:07+00:00 run a: 1 cells") == "02:12:07 run a: 1 cells"
    assert log_line("error: T is no time") == "error: T is no time"
    for width in (40, 80, 200):
        headings, rows = cell_table(look(database, "large"), {}, width)
        lines = [headings, *rows.values()]
        widths = [max(map(len, column)) + 2 for column in zip(*lines, strict=True)]
        assert width == 40 or sum(widths) <= width


class Kept:
    """Takes groups in a store's place."""

    def __init__(self) -> None:
        self.groups: list[GroupScored] = []

    def add_group(self, group: GroupScored) -> None:
        self.groups.append(group)


def halves(plan: Plan) -> list[GroupScored]:
    """Make up scores of the second cell in two groups; every other item is right."""
    kept, cell, turns = Kept(), plan.cells[1], cycle((True, False))
    only = replace(plan, cells=(cell,))
    fill(cast("Store", kept), only, lambda cell, _: np.full(len(cell.layers), next(turns)))
    items = kept.groups[0].items
    return [GroupScored(cell.id, n, items[10 * n : 10 * n + 10], 10) for n in (0, 1)]


@pytest.mark.asyncio
async def test_the_curve_of_the_cell_at_work_grows(database: Path, unfinished: Plan) -> None:
    app = LlprobeApp(database)
    cell, widths = unfinished.cells[1].id, []
    with Store(database) as store, store.working(unfinished.id) as owner:
        store.claim(owner, [cell])
        async with app.run_test(size=(100, 30)) as pilot:
            screen = await opened(pilot, "half")
            for n, group in enumerate(halves(unfinished), start=1):
                store.add_group(group)
                found = await again(pilot, screen)
                assert found.counts["items_done"] == 24 + 10 * n
                drawn = screen.query_one("#curve", Chart).content
                assert isinstance(drawn, Text)
                assert f"facts, lens norm: MC1 of {10 * n} of 20 items" in drawn.plain
                assert found.running == screen.query_one(Rows).current == cell
                assert found.cell is not None
                assert found.sums is not None
                (line,) = curve_of(found.cell, found.sums).panels[0].lines
                assert line.y.tolist() == [0.5] * 6
                assert line.low is not None
                assert line.high is not None
                widths.append(float((line.high - line.low).mean()))
            assert "items/min" in said(screen, "#state")
    assert widths[1] < widths[0]


@pytest.mark.asyncio
async def test_keys_ask_the_process_at_work(
    database: Path, unfinished: Plan, working: Callable[[str], None]
) -> None:
    working(unfinished.id)
    app = LlprobeApp(database)
    with Store(database) as store, store.working(unfinished.id) as owner:
        async with app.run_test(size=(80, 24)) as pilot:
            screen = await opened(pilot, "half")
            await pilot.press("p")
            await settle(pilot)
            assert store.pulse(owner, unfinished.id) == "pause"
            await pilot.press("c")
            await settle(pilot)
            assert isinstance(app.screen, Confirm)
            await pilot.press("n", "c", "y")
            await settle(pilot)
            assert store.pulse(owner, unfinished.id) == "cancel"
            await pilot.press("r")
            assert "half is running already" in screen.query_one(Trouble).said


@pytest.mark.asyncio
async def test_keys_start_a_process_where_there_is_none(
    database: Path, unfinished: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[str, str]] = []
    monkeypatch.setattr(page, "carry_on", lambda _, name, how: started.append((name, how)) or 7)
    app = LlprobeApp(database)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, "half")
        trouble = screen.query_one(Trouble)
        for key, text in (("p", "nothing to pause"), ("c", "nothing to cancel"),
                          ("t", "nothing of half has failed")):  # fmt: skip
            await pilot.press(key)
            await settle(pilot)
            assert text in trouble.said
        await pilot.press("r")
        await settle(pilot)
        with Store(database) as store:
            store.fail_cells([unfinished.cells[1].id], "it died")
        await again(pilot, screen)
        await pilot.press("t")
        await settle(pilot)
        opened_runs: list[str] = []
        monkeypatch.setattr(app, "open_run", opened_runs.append)
        await pilot.press("enter")
    assert started == [("half", "resume"), ("half", "retry")]
    assert opened_runs == [unfinished.id]


@pytest.mark.asyncio
async def test_the_cursor_chooses_the_curve(database: Path) -> None:
    app = LlprobeApp(database)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, "large")
        assert screen.query_one(Rows).has_focus
        await pilot.press("j")
        await settle(pilot)
        assert screen.found is not None
        assert screen.found.cell is not None
        assert screen.found.cell.task == "facts"
        await pilot.press("k")
        await settle(pilot)
        assert screen.found.cell.task == "calculation"


@pytest.mark.asyncio
async def test_a_run_that_is_deleted_meanwhile_is_said(database: Path) -> None:
    app = LlprobeApp(database)
    async with app.run_test(size=(40, 10)) as pilot:
        screen = await opened(pilot, "small")
        with Store(database) as store:
            store.remove(store.find_run("small"))
        await again(pilot, screen)
        assert "no run named 'small'" in said(screen, "#advice")
        await pilot.press("r", "enter")
        assert "nothing is stored of small" in screen.query_one(Trouble).said
        await asyncio.to_thread(database.unlink)
        await again(pilot, screen)
        assert "no database at" in said(screen, "#advice")
