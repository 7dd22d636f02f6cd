"""The lens screen: a real tiny model in a child, and made-up grids for pictures and edges."""

import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Select, Static, TextArea
from textual.worker import WorkerCancelled
from tinygguf import write_tiny

from llprobe.errors import ModelTooLarge
from llprobe.events import LensGrid
from llprobe.tui.app import LlprobeApp
from llprobe.tui.gridview import Cells, GridView
from llprobe.tui.lensform import ModelLine
from llprobe.tui.lensview import Wish, cells, words
from llprobe.tui.rankchart import rank_chart
from llprobe.tui.screens import lens as lens_module
from llprobe.tui.screens.lens import LensScreen
from llprobe.tui.widgets import Trouble

TEXT = "the capital of the city is un"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLPROBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("lens") / "tiny.gguf")


def made_up(n_tokens: int = 9, n_layers: int = 12) -> LensGrid:
    """Give a grid that is sure of the last token at the upper layers."""
    names = ("The", " capital", " of", " France", " is", " the", "\n", " 中国", "x")
    tokens = tuple(names[n % len(names)] for n in range(n_tokens))
    depth = np.arange(1, n_layers + 1) / n_layers
    top = tuple(
        tuple(
            tuple((f" w{layer}.{token}.{k}", float(depth[layer] ** 2 / (k + 1))) for k in range(10))
            for token in range(n_tokens)
        )
        for layer in range(n_layers)
    )
    entropy = np.outer(1 - depth, np.linspace(12.0, 4.0, n_tokens))
    ranks = np.outer(np.geomspace(40_000, 1, n_layers), np.ones(n_tokens)).astype(np.int64)
    return LensGrid(tokens, tuple(range(1, n_layers + 1)), top, entropy, {" Paris": ranks})


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lens_module, "look", lambda _wish, _cancel: made_up())


async def settled(pilot: Pilot[None]) -> None:
    """Wait until nothing is read any more, and what was read is drawn."""
    for _ in range(3):
        with suppress(WorkerCancelled):
            await pilot.app.workers.wait_for_complete()
        await pilot.pause()


async def opened(pilot: Pilot[None], text: str = TEXT, model: str = "") -> LensScreen:
    app = pilot.app
    assert isinstance(app, LlprobeApp)
    app.open_lens(text, model)
    await settled(pilot)
    assert isinstance(app.screen, LensScreen)
    return app.screen


def state(screen: LensScreen) -> str:
    return str(screen.query_one("#state", Static).content)


def trouble(screen: LensScreen) -> str:
    return screen.query_one(Trouble).said


@pytest.mark.asyncio
async def test_a_text_is_looked_at_in_a_child(no_database: Path, model: Path) -> None:
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, model=str(model))
        screen.query_one("#words", Input).value = " un, city"
        await pilot.press("ctrl+r")
        await settled(pilot)
        assert state(screen).startswith("7 tokens x 3 layers")
        grid = screen.query_one(GridView)
        assert (grid.has_focus, grid.row, grid.column) == (True, 0, 6)
        said = str(screen.query_one("#cell", Static).content)
        assert said.splitlines()[0] == "layer 3 after 7: ·un"
        assert len(said.splitlines()) == 12  # ten predictions between the cell and its entropy
        assert "rank after this token" in str(screen.query_one("#ranks", Static).content)
        await pilot.press("j", "h")
        said = str(screen.query_one("#cell", Static).content)
        assert said.splitlines()[0] == "layer 2 after 6: ·is"


@pytest.mark.asyncio
async def test_the_layers_and_the_lens_are_those_of_the_fields(
    no_database: Path, model: Path
) -> None:
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, model=str(model))
        screen.query_one("#layers", Input).value = "2-3"
        screen.query_one(Select).value = "raw"
        screen.query_one("#layers").focus()
        await pilot.press("enter")
        await settled(pilot)
        assert state(screen) == "7 tokens x 2 layers"


@pytest.mark.asyncio
async def test_the_best_prediction_can_be_followed(no_database: Path, model: Path) -> None:
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, model=str(model))
        await pilot.press("ctrl+r")
        await settled(pilot)
        await pilot.press("t")
        await settled(pilot)
        assert "best 1 at " in str(screen.query_one("#ranks", Static).content)


@pytest.mark.asyncio
async def test_esc_stops_the_child(no_database: Path, model: Path) -> None:
    """A worker that is stopped dead ends when Esc is pressed, and says nothing."""
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, model=str(model))
        await pilot.press("ctrl+r")
        child = await a_child(pilot)
        child.send_signal(signal.SIGSTOP)
        assert "Esc stops it" in state(screen)
        await pilot.press("escape")
        await settled(pilot)
        assert state(screen) == "stopped; ctrl+r looks again"
        assert not child.is_running()
        assert trouble(screen) == ""
        assert screen.is_current


