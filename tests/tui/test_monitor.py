"""Watching a sweep and steering its process: what is said, asked, found again, and survives."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from clihelp import scores_of, tiny_model, write_questions
from madeup import fill
from rich.text import Text
from textual.pilot import Pilot
from textual.widgets import Static
from textual.worker import WorkerCancelled

from llprobe.cli.progress import Whole
from llprobe.errors import RunError, UsageError
from llprobe.events import GroupScored
from llprobe.plan import Plan
from llprobe.store import Store
from llprobe.sweep import parse_sweep
from llprobe.tui import process
from llprobe.tui.app import LlprobeApp
from llprobe.tui.screens.monitor import MonitorScreen, page
from llprobe.tui.screens.monitor.curve import curve_of
from llprobe.tui.screens.monitor.look import Look, look, tokens_a_second
from llprobe.tui.screens.monitor.words import advice, bar, cell_table, headline, log_line
from llprobe.tui.screens.newsweep import NewSweepScreen
from llprobe.tui.screens.newsweep import page as newsweep
from llprobe.tui.screens.newsweep.choices import Choices
from llprobe.tui.themes import MONO
from llprobe.tui.widgets import Chart, Confirm, Rows, Trouble

SECONDS = 60
N_ITEMS = 600
"""So many that a sweep of them can be stopped in the middle."""


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """See no model of this machine, and use one thread."""
    monkeypatch.setenv("LLPROBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LLPROBE_THREADS", "1")
    monkeypatch.setattr(NewSweepScreen, "WAIT", 0.0)
    monkeypatch.setattr(newsweep, "choices", lambda: Choices((), (), 1))


async def settled(pilot: Pilot[Any]) -> None:
    """Wait until nothing is read any more."""
    for _ in range(3):
        with suppress(WorkerCancelled):
            await pilot.app.workers.wait_for_complete()
        await pilot.pause()


async def opened(pilot: Pilot[Any], name: str) -> MonitorScreen:
    screen = MonitorScreen(name)
    await pilot.app.push_screen(screen)
    await settled(pilot)
    return screen


async def again(pilot: Pilot[Any], screen: MonitorScreen) -> Look:
    """Look once more."""
    screen.refresh_data()
    await settled(pilot)
    assert screen.found is not None
    return screen.found


def said(screen: MonitorScreen, of: str) -> str:
    return str(screen.query_one(of, Static).content)


# --- what is said --------------------------------------------------------------------------------


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
    assert rows[unfinished.cells[1].id][4:6] == ("0.5 items/s", "30 s")
    busy = replace(found, workers=("process 1",))
    assert headline(busy, pace).endswith("; 30.0 items/min, about 30 s left")
    assert tokens_a_second({"tokens": 100.0, "prefill": 3.0, "projection": 2.0}) == 20.0
    assert tokens_a_second({"tokens": 100.0}) is None


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


# --- the screen ----------------------------------------------------------------------------------


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
            assert "items/s" in said(screen, "#state") or "items/min" in said(screen, "#state")
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
            await settled(pilot)
            assert store.pulse(owner, unfinished.id) == "pause"
            await pilot.press("c")
            await settled(pilot)
            assert isinstance(app.screen, Confirm)
            await pilot.press("n", "c", "y")
            await settled(pilot)
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
            await settled(pilot)
            assert text in trouble.said
        await pilot.press("r")
        await settled(pilot)
        with Store(database) as store:
            store.fail_cells([unfinished.cells[1].id], "it died")
        await again(pilot, screen)
        await pilot.press("t")
        await settled(pilot)
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
        await settled(pilot)
        assert screen.found is not None
        assert screen.found.cell is not None
        assert screen.found.cell.task == "facts"
        await pilot.press("k")
        await settled(pilot)
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


# --- a real process ------------------------------------------------------------------------------


@pytest.fixture
def long_sweep(tmp_path: Path) -> str:
    """Give a sweep of a tiny model that takes some seconds, in many groups."""
    model = tiny_model(tmp_path, n_layers=32)
    questions = write_questions(tmp_path / "q.jsonl", N_ITEMS, words=9)
    return (
        f"name: tiny\nmodels: [{model}]\ntasks: [prompts]\ndata: {questions}\n"
        "engine: {threads: 1, batch: 16}\n"
    )


@pytest.fixture
def no_orphan() -> Iterator[None]:
    """Let no process outlive its test."""
    yield
    for pid, child in process._children.items():
        if child.poll() is None:
            os.killpg(pid, signal.SIGKILL)
            child.wait(SECONDS)


async def ended(pid: int) -> int:
    return await asyncio.to_thread(process._children[pid].wait, SECONDS)


async def scored(database: Path, n: int, pid: int) -> None:
    """Wait until `n` items are stored."""

    def wait() -> None:
        child = process._children[pid]
        while child.poll() is None:
            if look(database, "tiny").counts.get("items_done", 0) >= n:
                return
            with suppress(Exception):
                child.wait(0.02)
        raise AssertionError(process.log_of(database, "tiny").read_text())

    await asyncio.to_thread(wait)


@pytest.mark.asyncio
@pytest.mark.usefixtures("no_orphan")
async def test_a_sweep_outlives_the_interface(no_database: Path, long_sweep: str) -> None:
    app = LlprobeApp(no_database)
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(NewSweepScreen(long_sweep))
        await settled(pilot)
        await pilot.press("ctrl+r")
        await settled(pilot)
        monitor = app.screen
        assert isinstance(monitor, MonitorScreen)
        found = await again(pilot, monitor)
        assert found.pid is not None
    pid = found.pid
    with pytest.raises(UsageError, match="running already"):
        process.start(no_database, parse_sweep(long_sweep, "x"))
    app = LlprobeApp(no_database)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, "tiny")
        await scored(no_database, 1, pid)
        found = await again(pilot, screen)
        assert found.pid == pid
        assert found.workers == (f"process {pid}",)
        await pilot.press("p")
        assert await ended(pid) == 130
        found = await again(pilot, screen)
        assert found.run is not None
        assert (found.run.status, found.works) == ("paused", False)
        assert 0 < found.counts["items_done"] < N_ITEMS
        assert any("asked to pause" in line for line in found.log)
        await pilot.press("r")
        await settled(pilot)
        second = (await again(pilot, screen)).pid
        assert second is not None
        assert await ended(second) == 0
        found = await again(pilot, screen)
        assert advice(found) == "all of it is done; Enter opens it"
    assert len(scores_of(no_database)) == N_ITEMS


@pytest.mark.asyncio
@pytest.mark.usefixtures("no_orphan")
async def test_a_killed_sweep_is_said_and_goes_on(no_database: Path, long_sweep: str) -> None:
    pid = process.start(no_database, parse_sweep(long_sweep, "x"))
    await scored(no_database, 1, pid)
    os.killpg(pid, signal.SIGKILL)
    await ended(pid)
    app = LlprobeApp(no_database)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, "tiny")
        assert "the process that ran it is gone" in said(screen, "#advice")
        await pilot.press("r")
        await settled(pilot)
        found = await again(pilot, screen)
        assert found.pid is not None
        assert await ended(found.pid) == 0
        assert (await again(pilot, screen)).counts["items_done"] == N_ITEMS


@pytest.mark.usefixtures("no_orphan")
def test_a_process_that_prepares_is_cancelled(no_database: Path, long_sweep: str) -> None:
    spec = parse_sweep(long_sweep, "x")
    pid = process.start(no_database, spec)
    assert process.alive(no_database, "tiny") == pid
    with pytest.raises(UsageError, match="does not score yet"):
        process.stop(no_database, "tiny", "pause")
    assert "cancelled" in process.stop(no_database, "tiny", "cancel")
    assert process._children[pid].wait(SECONDS) != 0
    assert process.alive(no_database, "tiny") is None


def test_what_cannot_be_written_is_said(tmp_path: Path, long_sweep: str) -> None:
    (tmp_path / "sweeps").write_text("in the way")
    with pytest.raises(RunError, match=r"cannot write .*sweeps"):
        process.start(tmp_path / "llprobe.db", parse_sweep(long_sweep, "x"))


# --- pictures ------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(80, 24), (140, 40)], ids=["small", "large"])
@pytest.mark.parametrize("name", ["half", "nothing"])
@pytest.mark.usefixtures("unfinished")
def test_pictures(
    snap_compare: Callable[..., bool], database: Path, size: tuple[int, int], name: str
) -> None:
    app = LlprobeApp(database)
    assert snap_compare(app, terminal_size=size, run_before=_showing(name))


@pytest.mark.usefixtures("unfinished")
def test_picture_without_colours(snap_compare: Callable[..., bool], database: Path) -> None:
    app = LlprobeApp(database, theme=MONO.name)
    assert snap_compare(app, terminal_size=(80, 24), run_before=_showing("half"))


def _showing(name: str) -> Callable[[Pilot[Any]], Any]:
    async def before(pilot: Pilot[Any]) -> None:
        screen = await opened(pilot, name)
        chart, room = screen.query_one("#curve", Chart), ()
        # the table takes its room first, then the curve is drawn anew
        while room != (room := (chart.content_size, str(chart.content))):
            await settled(pilot)

    return before
