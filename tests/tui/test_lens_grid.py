"""The grid of a lens: what is drawn of it, its cursor, its shares and the chart of ranks."""

from pathlib import Path

import pytest
from lensscreen import made_up, opened
from settled import settle

from llprobe.tui.app import LlprobeApp
from llprobe.tui.gridview import Cells, GridView
from llprobe.tui.lensview import cells, words
from llprobe.tui.rankchart import rank_chart
from llprobe.tui.screens import lens as lens_module


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLPROBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lens_module, "look", lambda _wish, _cancel: made_up())


@pytest.mark.asyncio
async def test_a_large_grid_draws_only_what_is_seen(no_database: Path) -> None:
    drawn: list[tuple[int, int]] = []

    def cell(row: int, column: int) -> tuple[str, float]:
        drawn.append((row, column))
        return f"{row},{column}", 0.5

    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        grid = screen.query_one(GridView)
        names = tuple(map(str, range(2000)))
        grid.show(Cells(names, names, cell), 0, 0)
        grid.focus()
        await pilot.pause()
        drawn.clear()
        await pilot.press("G", "$")
        assert (grid.row, grid.column) == (1999, 1999)
        await pilot.pause()
        assert (1999, 1999) in drawn
        assert len(set(drawn)) < 1000
        await pilot.press("g", "0")
        assert (grid.row, grid.column) == (0, 0)
        await pilot.press("pagedown", "l", "l", "k")
        assert grid.column == 2
        assert grid.row > 5


@pytest.mark.asyncio
async def test_a_click_moves_the_cursor(no_database: Path) -> None:
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        grid = screen.query_one(GridView)
        names = tuple(map(str, range(30)))
        grid.show(Cells(names, names, lambda row, column: (f"{row},{column}", 0.5)), 0, 0)
        await pilot.pause()
        await pilot.click(GridView, offset=(3 + 12 + 2, 4))
        assert (grid.row, grid.column) == (3, 1)
        await pilot.click(GridView, offset=(1, 4))  # a label is no cell
        assert (grid.row, grid.column) == (3, 1)


@pytest.mark.asyncio
@pytest.mark.usefixtures("looked")
async def test_a_small_screen_keeps_the_cursor_in_sight(no_database: Path) -> None:
    async with LlprobeApp(no_database).run_test(size=(140, 40)) as pilot:
        screen = await opened(pilot)
        await pilot.press("ctrl+r")
        await settle(pilot)
        await pilot.press("G")
        await pilot.resize_terminal(40, 10)
        await settle(pilot)
        grid = screen.query_one(GridView)
        lines = [grid.render_line(y).text for y in range(grid.size.height)]
        assert any("◂" in line for line in lines)


def test_shares_by_probability_and_by_entropy() -> None:
    grid = made_up(n_tokens=2, n_layers=4)
    by_p, by_h = cells(grid, "probability"), cells(grid, "entropy")
    assert by_p.rows == ("4", "3", "2", "1")
    assert by_p.cell(0, 1) == ("·w3.1.0", 1.0)
    assert by_p.cell(3, 0)[1] == pytest.approx(1 / 16)
    assert by_h.cell(3, 0)[1] == 1.0
    assert by_h.cell(0, 0)[1] == 0.0


def test_words_keep_the_space_before_them() -> None:
    assert words(" Paris, London,Rome ,, Paris") == (" Paris", " London", "Rome")


def test_the_chart_of_ranks_has_rank_one_on_top() -> None:
    lines = rank_chart((1, 2, 3), {"·Paris": [10_000, 100, 1]}, 30, 9)
    assert all(line.cell_len <= 40 for line in lines)
    texts = [line.plain for line in lines]
    assert texts[0].strip().startswith("1│")
    assert any(text.strip().startswith("10k│") for text in texts)
    assert texts[-1] == "·Paris: best 1 at 3, last 1"
