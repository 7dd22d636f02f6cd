"""What the tests of the models screen share: a cache of their own, and what the screen says."""

from contextlib import suppress
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Static
from textual.worker import WorkerCancelled
from tinygguf import write_tiny

from llprobe.tui.app import LlprobeApp
from llprobe.tui.joblines import JobLines
from llprobe.tui.screens.models import ModelsScreen
from llprobe.tui.widgets import Rows, Trouble

__all__ = ["at", "facts", "jobs", "names", "opened", "own_cache", "settled", "trouble"]


def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep models in a folder of the test's own, with one of them there."""
    monkeypatch.setenv("LLPROBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
    path = tmp_path / "cache" / "quants" / "small" / "small.F32.gguf"
    path.parent.mkdir(parents=True)
    write_tiny(path)
    return tmp_path / "cache"


async def settled(pilot: Pilot[None]) -> None:
    """Wait until no thread works any more, and what came of it is drawn."""
    for _ in range(3):
        with suppress(WorkerCancelled):
            await pilot.app.workers.wait_for_complete()
        for lines in pilot.app.screen.query(JobLines):
            lines.look()
        await pilot.pause()


async def opened(pilot: Pilot[None]) -> ModelsScreen:
    app = pilot.app
    assert isinstance(app, LlprobeApp)
    app.open_models()
    await settled(pilot)
    assert isinstance(app.screen, ModelsScreen)
    return app.screen


async def at(screen: ModelsScreen, name: str, pilot: Pilot[None]) -> None:
    """Put the cursor on a model."""
    rows = screen.query_one(Rows)
    rows.move_cursor(row=rows.get_row_index(name))
    await pilot.pause()


def names(screen: ModelsScreen) -> list[str]:
    return [str(key.value) for key in screen.query_one(Rows).rows]


def trouble(screen: ModelsScreen) -> str:
    return screen.query_one(Trouble).said


def jobs(screen: ModelsScreen) -> str:
    return str(screen.query_one(JobLines).content)


def facts(screen: ModelsScreen) -> str:
    shown = screen.query_one("#about").has_class("-open")
    return str(screen.query_one("#facts", Static).content) if shown else ""
