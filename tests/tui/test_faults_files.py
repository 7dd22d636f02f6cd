"""Pages whose model file is deleted, and pages on a disk that is full: they say so and what to do.

Where a small disk may be mounted, it is filled; everywhere a database that refuses to be written
with SQLite's own words stands for a full disk.
"""

import asyncio
import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from shutil import copy

import pytest
from clihelp import tiny_model, write_questions
from faults import ALL, changed, page_of, seen, shown, told, trouble
from scenes import Scene
from settled import press, settle
from stages import Stage, alike_everywhere
from textual.pilot import Pilot
from textual.widgets import TextArea
from torturedisk import small_disk

from llprobe.store import Store
from llprobe.tui import lensview, process
from llprobe.tui.app import LlprobeApp
from llprobe.tui.screens import lens

SECONDS = 60
FULL = "is full: make room"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, two_runs: Path) -> Stage:
    return Stage(tmp_path_factory.mktemp("stage"), two_runs)


@pytest.fixture(autouse=True)
def alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alike_everywhere(tmp_path, monkeypatch)
    monkeypatch.setattr(lens, "look", lensview.look)


@pytest.fixture
def database(stage: Stage, tmp_path: Path) -> Iterator[Path]:
    """Give a database with the runs `small`, `large` and `half`, which is paused."""
    with stage.set("half", tmp_path) as path:
        yield path


@pytest.fixture(autouse=True)
def no_orphan() -> Iterator[None]:
    """Let no process outlive its test."""
    yield
    for pid, child in process._children.items():
        if child.poll() is None:
            os.killpg(pid, signal.SIGKILL)
            child.wait(SECONDS)


def by_name(name: str) -> Scene:
    return next(scene for scene in ALL if scene.name == name)


def app_of(pilot: Pilot[None]) -> LlprobeApp:
    assert isinstance(pilot.app, LlprobeApp)
    return pilot.app


def names(database: Path) -> set[str]:
    with Store(database, create=False) as store:
        return {run.name for run in store.runs()}


# --- a model file that is deleted ---------------------------------------------------------------


@pytest.mark.asyncio
async def test_the_lens_says_that_the_model_is_gone(no_database: Path, tmp_path: Path) -> None:
    model = tiny_model(tmp_path)
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        app_of(pilot).open_lens("the city is un", str(model))
        await settle(pilot)
        await press(pilot, "ctrl+r")
        assert "tokens x 3 layers" in told(pilot)
        model.unlink()
        await press(pilot, "ctrl+r")
        assert f"{model}" in trouble(pilot)
        assert "does not exist" in trouble(pilot)
        tiny_model(tmp_path)
        await press(pilot, "ctrl+r")
        assert trouble(pilot) == ""


@pytest.mark.asyncio
async def test_a_new_sweep_says_that_the_model_is_gone(no_database: Path, tmp_path: Path) -> None:
    model, questions = tiny_model(tmp_path), write_questions(tmp_path / "q.jsonl", 6)
    spec = f"name: tiny\nmodels: [{model}]\ntasks: [prompts]\ndata: {questions}\n"
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        app_of(pilot).open_new(spec)
        await settle(pilot)
        assert "1 cell, 6 items" in told(pilot)
        model.unlink()
        await press(pilot, "e")
        assert f"{model} does not exist" in told(pilot)
        tiny_model(tmp_path)
        page_of(pilot).query_one(TextArea).load_text(f"{spec}limit: 5\n")
        await settle(pilot)
        assert "1 cell, 5 items" in told(pilot)


@pytest.mark.asyncio
async def test_the_models_say_that_a_file_is_gone(no_database: Path, tmp_path: Path) -> None:
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        app_of(pilot).open_models()
        await settle(pilot)
        await press(pilot, "G")
        (tmp_path / "cache" / "quants" / "small" / "small.F32.gguf").unlink()
        for keys in (("enter",), ("d", "y")):
            await press(pilot, *keys)
            assert "small" in trouble(pilot)
            await press(pilot, "escape")
        assert not any("small:F32" in line for line in await seen(pilot))


@pytest.mark.asyncio
async def test_an_item_says_that_its_model_is_gone(database: Path) -> None:
    async with shown(by_name("item"), database) as pilot:
        await press(pilot, "b")
        assert "large" in trouble(pilot)
        assert any("Prompt" in line for line in await seen(pilot))


# --- a full disk --------------------------------------------------------------------------------


def refuse(database: Path) -> None:
    """Let every write fail with what SQLite says where a disk is full."""
    with closing(sqlite3.connect(database)) as db:
        tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            for what in ("INSERT", "UPDATE", "DELETE"):
                db.execute(
                    f"CREATE TRIGGER full_{table}_{what} BEFORE {what} ON {table} "
                    "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
                )
        db.commit()


