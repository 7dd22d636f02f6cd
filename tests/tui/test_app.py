"""The application: pages and their trouble, help, palette, themes, the watch, start and demo."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clihelp import Cli
from makedemo import COMMAND, make
from rich.text import Text
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widgets import Input, Static
from textual.worker import WorkerFailed

from llprobe.errors import StoreError, UsageError
from llprobe.report import summaries
from llprobe.store import Store
from llprobe.tui.app import LlprobeApp
from llprobe.tui.commands import LlprobeCommands
from llprobe.tui.demo import demo_database
from llprobe.tui.help import HelpScreen, keys_of
from llprobe.tui.page import Page
from llprobe.tui.start import start
from llprobe.tui.themes import MONO, THEMES
from llprobe.tui.unexpected import unexpected
from llprobe.tui.watch import Watch
from llprobe.tui.widgets import Chart, Confirm, FilterBar, Rows, Trouble

ROOT = Path(__file__).resolve().parents[2]


class Asking(Page):
    """A page that asks nothing by itself."""

    TITLE = "Asking"
    HELP = "It asks *nothing* by itself."

    def __init__(self) -> None:
        super().__init__()
        self.refreshed = 0
        self.heard: list[str] = []

    def body(self) -> ComposeResult:
        yield FilterBar("words")
        yield Rows(id="rows")
        yield Chart(id="chart")

    def refresh_data(self) -> None:
        self.refreshed += 1

    def on_filter_bar_changed(self, event: FilterBar.Changed) -> None:
        self.heard.append(event.text)


async def settle(pilot: Pilot[None]) -> None:
    await pilot.pause()
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()


async def asking(pilot: Pilot[None]) -> Asking:
    page = Asking()
    await pilot.app.push_screen(page)
    await settle(pilot)
    return page


@pytest.fixture
def app(database: Path) -> LlprobeApp:
    return LlprobeApp(database)


@pytest.mark.asyncio
async def test_what_is_read_in_a_thread_comes_back_on_the_event_loop(app: LlprobeApp) -> None:
    async with app.run_test() as pilot:
        page, found = await asking(pilot), list[Any]()
        page.stored(lambda store: len(store.runs()), found.append, name="n")
        await settle(pilot)
        assert found == [2]


@pytest.mark.asyncio
async def test_a_later_question_makes_an_earlier_ones_answer_void(app: LlprobeApp) -> None:
    async with app.run_test() as pilot:
        page, found = await asking(pilot), list[str]()
        for answer in ("old", "new"):
            page.ask(lambda answer=answer: answer, found.append, name="same")  # type: ignore[misc]
        page.ask(lambda: "other", found.append, name="other")
        await settle(pilot)
        assert sorted(found) == ["new", "other"]


@pytest.mark.asyncio
async def test_errors_are_said_until_the_same_question_has_an_answer(app: LlprobeApp) -> None:
    def fail() -> None:
        raise UsageError("no such thing: name another")

    async with app.run_test() as pilot:
        page = await asking(pilot)
        panel = page.query_one(Trouble)
        page.ask(fail, lambda _: None, name="a")
        await settle(pilot)
        assert panel.display
        assert panel.said == "no such thing: name another"
        page.ask(lambda: None, lambda _: None, name="b")
        await settle(pilot)
        assert panel.display
        page.ask(lambda: None, lambda _: None, name="a")
        await settle(pilot)
        assert not panel.display


@pytest.mark.asyncio
async def test_escape_closes_the_trouble_then_the_filter_then_the_page(app: LlprobeApp) -> None:
    async with app.run_test() as pilot:
        page = await asking(pilot)
        await pilot.press("slash", "x")
        page.trouble(StoreError("the disk is full"))
        page.set_focus(page.query_one(Rows))
        await pilot.pause()
        await pilot.press("escape")
        assert not page.query_one(Trouble).display
        assert page.query_one(FilterBar).is_open
        await pilot.press("escape")
        assert not page.query_one(FilterBar).is_open
        assert app.screen is page
        await pilot.press("escape")
        await settle(pilot)
        assert app.screen is not page
        await pilot.press("escape")  # the first screen stays
        assert len(app.screen_stack) == 1


@pytest.mark.asyncio
async def test_a_page_that_is_left_hears_no_answer(app: LlprobeApp) -> None:
    found: list[bool] = []
    async with app.run_test() as pilot:
        page = await asking(pilot)
        left = threading.Event()
        page.ask(lambda: left.wait(5), found.append, name="a")
        await pilot.pause()
        await app.pop_screen()
        left.set()
        await settle(pilot)
    assert not found


@pytest.mark.asyncio
async def test_errors_that_nobody_foresaw_reach_a_test(app: LlprobeApp) -> None:
    async def ask_what_fails() -> None:
        async with app.run_test() as pilot:
            page = await asking(pilot)
            page.ask(lambda: 1 // 0, lambda _: None, name="a")
            await settle(pilot)

    with pytest.raises(WorkerFailed, match="division"):
        await ask_what_fails()


def test_errors_that_nobody_foresaw_are_written_down_for_a_user(tmp_path: Path) -> None:
    try:
        _ = 1 // 0
    except ZeroDivisionError as error:
        said = unexpected(error, tmp_path / "x.db")
    assert "ZeroDivisionError: " in said
    log = tmp_path / "logs" / "tui-errors.log"
    assert str(log) in said
    assert "Traceback" in log.read_text("utf-8")
    (tmp_path / "a file").touch()
    assert "could not be written" in unexpected(ValueError("x"), tmp_path / "a file" / "x.db")


@pytest.mark.asyncio
async def test_the_filter_says_what_is_typed_and_gives_the_focus_back(app: LlprobeApp) -> None:
    async with app.run_test() as pilot:
        page = await asking(pilot)
        rows = page.query_one(Rows)
        rows.fill(["a"], {"1": ["x"]})
        rows.focus()
        await pilot.press("slash", *"q1")
        assert isinstance(app.focused, Input)
        await pilot.press("enter")
        assert app.focused is rows
        assert page.query_one(FilterBar).is_open
        await pilot.press("slash", "escape")
        await pilot.pause()
        assert page.heard == ["q", "q1", ""]
        assert app.focused is rows
        assert not page.query_one(FilterBar).is_open
        assert app.screen is page


@pytest.mark.asyncio
async def test_rows_keep_their_cursor_over_changes(app: LlprobeApp) -> None:
    async with app.run_test() as pilot:
        page = await asking(pilot)
        rows = page.query_one(Rows)
        assert rows.current == ""
        rows.fill(["name", "n"], {k: [k, "1"] for k in "abc"})
        rows.focus()
        await pilot.press("j", "j")
        assert rows.current == "c"
        await pilot.press("k")
        rows.fill(["name", "n"], {k: [k, "2"] for k in "abc"})
        assert (rows.current, rows.get_row("b")) == ("b", ["b", "2"])
        rows.fill(["name", "n"], {k: [k, "1"] for k in "xab"})
        assert rows.current == "b"
        rows.fill(["name"], {k: [k] for k in "xa"})
        assert rows.current == "a"
        await pilot.press("g")
        assert rows.current == "x"
        await pilot.press("G")
        assert rows.current == "a"
        rows.fill(["name"], {})
        assert rows.current == ""


@pytest.mark.asyncio
async def test_a_chart_fills_its_room_and_is_drawn_again(app: LlprobeApp, database: Path) -> None:
    with Store(database) as store:
        figure = _figure(store)
    async with app.run_test(size=(100, 30)) as pilot:
        page = await asking(pilot)
        chart = page.query_one(Chart)
        chart.draw(figure)
        await pilot.pause()
        before = str(chart.visual)
        assert max(map(len, before.splitlines())) <= chart.content_size.width
        assert len(before.splitlines()) <= chart.content_size.height
        await pilot.resize_terminal(60, 30)
        await pilot.pause()
        after = str(chart.visual)
        assert after != before
        assert max(map(len, after.splitlines())) <= 60
        chart.show([Text("one"), Text("two")])
        assert str(chart.visual) == "one\ntwo"


def _figure(store: Store) -> Any:
    from llprobe.plots import Wish, gather

    return gather("curves", store, [store.find_run("large")], Wish(task="facts"))


@pytest.mark.parametrize(
    ("keys", "answer"), [("y", True), ("n", False), ("escape", False), ("enter", False)]
)
@pytest.mark.asyncio
async def test_a_question_is_answered_by_keys(app: LlprobeApp, keys: str, answer: bool) -> None:
    found: list[bool | None] = []
    async with app.run_test() as pilot:
        app.push_screen(Confirm("Delete [all] of it?", "Delete"), found.append)
        await pilot.pause()
        await pilot.press(keys)
        await pilot.pause()
    assert found == [answer]


@pytest.mark.asyncio
async def test_help_names_the_page_and_its_keys(app: LlprobeApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        page = await asking(pilot)
        said = keys_of(page).plain
        assert [word for word in ("/  Filter", "?  Help", "q  Quit") if word not in said] == []
        await pilot.press("question_mark")
        await pilot.pause()
        assert isinstance(app.screen, HelpScreen)
        await pilot.press("G", "g", "j", "k", "question_mark")
        await settle(pilot)
        assert app.screen is page


@pytest.mark.asyncio
async def test_the_palette_has_every_screen_action_and_theme(app: LlprobeApp) -> None:
    async with app.run_test() as pilot:
        page = await asking(pilot)
        provider = LlprobeCommands(page)
        offered = {str(hit.display): hit async for hit in provider.discover()}
        assert {"Go: Models", "Here: Filter", "Theme: mono"} <= set(offered)
        app.call_later(offered["Here: Filter"].command)
        app.call_later(offered["Theme: mono"].command)
        await settle(pilot)
        assert page.query_one(FilterBar).is_open
        assert app.theme == "mono"
        found = [str(hit.text) async for hit in provider.search("theme light")]
        assert found[0] == "Theme: light"


@pytest.mark.parametrize("theme", sorted(THEMES))
@pytest.mark.asyncio
async def test_each_theme_can_be_shown(database: Path, theme: str) -> None:
    app = LlprobeApp(database, theme=theme)
    async with app.run_test() as pilot:
        await settle(pilot)
        assert app.current_theme is THEMES[theme]


@pytest.mark.asyncio
async def test_no_color_gives_the_theme_without_colours(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = LlprobeApp(database)
    async with app.run_test() as pilot:
        await settle(pilot)
        assert app.theme == MONO.name
        colours = {
            colour.triplet
            for strip in app.screen._compositor.render_strips()
            for segment in app_filtered(app, strip)
            for colour in (segment.style.color, segment.style.bgcolor)
            if colour is not None and colour.triplet is not None
        }
    assert colours
    assert {len(set(triplet)) for triplet in colours} == {1}


def app_filtered(app: App[None], strip: Any) -> list[Any]:
    for each in app.get_line_filters():
        strip = strip.apply_filter(each, app.screen.styles.background)
    return list(strip)


@pytest.mark.asyncio
async def test_the_page_that_is_seen_hears_of_changes(app: LlprobeApp, database: Path) -> None:
    async with app.run_test() as pilot:
        page = await asking(pilot)
        heard = asyncio.Event()
        page.refresh_data = heard.set  # type: ignore[method-assign]
        with Store(database) as store:
            store.remove(store.find_run("small"))
        await asyncio.wait_for(heard.wait(), 5)


@pytest.mark.asyncio
async def test_changes_wait_for_what_is_being_read(app: LlprobeApp) -> None:
    async with app.run_test() as pilot:
        page, seen = await asking(pilot), list[int]()
        before = page.refreshed
        page.ask(lambda: None, lambda _: seen.append(page.refreshed), name="slow")
        page._asking += 1  # as while it is read
        page.database_changed()
        page.database_changed()
        page._asking -= 1
        await settle(pilot)
        assert seen == [before]
        assert page.refreshed == before + 1


def test_the_watch_sees_writes_and_no_reads(database: Path) -> None:
    watch = Watch(database, lambda: None)
    assert not watch.look()
    with Store(database, create=False) as store:
        assert store.runs()
        assert not watch.look()
        store.ask(store.find_run("small"), "pause")
        assert watch.look()
        assert not watch.look()
    watch.look()  # the log may be folded into the database as it is closed
    with Store(database, create=False) as store:
        assert store.runs()
    assert not watch.look()
    database.unlink()
    assert watch.look()


def test_the_watch_asks_again_while_somebody_may_have_died(
    database: Path, working: Callable[[str], None]
) -> None:
    watch = Watch(database, lambda: None)
    assert sum(watch.look() for _ in range(30)) == 0
    with Store(database, create=False) as store:
        working(store.find_run("small"))
    watch.look()
    assert sum(watch.look() for _ in range(30)) == 3


def test_the_demo_is_a_copy_that_can_be_browsed() -> None:
    with demo_database() as path:
        with Store(path, create=False) as store:
            (run,) = store.runs()
            found = summaries(store, run.id)
        assert run.command == "llprobe sweep run docs/example/sweep.yaml"
        assert run.status == "done"
        assert {s.cell.model for s in found} == {"smollm2-135m", "smollm2-135m:Q2_K"}
        assert len(found) == 12
    assert not path.exists()


def test_the_demo_tells_nothing_of_the_machine_that_made_it() -> None:
    bundled = ROOT / "tui" / "demo.db"
    assert bundled.stat().st_size < 400_000
    with sqlite3.connect(bundled) as db:
        told = "\n".join(db.iterdump())
    assert "/root" not in told
    assert "/home" not in told


def test_the_demo_can_be_made_again(tmp_path: Path, database: Path) -> None:
    with sqlite3.connect(database) as db:
        db.execute("UPDATE cells SET model = 'smollm2-135m' WHERE model = 'small'")
    db.close()
    make(database, tmp_path / "demo.db", 5)
    with Store(tmp_path / "demo.db", create=False) as store:
        runs = {run.name: run for run in store.runs()}
        found = summaries(store, runs["small"].id)
        scores = list(store.scores(found[0].cell.id))
    assert runs["small"].command == COMMAND
    assert {s.curve.n_items for s in found} == {5}
    assert [score.index for score in scores] == list(range(5))


@pytest.mark.asyncio
async def test_a_demo_says_so(database: Path) -> None:
    app = LlprobeApp(database, demo=True)
    async with app.run_test() as pilot:
        await settle(pilot)
        assert str(app.screen.query_one("#head", Static).visual).endswith("demo")


def test_the_command_refuses_what_it_cannot_show(tmp_path: Path) -> None:
    cli = Cli(tmp_path)
    assert "needs a terminal" in cli("tui").line
    done = cli("tui", "--theme", "lght")
    assert done.code == 2
    assert "light" in done.line


def test_the_interface_starts_on_a_database_or_the_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[Path, bool, str]] = []

    def run(app: LlprobeApp) -> None:
        opened.append((app.db, app.demo, app.theme))

    monkeypatch.setattr(LlprobeApp, "run", run)
    start(tmp_path / "x.db", "light")
    start(None)
    assert opened[0] == (tmp_path / "x.db", False, "light")
    assert opened[1][1:] == (True, "dark")


@pytest.mark.parametrize("size", [(40, 10), (200, 60)])
@pytest.mark.asyncio
async def test_pages_live_at_any_size(app: LlprobeApp, size: tuple[int, int]) -> None:
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        await pilot.press("slash", "x")
        await pilot.resize_terminal(*size)
        await settle(pilot)
        await pilot.press("escape", "question_mark")
        await pilot.pause()
        await pilot.resize_terminal(80, 24)
        await settle(pilot)
        assert app.is_running
