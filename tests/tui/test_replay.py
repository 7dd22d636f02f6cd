"""The replay of a cell: its keys, its time, driven by hand, its words, and a cell that is gone."""

from pathlib import Path
from typing import Any

import pytest
from settled import press, said, settle
from textual.pilot import Pilot

from llprobe.report.replay import frame_of
from llprobe.store import Store
from llprobe.tui.app import LlprobeApp
from llprobe.tui.screens.replay import SPEEDS, ReplayScreen
from llprobe.tui.screens.replaywords import figure_of, holds, words
from llprobe.tui.screens.run import RunScreen
from llprobe.tui.widgets.trouble import Trouble


async def opened(pilot: Pilot[Any], *keys: str) -> ReplayScreen:
    """Open the run `large`, press keys, and the one that replays."""
    app = pilot.app
    assert isinstance(app, LlprobeApp)
    await settle(pilot)
    app.open_run("large")
    await settle(pilot)
    await press(pilot, *keys, "p")
    assert isinstance(app.screen, ReplayScreen)
    return app.screen


@pytest.mark.asyncio
@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
async def test_keys_go_through_the_frames(database: Path, size: tuple[int, int]) -> None:
    async with LlprobeApp(database).run_test(size=size) as pilot:
        page = await opened(pilot)
        assert "the first 1 of 24 items" in said(page, "#curve")
        assert "1 of 24 items, frame 1 of 24" in said(page, "#where")
        await press(pilot, "l", "right", "l")
        assert "4 of 24 items" in said(page, "#where")
        await press(pilot, "h", "left", "left", "h")
        assert "1 of 24 items" in said(page, "#where")
        await press(pilot, "G")
        assert "24 of 24 items" in said(page, "#where")
        assert "Best so far: layer 5" in said(page, "#words")
        assert "All items are in: layer 5 has led" in said(page, "#words")
        assert "end" in said(page, "#curve")
        assert "▲" in said(page, "#curve")
        await press(pilot, "l", "g")
        assert "1 of 24 items" in said(page, "#where")
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, RunScreen)


@pytest.mark.asyncio
async def test_it_plays_from_tick_to_tick_and_stops_at_the_end(database: Path) -> None:
    async with LlprobeApp(database).run_test(size=(80, 24)) as pilot:
        page = await opened(pilot)
        await press(pilot, "minus", "minus", "minus", "space")
        assert page.playing
        assert "▶" in said(page, "#where")
        assert f"{SPEEDS[0]} a second" in said(page, "#where")
        for _ in range(30):
            page.tick()
            await settle(pilot)
        assert not page.playing
        assert "24 of 24 items" in said(page, "#where")
        await press(pilot, "plus")
        assert f"{SPEEDS[1]} a second" in said(page, "#where")
        await press(pilot, "space", "space")
        assert not page.playing
        assert page.at < 23
        assert "‖" in said(page, "#where")


@pytest.mark.asyncio
async def test_a_tick_waits_for_the_frame_before_and_other_screens_stop_time(
    database: Path,
) -> None:
    async with LlprobeApp(database).run_test(size=(80, 24)) as pilot:
        page = await opened(pilot)
        page.frames.clear()
        page.tick()
        assert page.at == 0
        page.go(0)
        await press(pilot, "space")
        await press(pilot, "question_mark")
        assert not page.playing


@pytest.mark.asyncio
async def test_the_cell_under_the_cursor_is_replayed(database: Path) -> None:
    async with LlprobeApp(database).run_test(size=(100, 30)) as pilot:
        page = await opened(pilot, "j")
        assert "facts" in said(page, "#head")
        await press(pilot, "escape", "right_square_bracket", "right_square_bracket", "g", "p")
        assert isinstance(pilot.app.screen, ReplayScreen)
        assert "calculation" in said(pilot.app.screen, "#head")


@pytest.mark.asyncio
async def test_what_is_said_of_frames_is_true(database: Path) -> None:
    async with LlprobeApp(database).run_test(size=(80, 24)) as pilot:
        page = await opened(pilot)
        replay = page.replay
        assert replay is not None
        found = [frame_of(replay, at) for at in range(len(replay.steps))]
        for frame in found[:-1]:
            told = holds(replay, frame)
            assert told.startswith("✓") == (frame.n_items >= replay.leads_from)
            leads = frame.peak.layer == replay.end.peak.layer
            assert ("will lose" in told) == (leads and frame.n_items < replay.leads_from)
            if told.startswith("✗"):
                assert replay.end.peak.layer not in frame.peak.tied
        best, _, onset = (str(line) for line in words(replay, found[9]))
        assert f"layer {found[9].peak.layer}" in best
        assert "points wide" in best
        assert "at the end" in onset
        figure = figure_of("calculation", replay, found[9])
        assert figure.panels[0].lines[0].y is found[9].mean
        assert [level.name for level in figure.panels[0].levels] == ["chance", "end"]


@pytest.mark.asyncio
async def test_a_run_that_is_removed_is_said_and_the_frames_stay(database: Path) -> None:
    async with LlprobeApp(database).run_test(size=(80, 24)) as pilot:
        page = await opened(pilot)
        with Store(database) as store:
            store.remove(store.find_run("large"))
        page.refresh_data()
        await settle(pilot)
        assert "no run named" in page.query_one(Trouble).said
        await press(pilot, "l")
        assert "2 of 24 items" in said(page, "#where")
