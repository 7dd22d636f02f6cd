"""The list of runs: what it says, and what can be done from it."""

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from shutil import copy
from typing import Any

import pytest
import yaml
from madeup import fill
from rich.cells import cell_len
from settled import press, settle
from textual.widgets import Footer, Input, Static, TextArea
from textual.widgets._footer import FooterKey

from llprobe.plan import Plan
from llprobe.store import Store
from llprobe.sweep import parse_sweep
from llprobe.tui import runlist
from llprobe.tui.app import LlprobeApp
from llprobe.tui.itemtable import ItemTable
from llprobe.tui.notes import EditNote, EditTags, KnownTags
from llprobe.tui.runcolumns import cells_of, columns_of
from llprobe.tui.runfilter import KEYS, filtered
from llprobe.tui.runlist import Best, ordered
from llprobe.tui.runpreview import note_lines
from llprobe.tui.screens import home
from llprobe.tui.screens.home import FIRST_SWEEP, HomeScreen
from llprobe.tui.watch import state_of
from llprobe.tui.widgets import Chart, Confirm, Trouble


class Opening(LlprobeApp):
    """Notes what is opened in place of opening it."""

    def __init__(self, db: Path, **more: Any) -> None:
        super().__init__(db, **more)
        self.opened: list[tuple[Any, ...]] = []

    def _open(self, name: str, *of: Any) -> None:
        self.opened.append((name, *of))


def names(app: LlprobeApp) -> list[str]:
    table = app.screen_stack[0].query_one(ItemTable)
    return [str(table._row(n)[2]) for n in range(table.n_rows)]


def row_of(app: LlprobeApp, name: str) -> list[str]:
    table = app.screen_stack[0].query_one(ItemTable)
    return [str(cell) for cell in table._row(names(app).index(name))]


def drawn(app: LlprobeApp) -> list[str]:
    """Give the lines of the table as they stand on the screen."""
    table = app.screen_stack[0].query_one(ItemTable)
    return [table.render_line(y).text for y in range(table.size.height)]


def said(app: LlprobeApp, selector: str) -> str:
    return str(app.screen_stack[0].query_one(selector, Static).visual)


def ids(database: Path) -> dict[str, str]:
    with Store(database, create=False) as store:
        return {run.name: run.id for run in store.runs()}


@pytest.fixture
def app(database: Path) -> Opening:
    return Opening(database)


@pytest.mark.asyncio
async def test_runs_are_listed_with_their_best_finding(app: Opening) -> None:
    async with app.run_test(size=(140, 40)) as pilot:
        await settle(pilot)
        assert names(app) == ["large", "small"]
        mark, status, _, models, tasks, scored, best = row_of(app, "large")
        assert (mark, status, models, tasks, scored) == (
            " ", "✓ done", "large", "calculation, facts", "44",
        )  # fmt: skip
        with Store(app.db, create=False) as store:
            found = runlist.best_of(store, ids(app.db)["large"])
        assert found is not None
        assert best.split()[:2] == [f"{found.value:.0%}", f"L{found.layer}"]
        assert best.endswith(found.task)
        assert app.focused is app.screen.query_one(ItemTable)


@pytest.mark.asyncio
async def test_what_another_process_writes_is_seen(
    app: Opening, database: Path, unfinished: Plan, working: Callable[[str], None]
) -> None:
    async with app.run_test() as pilot:
        await settle(pilot)
        assert row_of(app, "half")[1:6:4] == ["‖ paused", "24/44"]
        working(unfinished.id)
        with Store(database) as store:
            rest = replace(unfinished, cells=unfinished.cells[1:])
            fill(store, rest, lambda cell, _: [True] * len(cell.layers))  # type: ignore[arg-type, return-value]
        app.on_database_changed(None)  # type: ignore[arg-type]
        await settle(pilot)
        assert row_of(app, "half")[1:6:4] == ["▶ running", "44"]
        assert row_of(app, "half")[6].startswith("100% L1 ")


@pytest.mark.asyncio
async def test_a_filter_keeps_what_has_every_word(app: Opening) -> None:
    async with app.run_test() as pilot:
        await settle(pilot)
        await pilot.press("slash", *"facts sma")
        await settle(pilot)
        assert names(app) == ["small"]
        assert said(app, "#summary") == "1 of 2 runs · newest first · filter: facts sma"
        await pilot.press("escape")
        await settle(pilot)
        assert names(app) == ["large", "small"]


