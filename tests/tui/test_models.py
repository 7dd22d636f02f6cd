"""The models screen: list, inspect, quantise and remove, in a cache of the test's own."""

from pathlib import Path

import pytest
from modelscreen import at, facts, jobs, names, opened, own_cache, settled, trouble
from textual.widgets import Input

from llprobe.tui.app import LlprobeApp
from llprobe.tui.asking import AskQuants
from llprobe.tui.screens.lens import LensScreen
from llprobe.tui.widgets import Confirm, FilterBar, Rows


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return own_cache(tmp_path, monkeypatch)


@pytest.mark.asyncio
async def test_the_catalog_and_what_is_here_are_listed(no_database: Path) -> None:
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        assert names(screen)[0] == "smollm2-135m"
        assert names(screen)[-1] == "small:F32"
        cells = screen.query_one(Rows).get_row("small:F32")
        assert cells[1:4] == ["F32", "0.7 MB", "✓"]
        assert screen.query_one(Rows).get_row("smollm2-135m")[1:4] == ["Q4_1", "98.4 MB", ""]


@pytest.mark.asyncio
async def test_the_filter_keeps_what_has_all_its_words(no_database: Path) -> None:
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await pilot.press("slash", *"smollm q8")
        await pilot.pause()
        assert names(screen) == ["smollm2-360m", "smollm2-1.7b"]
        await pilot.press("escape")
        await pilot.pause()
        assert screen.query_one(FilterBar).is_open is False
        assert len(names(screen)) > 5


@pytest.mark.asyncio
async def test_a_model_is_inspected(no_database: Path) -> None:
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await at(screen, "small:F32", pilot)
        await pilot.press("enter")
        await settled(pilot)
        assert "layers: 3" in facts(screen)
        assert "vocabulary: 384" in facts(screen)
        await pilot.press("escape")
        assert facts(screen) == ""
        await at(screen, "smollm2-135m", pilot)
        await pilot.press("enter")
        await settled(pilot)
        assert "here: no: p pulls it" in facts(screen)


@pytest.mark.asyncio
async def test_a_damaged_file_is_said(no_database: Path, cache: Path) -> None:
    path = cache / "quants" / "small" / "small.F32.gguf"
    path.write_bytes(path.read_bytes()[:2000])
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await at(screen, "small:F32", pilot)
        await pilot.press("enter")
        await settled(pilot)
        assert "small.F32.gguf" in trouble(screen)


@pytest.mark.asyncio
async def test_a_file_that_went_away_is_said(no_database: Path, cache: Path) -> None:
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await at(screen, "small:F32", pilot)
        (cache / "quants" / "small" / "small.F32.gguf").unlink()
        await pilot.press("enter")
        await settled(pilot)
        assert "small" in trouble(screen)
        await pilot.press("escape")
        await pilot.press("d", "y")
        await settled(pilot)
        assert "small" in trouble(screen)


@pytest.mark.asyncio
async def test_a_model_is_removed_when_that_is_confirmed(no_database: Path, cache: Path) -> None:
    path = cache / "quants" / "small" / "small.F32.gguf"
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await at(screen, "small:F32", pilot)
        await pilot.press("d")
        await pilot.pause()
        assert isinstance(pilot.app.screen, Confirm)
        await pilot.press("n")
        await settled(pilot)
        assert path.exists()
        await pilot.press("d", "y")
        await settled(pilot)
        assert not path.exists()
        assert "small:F32" not in names(screen)
        await at(screen, "smollm2-135m", pilot)
        await pilot.press("d")
        await pilot.pause()
        assert trouble(screen) == "smollm2-135m is not here: there is nothing to remove"


def parts(cache: Path) -> list[Path]:
    """Find what a quantiser left half-written."""
    return list(cache.rglob("*.part"))


@pytest.mark.asyncio
async def test_quants_are_made_in_a_child(no_database: Path, cache: Path) -> None:
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await at(screen, "small:F32", pilot)
        await pilot.press("z")
        await pilot.pause()
        assert isinstance(pilot.app.screen, AskQuants)
        await pilot.press("j", "space", "j", "space", "space", "tab", *"f16", "enter")
        await settled(pilot)
        made = [name for name in names(screen) if name.startswith("small.F32-")]
        assert [name.rpartition(":")[2] for name in made] == ["F16", "Q8_0"]
        assert "✓ small.F32-" in jobs(screen)
        assert "bits per weight" in jobs(screen)
        assert not parts(cache)


@pytest.mark.asyncio
async def test_a_quant_that_there_is_not_is_said(no_database: Path) -> None:
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await at(screen, "small:F32", pilot)
        await pilot.press("z")
        await pilot.pause()
        await pilot.press("tab", *"q99", "enter")
        await settled(pilot)
        assert trouble(screen).startswith("no quant type 'Q99'")
        assert "failed" in jobs(screen)


@pytest.mark.asyncio
async def test_quants_need_a_file(no_database: Path) -> None:
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await at(screen, "smollm2-135m", pilot)
        await pilot.press("z")
        await pilot.pause()
        assert pilot.app.screen is screen
        assert "p pulls it, then z" in trouble(screen)


@pytest.mark.asyncio
async def test_the_lens_is_opened_on_a_model_that_is_here(no_database: Path) -> None:
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await at(screen, "small:F32", pilot)
        await pilot.press("o")
        await settled(pilot)
        assert isinstance(pilot.app.screen, LensScreen)
        assert pilot.app.screen.query_one("#model", Input).value == "small:F32"
