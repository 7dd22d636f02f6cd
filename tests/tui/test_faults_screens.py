"""Every page while its terminal shrinks, its database goes or breaks, and its run is deleted."""

from collections.abc import Iterator
from pathlib import Path
from shutil import copy

import pytest
from faults import ALL, OF_A_RUN, OTHERS, changed, page_of, seen, shown, told, trouble
from scenes import Scene
from settled import press
from stages import Stage, alike_everywhere

from llprobe.store import Store
from llprobe.tui.themes import DARK

ids = [scene.name for scene in ALL]
GONE = "no database at"
GARBAGE = "is not an llprobe database: name another file"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, two_runs: Path) -> Stage:
    return Stage(tmp_path_factory.mktemp("stage"), two_runs)


@pytest.fixture(autouse=True)
def alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alike_everywhere(tmp_path, monkeypatch)


@pytest.fixture
def database(stage: Stage, tmp_path: Path) -> Iterator[Path]:
    """Give a database with the runs `small`, `large`, and `half`, which is paused."""
    with stage.set("half", tmp_path) as path:
        yield path


def by_name(name: str) -> Scene:
    return next(scene for scene in ALL if scene.name == name)


def remove(database: Path) -> None:
    """Delete a database, and what SQLite keeps beside it."""
    for path in database.parent.glob(f"{database.name}*"):
        path.unlink()


def break_(database: Path) -> None:
    """Put something else in a database's place."""
    remove(database)
    database.write_text("this is a letter to my grandmother\n" * 100, encoding="utf-8")


# --- the terminal -------------------------------------------------------------------------------


SCROLLED = {"lens-grid", "models", "questions"}
"""Lists that are scrolled until their cursor is seen, and may stay a little further down."""


@pytest.mark.asyncio
@pytest.mark.parametrize("scene", ALL, ids=ids)
async def test_a_page_comes_back_from_a_tiny_terminal_as_it_was(
    scene: Scene, database: Path
) -> None:
    async with shown(scene, database) as pilot:
        page, before, words = page_of(pilot), await seen(pilot), told(pilot)
        focused = pilot.app.focused
        await pilot.resize_terminal(40, 10)
        assert await seen(pilot) != before
        await pilot.resize_terminal(80, 24)
        await changed(pilot)
        after = await seen(pilot)
        assert (page_of(pilot), pilot.app.focused, told(pilot)) == (page, focused, words)
        assert (after[0], after[-1]) == (before[0], before[-1])
        assert scene.name in SCROLLED or after == before


# --- the database -------------------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize(("harm", "words"), [(remove, GONE), (break_, GARBAGE)])
@pytest.mark.parametrize("scene", OF_A_RUN, ids=[scene.name for scene in OF_A_RUN])
async def test_a_database_that_goes_is_said_until_it_is_back(
    scene: Scene, harm: object, words: str, database: Path
) -> None:
    good = Path(copy(database, database.with_name("good.copy")))
    assert callable(harm)
    async with shown(scene, database) as pilot:
        before = await seen(pilot)
        harm(database)
        await changed(pilot)
        assert words in trouble(pilot)
        copy(good, database)
        await changed(pilot)
        assert trouble(pilot) == ""
        assert await seen(pilot) == before


@pytest.mark.asyncio
@pytest.mark.parametrize(("harm", "words"), [(remove, GONE), (break_, GARBAGE)])
async def test_the_monitor_says_that_the_database_is_gone(
    harm: object, words: str, database: Path
) -> None:
    good = Path(copy(database, database.with_name("good.copy")))
    assert callable(harm)
    async with shown(by_name("monitor-half"), database) as pilot:
        before = await seen(pilot)
        harm(database)
        await changed(pilot)
        assert words in told(pilot)
        await press(pilot, "p")
        assert words in trouble(pilot)
        await press(pilot, "escape")
        copy(good, database)
        await changed(pilot)
        assert await seen(pilot) == before


@pytest.mark.asyncio
@pytest.mark.parametrize(("harm", "words"), [(remove, "The database is gone"), (break_, GARBAGE)])
async def test_the_list_of_runs_says_that_the_database_is_gone(
    harm: object, words: str, database: Path
) -> None:
    good = Path(copy(database, database.with_name("good.copy")))
    assert callable(harm)
    async with shown(by_name("home-runs"), database) as pilot:
        harm(database)
        await changed(pilot)
        assert words in told(pilot)
        copy(good, database)
        await changed(pilot)
        assert trouble(pilot) == ""
        assert any("half" in line for line in await seen(pilot))


@pytest.mark.asyncio
@pytest.mark.parametrize("harm", [remove, break_])
@pytest.mark.parametrize("scene", OTHERS, ids=[scene.name for scene in OTHERS])
async def test_pages_that_need_no_database_stay_as_they_are(
    scene: Scene, harm: object, database: Path
) -> None:
    assert callable(harm)
    async with shown(scene, database) as pilot:
        before = await seen(pilot)
        harm(database)
        await changed(pilot)
        assert await seen(pilot) == before
        assert trouble(pilot) == ""


@pytest.mark.asyncio
async def test_a_sweep_is_not_started_on_what_is_no_database(database: Path) -> None:
    async with shown(by_name("newsweep-models"), database) as pilot:
        break_(database)
        await press(pilot, "ctrl+r")
        assert GARBAGE in trouble(pilot)


# --- the run ------------------------------------------------------------------------------------


def delete(database: Path, *runs: str) -> None:
    """Delete runs as another process would."""
    with Store(database) as store:
        for run in runs:
            store.remove(store.find_run(run))


@pytest.mark.asyncio
@pytest.mark.parametrize("scene", OF_A_RUN, ids=[scene.name for scene in OF_A_RUN])
async def test_a_run_that_is_deleted_under_its_page_is_said(scene: Scene, database: Path) -> None:
    async with shown(scene, database) as pilot:
        delete(database, "large")
        await changed(pilot)
        assert "no run named" in trouble(pilot)
        assert "small" in trouble(pilot)  # what there still is
        await press(pilot, "escape", "escape")
        assert len(pilot.app.screen_stack) == 1
        assert not any("large" in line for line in await seen(pilot))


@pytest.mark.asyncio
async def test_a_run_that_is_deleted_under_its_monitor_is_said(database: Path) -> None:
    async with shown(by_name("monitor-half"), database) as pilot:
        delete(database, "half")
        await changed(pilot)
        assert "no run named 'half'" in told(pilot)
        await press(pilot, "r")
        assert "nothing is stored of half: start it from the new sweep screen" in trouble(pilot)


@pytest.mark.asyncio
@pytest.mark.parametrize("scene", OTHERS, ids=[scene.name for scene in OTHERS])
async def test_pages_without_a_run_do_not_mind_its_end(scene: Scene, database: Path) -> None:
    async with shown(scene, database) as pilot:
        before = await seen(pilot)
        delete(database, "large", "small", "half")
        await changed(pilot)
        assert await seen(pilot) == before
        assert pilot.app.theme == DARK.name