@pytest.mark.asyncio
async def test_s_sorts_by_the_next_thing(app: Opening, unfinished: Plan) -> None:
    assert unfinished.name == "half"
    async with app.run_test() as pilot:
        await settle(pilot)
        seen = {}
        for _ in runlist.ORDERS:
            seen[said(app, "#summary").split(" · ")[1]] = names(app)
            await pilot.press("s")
        assert seen == {
            "newest first": ["half", "large", "small"],
            "by name": ["half", "large", "small"],
            "by status": ["large", "small", "half"],
            "least scored first": ["half", "large", "small"],
            "best finding first": ["large", *seen["best finding first"][1:]],
        }
        assert said(app, "#summary") == "3 runs · newest first"


@pytest.mark.asyncio
async def test_keys_open_the_run_under_the_cursor(app: Opening) -> None:
    async with app.run_test() as pilot:
        await settle(pilot)
        await pilot.press("j", "enter", "m", "n", "2", "6")
        await settle(pilot)
        small = ids(app.db)["small"]
        assert app.opened == [
            ("RunScreen", small),
            ("MonitorScreen", small),
            ("NewSweepScreen", ""),
            ("NewSweepScreen", ""),
            ("CompareScreen", ()),
        ]


@pytest.mark.asyncio
async def test_chosen_runs_are_compared_in_the_order_of_the_list(app: Opening) -> None:
    async with app.run_test() as pilot:
        await settle(pilot)
        await pilot.press("c", "j", "space", "k", "space")
        assert [row_of(app, name)[0] for name in names(app)] == ["◆", "◆"]
        assert said(app, "#summary").endswith("2 chosen")
        await pilot.press("c", "space", "c")
        known = ids(app.db)
        assert app.opened == [
            ("CompareScreen", (known["large"],)),
            ("CompareScreen", (known["large"], known["small"])),
            ("CompareScreen", (known["large"],)),
        ]


@pytest.mark.asyncio
async def test_runs_are_deleted_once_that_is_confirmed(app: Opening) -> None:
    async with app.run_test() as pilot:
        await settle(pilot)
        await pilot.press("d")
        await pilot.pause()
        assert isinstance(app.screen, Confirm)
        await pilot.press("n")
        await settle(pilot)
        assert set(ids(app.db)) == {"large", "small"}
        await pilot.press("d", "y")
        await settle(pilot)
        assert names(app) == ["small"] == list(ids(app.db))
        await pilot.press("d", "y")
        await settle(pilot)
        assert "No run is stored yet" in said(app, "#empty")


@pytest.mark.asyncio
async def test_a_run_that_is_worked_on_is_not_deleted(
    app: Opening, working: Callable[[str], None]
) -> None:
    working(ids(app.db)["large"])
    async with app.run_test() as pilot:
        await settle(pilot)
        await pilot.press("d", "y")
        await settle(pilot)
        assert "cancel it first" in app.screen.query_one(Trouble).said
        assert names(app) == ["large", "small"]


@pytest.mark.asyncio
async def test_a_run_that_another_process_deleted_is_gone(app: Opening) -> None:
    async with app.run_test(size=(100, 40)) as pilot:
        await settle(pilot)
        await pilot.press("space")
        with Store(app.db) as store:
            store.remove(ids(app.db)["large"])
        app.on_database_changed(None)  # type: ignore[arg-type]
        await settle(pilot)
        assert names(app) == ["small"]
        assert said(app, "#summary") == "1 run · newest first"


@pytest.mark.asyncio
async def test_a_newcomer_needs_two_keys(no_database: Path) -> None:
    app = Opening(no_database)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert "Press n, then Enter" in said(app, "#empty")
        assert not app.screen.query_one(ItemTable).display
        await pilot.press("enter", "c", "d", "s", "m", "space", "n")
        assert app.opened == [("NewSweepScreen", FIRST_SWEEP)]
    assert state_of(no_database) == (None, None)


def test_the_first_sweep_is_a_sweep() -> None:
    spec = parse_sweep(FIRST_SWEEP, "the first sweep")
    assert yaml.safe_load(FIRST_SWEEP)["models"] == ["smollm2-135m"]
    assert spec.name == "first"