def fill(folder: Path) -> Path:
    """Write to a disk until nothing more fits; give the file."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            while _written(file.fileno(), size):
                pass
    return ballast


def _written(file: int, size: int) -> bool:
    try:
        return os.write(file, bytes(size)) > 0
    except OSError:
        return False


@pytest.fixture
def on_a_small_disk(database: Path, tmp_path: Path) -> Iterator[Path]:
    """Give the database on a disk of its own that is full."""
    folder = tmp_path / "disk"
    folder.mkdir()
    with small_disk(folder) as mounted:
        if not mounted:
            pytest.skip("a small disk can only be mounted by root, on Linux")
        target = Path(copy(database, folder / "llprobe.db"))
        yield target


READING = [scene for scene in ALL if scene.name != "lens-grid"]
"""Its grid comes from a model alone."""
TRIED = [("d", "y"), ("t", "x", "enter"), ("e", "x", "ctrl+s")]
TRIED_IDS = ["delete", "tag", "note"]


@pytest.mark.asyncio
@pytest.mark.parametrize("keys", TRIED, ids=TRIED_IDS)
async def test_a_run_that_cannot_be_changed_is_said(keys: tuple[str, ...], database: Path) -> None:
    refuse(database)
    async with LlprobeApp(database).run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, *keys)
        assert FULL in trouble(pilot)
    assert names(database) == {"small", "large", "half"}


@pytest.mark.asyncio
@pytest.mark.parametrize("keys", TRIED, ids=TRIED_IDS)
async def test_a_run_on_a_full_disk_cannot_be_changed(
    keys: tuple[str, ...], on_a_small_disk: Path
) -> None:
    async with LlprobeApp(on_a_small_disk).run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        ballast = fill(on_a_small_disk.parent)
        await press(pilot, *keys)
        assert "disk" in trouble(pilot)
        await press(pilot, "escape")
        ballast.unlink()
        await changed(pilot)
        assert trouble(pilot) == ""
        assert any("half" in line for line in await seen(pilot))
    assert names(on_a_small_disk) == {"small", "large", "half"}


@pytest.mark.asyncio
@pytest.mark.parametrize("scene", READING, ids=[scene.name for scene in READING])
async def test_a_page_on_a_full_disk_stays_up(scene: Scene, on_a_small_disk: Path) -> None:
    async with shown(scene, on_a_small_disk) as pilot:
        page = page_of(pilot)
        ballast = fill(on_a_small_disk.parent)
        await changed(pilot)
        assert page_of(pilot) is page
        assert trouble(pilot) == "" or "disk" in trouble(pilot)
        ballast.unlink()
        await changed(pilot)
        assert trouble(pilot) == ""


@pytest.mark.asyncio
async def test_a_sweep_is_not_started_on_a_full_disk(on_a_small_disk: Path) -> None:
    async with shown(by_name("newsweep-models"), on_a_small_disk) as pilot:
        page_of(pilot).query_one(TextArea).load_text(
            "name: mine\nmodels: [mine.gguf]\ntasks: [facts]\n"
        )
        await settle(pilot)
        fill(on_a_small_disk.parent)
        await press(pilot, "ctrl+r")
        said = trouble(pilot)
    assert "No space left" in said or "disk" in said
    assert not any(child.poll() is None for child in process._children.values())


@pytest.mark.asyncio
async def test_a_sweep_is_not_gone_on_with_on_a_full_disk(on_a_small_disk: Path) -> None:
    async with shown(by_name("monitor-half"), on_a_small_disk) as pilot:
        fill(on_a_small_disk.parent)
        await press(pilot, "r")
        said = trouble(pilot)
    assert "No space left" in said or "disk" in said
    assert not any(child.poll() is None for child in process._children.values())


@pytest.mark.asyncio
async def test_a_sweep_that_cannot_be_stored_is_said_by_its_monitor(
    database: Path, tmp_path: Path
) -> None:
    refuse(database)
    model, questions = tiny_model(tmp_path), write_questions(tmp_path / "q.jsonl", 6)
    spec = (
        f"name: tiny\nmodels: [{model}]\ntasks: [prompts]\ndata: {questions}\n"
        "engine: {threads: 1, batch: 16}\n"
    )
    async with LlprobeApp(database).run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        app_of(pilot).open_new(spec)
        await settle(pilot)
        await press(pilot, "ctrl+r")
        *_, child = process._children.values()
        assert await asyncio.to_thread(child.wait, SECONDS) == 1
        await changed(pilot)
        assert "it could not be started" in told(pilot)
        assert FULL in told(pilot)
