"""The lens screen: a real tiny model in a child, stopped, killed, and refused."""

import signal
from pathlib import Path

import psutil
import pytest
from lensscreen import made_up, opened
from settled import settle
from textual.pilot import Pilot
from textual.widgets import Input, Select, Static, TextArea
from tinygguf import write_tiny

from llprobe.errors import ModelTooLarge
from llprobe.events import LensGrid
from llprobe.tui.app import LlprobeApp
from llprobe.tui.gridview import GridView
from llprobe.tui.lensform import ModelLine
from llprobe.tui.lensview import Wish
from llprobe.tui.screens import lens as lens_module
from llprobe.tui.screens.lens import LensScreen
from llprobe.tui.widgets import Trouble


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLPROBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("lens") / "tiny.gguf")


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lens_module, "look", lambda _wish, _cancel: made_up())


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
        await settle(pilot)
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
        await settle(pilot)
        assert state(screen) == "7 tokens x 2 layers"


@pytest.mark.asyncio
async def test_the_best_prediction_can_be_followed(no_database: Path, model: Path) -> None:
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, model=str(model))
        await pilot.press("ctrl+r")
        await settle(pilot)
        await pilot.press("t")
        await settle(pilot)
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
        await settle(pilot)
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
        await settle(pilot)
        psutil.wait_procs([child], timeout=10)
        assert not child.is_running()


@pytest.mark.asyncio
async def test_a_killed_worker_is_said(no_database: Path, model: Path) -> None:
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, model=str(model))
        await pilot.press("ctrl+r")
        (await a_child(pilot)).kill()
        await settle(pilot)
        assert "SIGKILL" in trouble(screen)
        assert "try a smaller quant" in trouble(screen)
        assert state(screen) == "ctrl+r looks again"
        await pilot.press("ctrl+r")
        await settle(pilot)
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
        await settle(pilot)
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
            raise ModelTooLarge("it needs 99 GiB. Here ctrl+g tries it all the same")
        return made_up()

    monkeypatch.setattr(lens_module, "look", look)
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, model=str(model))
        await pilot.press("ctrl+r")
        await settle(pilot)
        assert "ctrl+g tries it" in trouble(screen)
        await pilot.press("ctrl+g")
        await settle(pilot)
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
