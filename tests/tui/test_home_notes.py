"""Tags and notes of runs: where they are written, and where they are seen."""

from pathlib import Path

import pytest
from homescreen import Opening, drawn, ids, names
from settled import press, settle
from textual.widgets import Input, Static, TextArea

from llprobe.store import Store
from llprobe.tui.notes import EditNote, EditTags, KnownTags
from llprobe.tui.runpreview import note_lines
from llprobe.tui.screens.home import HomeScreen
from llprobe.tui.widgets import Confirm, Trouble


@pytest.fixture
def app(database: Path) -> Opening:
    return Opening(database)


def marks(database: Path) -> dict[str, tuple[tuple[str, ...], str]]:
    with Store(database, create=False) as store:
        return {run.name: (run.tags, run.note) for run in store.runs()}


@pytest.mark.asyncio
async def test_tags_have_a_column_once_there_are_some(app: Opening) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert "tags" not in drawn(app)[0]
        await press(pilot, "t")
        assert isinstance(app.screen, EditTags)
        assert "small" not in str(app.screen.query_one(Static).visual)
        await press(pilot, *"Baseline q4", "enter")
        assert marks(app.db) == {"large": (("baseline", "q4"), ""), "small": ((), "")}
        head, first, second, *_ = drawn(app)
        assert head.split()[:3] == ["status", "name", "tags"]
        assert "best, over" in head
        assert "large baseline, q4" in first
        assert "baseline" not in second


@pytest.mark.asyncio
async def test_tags_of_several_runs_are_those_that_all_have(app: Opening) -> None:
    known = ids(app.db)
    with Store(app.db) as store:
        store.tag(list(known.values()), ["both"])
        store.tag([known["small"]], ["own"])
    async with app.run_test() as pilot:
        await settle(pilot)
        await press(pilot, "space", "space", "t")
        assert app.screen.query_one(Input).value == "both "
        await press(pilot, *["backspace"] * 5, *"new", "enter")
        assert marks(app.db) == {"large": (("new",), ""), "small": (("new", "own"), "")}
        await press(pilot, "t", "enter")
        assert marks(app.db) == {"large": (("new",), ""), "small": (("new", "own"), "")}


@pytest.mark.asyncio
async def test_a_tag_is_completed_from_those_there_are(app: Opening) -> None:
    with Store(app.db) as store:
        store.tag([ids(app.db)["small"]], ["baseline", "best"])
    async with app.run_test() as pilot:
        await settle(pilot)
        await press(pilot, "t")
        assert "known: baseline best" in " ".join(
            str(each.visual) for each in app.screen.query(Static)
        )
        await press(pilot, *"x ba", "right", "enter")
        assert marks(app.db)["large"] == (("baseline", "x"), "")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("typed", "completed"),
    [("", None), ("b", "baseline"), ("BE", "BEst"), ("best b", "best baseline"), ("zz", None),
     ("best be", None), ("best", None)],
)  # fmt: skip
async def test_what_is_completed(typed: str, completed: str | None) -> None:
    known = KnownTags(("baseline", "best"))
    assert await known.get_suggestion(typed) == completed


@pytest.mark.asyncio
async def test_a_word_that_is_no_tag_is_said_in_the_dialog(app: Opening) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, "t", *"good no/tag", "enter")
        assert isinstance(app.screen, EditTags)
        assert "'no/tag' is no tag" in str(app.screen.query_one(".wrong", Static).visual)
        await press(pilot, "escape")
        assert isinstance(app.screen, HomeScreen)
    assert marks(app.db)["large"] == ((), "")


@pytest.mark.asyncio
async def test_tags_of_a_run_that_is_gone_are_said(app: Opening) -> None:
    async with app.run_test() as pilot:
        await settle(pilot)
        await press(pilot, "t", *"late")
        with Store(app.db) as store:
            store.remove(ids(app.db)["large"])
        await press(pilot, "enter")
        assert "is not stored any more" in app.screen.query_one(Trouble).said


@pytest.mark.asyncio
async def test_a_note_is_stored_and_shown_below_its_run(app: Opening) -> None:
    async with app.run_test(size=(80, 40)) as pilot:
        await settle(pilot)
        note = app.screen.query_one("#note", Static)
        assert not note.display
        await press(pilot, "e", *"why", "enter", *"[not] so", "ctrl+s")
        assert marks(app.db)["large"] == ((), "why\n[not] so")
        assert note.display
        assert str(note.visual) == "why\n[not] so"
        await press(pilot, "j")
        assert not note.display
        await press(pilot, "k", "e", "up", "home", *"now ", "ctrl+s")
        assert str(note.visual) == "now why\n[not] so"
        await press(pilot, "e", "f7", "delete", "ctrl+s")
        assert marks(app.db)["large"] == ((), "")
        assert not note.display


@pytest.mark.asyncio
async def test_leaving_a_note_asks_only_where_it_was_changed(app: Opening) -> None:
    with Store(app.db) as store:
        store.annotate(ids(app.db)["large"], "kept")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, "e", "escape")
        assert isinstance(app.screen, HomeScreen)
        await press(pilot, "e", *" more", "escape")
        assert isinstance(app.screen, Confirm)
        await press(pilot, "n")
        assert isinstance(app.screen, EditNote)
        assert app.screen.query_one(TextArea).text == "kept more"
        await press(pilot, "escape", "y")
        assert isinstance(app.screen, HomeScreen)
        assert marks(app.db)["large"] == ((), "kept")


@pytest.mark.asyncio
async def test_a_note_is_stored_by_its_button_too(app: Opening) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, "e", *"by mouse")
        await pilot.click("#store")
        await settle(pilot)
        assert marks(app.db)["large"] == ((), "by mouse")


def test_a_long_note_shows_its_beginning() -> None:
    note = "first\n\nsecond " + "x" * 50 + "\nthird\x1b[31m\nfourth\nfifth"
    assert [line.plain for line in note_lines(note, 20)] == [
        "first", "second xxxxxxxxxxxx…", "third\ufffd[31m", "… 2 more lines: e s…",
    ]  # fmt: skip
    assert note_lines("", 20) == []
    assert len(note_lines("a\nb\nc\n", 20)) == 3


@pytest.mark.asyncio
async def test_a_filter_narrows_by_tag_while_it_is_typed(app: Opening) -> None:
    with Store(app.db) as store:
        store.tag([ids(app.db)["small"]], ["baseline"])
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, "slash", *"tag:b")
        assert names(app) == ["small"]
        await press(pilot, *"x")
        assert names(app) == []
        assert "no run has all of these words" in drawn(app)[1]
        await press(pilot, "enter", "c", "t", "e", "m", "enter")
        assert app.opened == []
        await press(pilot, "escape")
        assert names(app) == ["large", "small"]


# --- many runs ----------------------------------------------------------------------------------