@pytest.mark.asyncio
async def test_the_first_run_of_another_process_appears(no_database: Path, two_runs: Path) -> None:
    app = Opening(no_database)
    async with app.run_test() as pilot:
        await settle(pilot)
        copy(two_runs, no_database)
        app.on_database_changed(None)  # type: ignore[arg-type]
        await settle(pilot)
        assert names(app) == ["large", "small"]
        await pilot.press("j")
        assert app.focused is app.screen.query_one(ItemTable)


@pytest.mark.asyncio
async def test_a_damaged_database_is_said_until_it_is_mended(database: Path) -> None:
    copy(database, database.with_name("good.db"))
    copy(Path(__file__), database)
    app = Opening(database)
    async with app.run_test() as pilot:
        await settle(pilot)
        assert "is not an llprobe database: name another file" in app.screen.query_one(Trouble).said
        assert "see below" in said(app, "#empty")
        await pilot.press("n")
        assert app.opened == [("NewSweepScreen", "")]
        copy(database.with_name("good.db"), database)
        app.on_database_changed(None)  # type: ignore[arg-type]
        await settle(pilot)
        assert not app.screen.query_one(Trouble).display
        assert names(app) == ["large", "small"]


@pytest.mark.asyncio
async def test_a_high_screen_shows_the_curves_of_the_run(app: Opening) -> None:
    async with app.run_test(size=(100, 40)) as pilot:
        await settle(pilot)
        lines = str(app.screen.query_one(Chart).visual).splitlines()
        assert [line.split()[0] for line in lines[1:]] == ["calculation", "facts"]
        await pilot.resize_terminal(100, 20)
        await settle(pilot)
        assert not app.screen.query_one("#preview").display


@pytest.mark.asyncio
@pytest.mark.parametrize("size", [(40, 10), (20, 4)])
async def test_the_list_lives_at_any_size(app: Opening, size: tuple[int, int]) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.resize_terminal(*size)
        await settle(pilot)
        await pilot.press("j", "space", "s", "d")
        await settle(pilot)
        assert isinstance(app.screen, Confirm)
        await pilot.resize_terminal(80, 24)
        await pilot.press("escape")
        await settle(pilot)
        assert isinstance(app.screen, HomeScreen)


def _row(**more: Any) -> dict[str, Any]:
    usual = {
        "run": "0123456789abcdef", "name": "", "status": "done", "models": ["m"], "tasks": ["t"],
        "lenses": ["norm"], "done": 3, "items": 3, "cells_failed": 0, "updated": "", "tags": [],
        "note": "",
    }  # fmt: skip
    return usual | more


def _cells(row: dict[str, Any], best: Best | None = None, width: int = 80) -> list[str]:
    cells = cells_of(row, best, columns_of([row], width), chosen=True)
    return [str(cell) for cell in cells]


_RISING = Best("facts", 3, 0.5, 0.3, tuple(n / 30 for n in range(30)))


def test_long_names_are_cut_and_many_are_counted() -> None:
    row = _row(name="n" * 40, models=["a" * 30, "b"], tasks=["漢" * 30], done=1200, items=34000)
    mark, status, name, models, tasks, scored, best = _cells(row, _RISING)
    assert (mark, status, name, scored) == ("◆", "✓ done", "n" * 40, "1,200/34,000")
    columns = columns_of([row], 80)
    widths = (columns.status, columns.name, columns.models, columns.tasks, columns.scored)
    assert sum(widths) + columns.best + 6 + 4 == 80
    assert models.endswith("a… +1")
    assert tasks.endswith("漢…")
    assert cell_len(models) == columns.models
    assert cell_len(tasks) <= columns.tasks
    assert best.split()[:2] == ["50%", "L3"]
    assert len(best.split()[2]) == 10
    assert _cells(_row())[6] == "–"
    assert _cells(_row())[2] == "01234567"


