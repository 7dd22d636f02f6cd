"""What is said so that it can be read at once: paths, commands, curves that fit, ends of jobs."""

import time
from pathlib import Path

import numpy as np
import pytest
from lensscreen import opened
from settled import settle
from textual.color import Color

from llprobe.plots import terminal
from llprobe.plots.shapes import Curves, CurvesPanel, Line
from llprobe.report import sparkline
from llprobe.store import Store
from llprobe.tui.app import LlprobeApp
from llprobe.tui.gridview import BARS, Cells, GridView
from llprobe.tui.itemtable import ItemTable
from llprobe.tui.joblines import JobLines
from llprobe.tui.jobs import Job, jobs_of, start
from llprobe.tui.screens.run.groups import group_rows
from llprobe.tui.screens.run.settings import repeated
from llprobe.tui.tilde import short


def test_paths_below_the_home_folder_begin_with_a_tilde(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    assert short("x is here: /home/ann/.cache/x.gguf") == "x is here: ~/.cache/x.gguf"
    assert short("--db '/home/ann/a b.db' /home/ann") == "--db '~/a b.db' ~"
    for other in ("/home/anna/x", "/mnt/home/ann/x", "no path"):
        assert short(other) == other


def test_a_command_names_no_database_that_it_finds_by_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LLPROBE_DB", "/data/llprobe.db")
    run = "llprobe sweep run 'my sweep.yaml'"
    assert repeated(f"{run} --db /data/llprobe.db --yes") == f"{run} --yes"
    for kept in (run, f"{run} --db /data/other.db", "llprobe run 'unclosed"):
        assert repeated(kept) == kept


@pytest.mark.asyncio
async def test_curves_of_groups_show_the_last_layer_at_any_width(database: Path) -> None:
    app = LlprobeApp(database)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        app.open_run("large")
        await settle(pilot)
        app.screen.query_one("#tabs").active = "groups"  # type: ignore[attr-defined]
        await settle(pilot)
        table = app.screen.query_one("#grouprows", ItemTable)
        with Store(database) as store:
            rows = group_rows(store, store.find_run("large"), "group")
        drawn = [table.render_line(y).text for y in range(1, 1 + len(rows))]
    for line, row in zip(drawn, rows, strict=True):
        assert line.rstrip().endswith(sparkline(row.curve)[-1])
        assert "…" not in line[-16:]


@pytest.mark.asyncio
async def test_how_a_job_ended_is_said_for_a_while(no_database: Path) -> None:
    app = LlprobeApp(no_database)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        app.open_models()
        await settle(pilot)
        start(app, Job("pulling x", "x", lambda _: ["x is here"]))
        await settle(pilot)
        lines = app.screen.query_one(JobLines)
        lines.look()
        assert "x is here" in str(lines.render())
        (job,) = jobs_of(app)
        job.ended = time.monotonic() - 3600
        lines.look()
        assert not lines.display


@pytest.mark.asyncio
async def test_a_bar_is_lighter_than_what_is_behind_it_and_what_is_beside_is_marked(
    no_database: Path,
) -> None:
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        grid = screen.query_one(GridView)
        names = tuple(map(str, range(40)))
        grid.show(Cells(("1", "2"), names, lambda _row, column: ("x", column / 40)), 0, 0)
        await settle(pilot)
        assert (grid.render_line(0).text[0], grid.render_line(0).text.rstrip()[-1]) == (" ", ">")
        grid.go(0, 20)
        await settle(pilot)
        assert (grid.render_line(0).text[0], grid.render_line(0).text.rstrip()[-1]) == ("<", ">")
        bars = [part for part in grid.render_line(2) if part.text in BARS]
        seen = [part.style for part in bars if part.style and part.style.color]
        assert len(seen) == len(bars) > 3
        for style in seen:
            assert style.color
            assert style.bgcolor
            front, back = Color.from_rich_color(style.color), Color.from_rich_color(style.bgcolor)
            assert front.brightness > back.brightness
        grid.go(0, 39)
        await settle(pilot)
        assert ">" not in grid.render_line(0).text


def test_intervals_of_several_lines_stand_at_their_letters() -> None:
    x = np.arange(1.0, 21.0)
    low, middle, high = (np.full(20, share) for share in (0.3, 0.5, 0.7))
    both = (Line("one", x, middle, low, high), Line("two", x, middle / 2, low / 2, high / 2))
    without = tuple(Line(line.name, line.x, line.y) for line in both)

    def drawn(lines: tuple[Line, ...]) -> list[str]:
        figure = Curves("", "", (), "layer", "MC1", (CurvesPanel("", lines, ()),))
        return [line.plain for line in terminal(figure, 60, 12)]

    assert not any("┃" in line for line in drawn(without))
    rows = drawn(both)
    assert rows[-1] == "  ┃ at a letter: the interval there"
    columns = {n for row in rows[:-1] for n, char in enumerate(row) if char == "┃"}
    letters = {n for row in rows[:-5] for n, char in enumerate(row) if char in "ab" and n > 5}
    assert columns == letters != set()
    least = min(sum(row[n : n + 1] == "┃" for row in rows[:-1]) for n in columns)
    assert least >= 2