@pytest.mark.asyncio
async def test_leaving_the_screen_ends_the_child(no_database: Path, model: Path) -> None:
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        await opened(pilot, model=str(model))
        await pilot.press("ctrl+r")
        child = await a_child(pilot)
        child.send_signal(signal.SIGSTOP)
        pilot.app.pop_screen()
        await settled(pilot)
        psutil.wait_procs([child], timeout=10)
        assert not child.is_running()


@pytest.mark.asyncio
async def test_a_killed_worker_is_said(no_database: Path, model: Path) -> None:
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, model=str(model))
        await pilot.press("ctrl+r")
        (await a_child(pilot)).kill()
        await settled(pilot)
        assert "SIGKILL" in trouble(screen)
        assert "try a smaller quant" in trouble(screen)
        assert state(screen) == "ctrl+r looks again"
        await pilot.press("ctrl+r")
        await settled(pilot)
        assert (state(screen), trouble(screen)) == ("7 tokens x 3 layers", "")


async def a_child(pilot: Pilot[None]) -> psutil.Process:
    """Let the app work until it has started its worker."""
    me = psutil.Process()
    while True:
        started = [c for c in me.children() if "llprobe.worker" in c.cmdline()]
        if started:
            return started[0]
        await pilot.pause()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"#model": "smolm2-135m"}, "did you mean smollm2-135m"),
        ({"#model": "smollm2-135m"}, "llprobe models pull smollm2-135m"),
        ({"#model": "/nowhere/none.gguf"}, "/nowhere/none.gguf"),
        ({"#layers": "9"}, "this model has layers 0 to 3"),
        ({"#text": "  "}, "there is no text to look at"),
    ],
)
async def test_what_cannot_be_looked_at_is_said(
    no_database: Path, model: Path, fields: dict[str, str], said: str
) -> None:
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, model=str(model))
        for field, value in fields.items():
            widget = screen.query_one(field)
            if isinstance(widget, TextArea):
                widget.text = value
            elif isinstance(widget, Input):
                widget.value = value
        await pilot.press("ctrl+r")
        await settled(pilot)
        assert said in trouble(screen)
        await pilot.press("escape")
        assert trouble(screen) == ""
        assert screen.is_current


@pytest.mark.asyncio
async def test_too_little_memory_is_said_with_a_way_out(
    no_database: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Wish] = []

    def look(wish: Wish, _: object) -> LensGrid:
        asked.append(wish)
        if not wish.force:
            raise ModelTooLarge("it needs 99 GiB. Here ctrl+o tries it all the same")
        return made_up()

    monkeypatch.setattr(lens_module, "look", look)
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, model=str(model))
        await pilot.press("ctrl+r")
        await settled(pilot)
        assert "ctrl+o tries it" in trouble(screen)
        await pilot.press("ctrl+o")
        await settled(pilot)
        assert [wish.force for wish in asked] == [False, True]
        assert trouble(screen) == ""


@pytest.fixture
def two_models(model: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        path = tmp_path / "cache" / "quants" / name / f"{name}.Q8_0.gguf"
        path.parent.mkdir(parents=True)
        path.write_bytes(model.read_bytes())


@pytest.mark.asyncio
@pytest.mark.usefixtures("two_models")
async def test_up_and_down_go_through_the_models_that_are_here(
    no_database: Path,
) -> None:
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        line = screen.query_one(ModelLine)
        assert line.value == "one:Q8_0"
        line.focus()
        seen = []
        for key in ("down", "down", "up"):
            await pilot.press(key)
            seen.append(line.value)
        assert seen == ["two:Q8_0", "one:Q8_0", "two:Q8_0"]


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
        await settled(pilot)
        await pilot.press("G")
        await pilot.resize_terminal(40, 10)
        await settled(pilot)
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


SIZES = [(80, 24), (140, 40)]


def pictured(*keys: str) -> Callable[[Pilot[None]], Any]:
    async def run(pilot: Pilot[None]) -> None:
        await opened(pilot, "The capital of France is the", "tiny")
        for key in keys:
            await pilot.press(key)
            await settled(pilot)

    return run


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("theme", ["dark", "light", "mono"])
@pytest.mark.usefixtures("looked")
def test_picture(snap_compare: Any, no_database: Path, size: tuple[int, int], theme: str) -> None:
    app = LlprobeApp(no_database, theme=theme)
    assert snap_compare(app, terminal_size=size, run_before=pictured("ctrl+r", "h", "j"))


@pytest.mark.usefixtures("looked")
def test_picture_of_entropy(snap_compare: Any, no_database: Path) -> None:
    run = pictured("ctrl+r", "c", "h")
    assert snap_compare(LlprobeApp(no_database), terminal_size=(80, 24), run_before=run)


def test_picture_before_anything_is_looked_at(snap_compare: Any, no_database: Path) -> None:
    assert snap_compare(LlprobeApp(no_database), terminal_size=(80, 24), run_before=pictured())