@pytest.mark.parametrize("width", [80, 100, 200])
def test_every_column_has_room(width: int) -> None:
    row = _row(
        name="a sweep with a long name", models=["smollm2-135m", "smollm2-135m:Q2_K"],
        tasks=["calculation", "facts"], tags=["baseline", "four-shots"], status="interrupted",
        done=1200, items=34000,
    )  # fmt: skip
    columns = columns_of([row], width)
    assert min(columns.name, columns.tags, columns.models, columns.tasks) >= 6
    assert columns.best >= 12
    whole = sum(getattr(columns, each.name) for each in fields(columns))
    assert whole + 7 + 4 == width
    assert columns_of([row | {"tags": []}], width).tags == 0
    cells = _cells(row, _RISING, width)
    assert cells[3].startswith("bas" if width < 200 else "baseline, four-shots")


def test_failed_cells_of_a_run_that_goes_on_are_counted() -> None:
    assert _cells(_row(status="running", cells_failed=2))[1] == "▶ running 2✗"
    assert _cells(_row(status="failed", cells_failed=2))[1] == "✗ failed"
    assert _cells(_row(status="planned"))[1] == "· planned"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("", "abc"),
        ("alpha", "a"),
        ("PAPER run", "a"),
        ("norm calc", "bc"),
        ("none of these", ""),
        ("tag:b", "ab"),
        ("tag:base", "a"),
        ("tag:ase", ""),
        ("tag:", "ab"),
        ("tag:phase:1", "b"),
        ("tag:b tag:phase", "b"),
        ("status:d", "ab"),
        ("status:one", ""),
        ("model:tiny", "bc"),
        ("model:tiny task:calc status:fail", "c"),
        ("name:ALPHA", "a"),
        ("lens:paper", "a"),
        ("note:shots", "c"),
        ("shots", ""),
        ("baseline", "a"),
        ("foo:x", ""),
        ("q2:x", "c"),
    ],
)
def test_words_of_a_filter_are_joined_by_and(text: str, kept: str) -> None:
    rows = [
        _row(run="a", name="Alpha run", lenses=["paper"], tags=["baseline"], tasks=["facts"]),
        _row(run="b", name="two", models=["tiny"], tags=["best", "phase:1"], tasks=["calc"]),
        _row(
            run="c", name="q2:x", models=["Tiny2"], status="failed", tasks=["calc"], note="4 Shots"
        ),
    ]
    assert "".join(row["run"] for row in filtered(rows, text)) == kept


def test_the_help_says_every_key_of_the_filter() -> None:
    assert all(f"`{key}:x`" in HomeScreen.HELP for key in KEYS)


def test_filters_and_orders_do_without_findings() -> None:
    rows = [_row(run="b", name="Two", lenses=["paper"]), _row(run="a", status="odd")]
    assert [row["run"] for row in filtered(rows, " PAPER two ")] == ["b"]
    assert filtered(rows, "none of these") == []
    by_order: dict[str, Sequence[str]] = {
        order: [row["run"] for row in ordered(rows, order, {})] for order in runlist.ORDERS
    }
    assert by_order["by name"] == ["b", "a"]
    assert by_order["by status"] == ["b", "a"]
    assert by_order["best finding first"] == ["b", "a"]


@pytest.mark.asyncio
async def test_the_footer_has_room_at_80(app: Opening) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        footer = app.screen.query_one(Footer)
        assert footer.max_scroll_x == 0
        assert len(footer.query(FooterKey)) >= 8
        await press(pilot, "d")  # below a dialog there is a way back too
        assert footer.max_scroll_x == 0


# --- tags and notes -----------------------------------------------------------------------------


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


@pytest.mark.asyncio
async def test_of_many_runs_only_those_on_the_screen_are_drawn(
    app: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [_row(run=f"{n:016x}", name=f"run-{n}", updated=str(n)) for n in range(2000)]
    asked: list[str] = []

    def count(row: dict[str, Any], *rest: Any, **more: Any) -> Any:
        asked.append(row["name"])
        return cells_of(row, *rest, **more)

    monkeypatch.setattr(runlist, "read_rows", lambda _: rows)
    monkeypatch.setattr(runlist, "more_best", lambda _, wanted: {r["run"]: None for r in wanted})
    monkeypatch.setattr(home, "cells_of", count)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert app.screen.query_one(ItemTable).n_rows == 2000
        await press(pilot, "G", "s", "slash", *"run-19")
        assert said(app, "#summary").startswith("111 of 2000 runs · by name")
        assert names(app)[0] == "run-19"
        rounds = 40 * 24  # every key may draw the screen a few times
        assert len(set(asked)) < 200
        assert len(asked) < rounds
