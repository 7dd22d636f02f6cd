"""Runs that are empty or odd: what is said of them on every tab, and what stays where it was."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import CALC, FACTS, begin, model, plan, share
from madeup import fill
from settled import press, said, settle
from textual.pilot import Pilot
from textual.widgets import Static, TabbedContent

from llprobe.events import GroupScored, ItemAnswer, JobStarted
from llprobe.plan import Plan
from llprobe.store import Store
from llprobe.task import Skipped, TaskRequest
from llprobe.tui.app import LlprobeApp
from llprobe.tui.itemtable import ItemTable
from llprobe.tui.screens.run import RunScreen
from llprobe.tui.screens.run.tab import Scroll
from llprobe.tui.widgets.trouble import Trouble

WHERE = {"layers": "#curves", "heat": "#heatmap", "items": "#chosen", "findings": "#missing"}
"""Tabs, and where each says that there is nothing."""
CURVE = (0.2, 0.3, 0.5, 0.7, 0.85, 0.8)


async def opened(pilot: Pilot[Any], run: str) -> RunScreen:
    app = pilot.app
    assert isinstance(app, LlprobeApp)
    await settle(pilot)
    app.open_run(run)
    await settle(pilot)
    assert isinstance(app.screen, RunScreen)
    return app.screen


async def to(pilot: Pilot[Any], tab: str) -> None:
    pilot.app.screen.query_one("#tabs", TabbedContent).active = tab
    await settle(pilot)


def flat(text: str) -> str:
    return " ".join(text.split())


async def told(pilot: Pilot[Any], page: RunScreen) -> set[str]:
    """Give what the tabs say where there is nothing; the table of groups too."""
    found = set()
    for tab, where in WHERE.items():
        await to(pilot, tab)
        found.add(flat(said(page, where)))
    await to(pilot, "groups")
    table = page.query_one("#grouprows", ItemTable)
    found.add(flat(table.render_line(1).text))
    assert not page.query_one(Trouble).said
    return found


def one(database: Path, name: str) -> Plan:
    return plan([model(database.parent, name)], [CALC], name, lenses=("norm",))


@pytest.mark.asyncio
async def test_a_run_of_which_nothing_is_scored(database: Path) -> None:
    planned = one(database, "empty")
    with Store(database) as store:
        begin(store, planned)
        store.end(planned.id, "paused")
    async with LlprobeApp(database).run_test(size=(140, 40)) as pilot:
        page = await opened(pilot, "empty")
        said_ = await told(pilot, page)
        assert said_ == {"nothing is scored, and the run is paused: go on with it on its monitor"}
        await press(pilot, "p")
        assert pilot.app.screen is page


@pytest.mark.asyncio
async def test_a_cell_that_was_skipped_whole(database: Path) -> None:
    planned = one(database, "long")
    cell = planned.cells[0]
    skipped = tuple(
        Skipped(item.id, "needs 900 tokens of context, 512 are there")
        for item in cell.questions.items
    )
    with Store(database) as store:
        store.begin(planned, "llprobe run")
        store.start_job(JobStarted((cell.id,), 0, 0, 0, skipped))
        store.finish_cells([cell.id], {})
        store.end(planned.id, "done")
    async with LlprobeApp(database).run_test(size=(140, 40)) as pilot:
        page = await opened(pilot, "long")
        (only,) = await told(pilot, page)
        assert "all items were skipped" in only
        assert "needs 900 tokens" in only
        await to(pilot, "findings")
        assert "needs 900 tokens" in said(page, ".said")


@pytest.mark.asyncio
async def test_a_cell_that_failed_says_why(database: Path) -> None:
    planned = one(database, "broken")
    with Store(database) as store:
        begin(store, planned)
        store.fail_cells([planned.cells[0].id], "broken: the worker died of SIGKILL: killed")
        store.end(planned.id, "failed")
    async with LlprobeApp(database).run_test(size=(140, 40)) as pilot:
        page = await opened(pilot, "broken")
        (only,) = await told(pilot, page)
        assert only == "nothing is scored: it failed; broken: the worker died of SIGKILL: killed"
        await to(pilot, "findings")
        assert "failed on broken: broken: the worker died" in said(page, ".said")


@pytest.fixture
def essays(database: Path) -> Plan:
    """Store a run in which the model wrote answers: every other one is right."""
    request = TaskRequest("calculation", limit=6, answer="generate")
    planned = plan([model(database.parent, "essays")], [request], "essays", lenses=("norm",))
    cell = planned.cells[0]
    with Store(database) as store:
        begin(store, planned)
        answers = tuple(
            ItemAnswer(n, 3, item.choices[item.best] if n % 2 else "no idea\x1b[2J", n != 2)
            for n, item in enumerate(cell.questions.items)
        )
        store.add_group(GroupScored(cell.id, 0, answers, len(answers)))
        store.finish_cells([cell.id], {})
        store.end(planned.id, "done")
    return planned


@pytest.mark.asyncio
async def test_written_answers_have_a_tab_of_their_own(database: Path, essays: Plan) -> None:
    async with LlprobeApp(database).run_test(size=(100, 30)) as pilot:
        page = await opened(pilot, "essays")
        tabs = page.query_one("#tabs", TabbedContent)
        assert tabs.get_tab("written").display
        assert "see Written" in said(page, "#curves")
        await press(pilot, "left_square_bracket", "left_square_bracket")
        assert tabs.active == "written"
        assert "of 6 answers 50.0% as it is written" in flat(said(page, "#writtenby"))
        assert "1 cut by the limit of tokens" in flat(said(page, "#writtenby"))
        table = page.query_one("#writtenrows", ItemTable)
        rows = [table.render_line(n).text for n in range(1, 7)]
        assert [row[2] for row in rows] == ["✗", "✓", "✗", "✓", "✗", "✓"]
        assert "no idea\ufffd[2J" in said(page, "#answer")
        await press(pilot, "j")
        item = essays.cells[0].questions.items[1]
        assert item.choices[item.best].strip() in said(page, "#answer")
        assert item.prompt.splitlines()[0] in said(page, "#answer")
        await to(pilot, "findings")
        assert "Written answers" in said(page, ".said")
        assert "50.0% as it is written" in said(page, ".said")
        assert not page.query_one(Trouble).said


@pytest.mark.asyncio
async def test_runs_without_written_answers_have_no_such_tab(database: Path) -> None:
    async with LlprobeApp(database).run_test(size=(100, 30)) as pilot:
        page = await opened(pilot, "large")
        tabs = page.query_one("#tabs", TabbedContent)
        assert not tabs.get_tab("written").display
        await press(pilot, "left_square_bracket")
        assert tabs.active == "settings"
        await press(pilot, "left_square_bracket")
        assert tabs.active == "findings"


@pytest.mark.asyncio
@pytest.mark.parametrize(("tab", "where"), [("findings", Scroll), ("settings", Scroll)])
async def test_what_is_read_stays_where_it_is_while_a_run_grows(
    database: Path, tab: str, where: type[Scroll]
) -> None:
    planned = plan([model(database.parent, "grows")], [CALC, FACTS], "grows", lenses=("norm",))
    with Store(database) as store:
        begin(store, planned)
        fill(store, replace(planned, cells=planned.cells[:1]), share(CURVE))
    async with LlprobeApp(database).run_test(size=(60, 12)) as pilot:
        page = await opened(pilot, "grows")
        await to(pilot, tab)
        scroll = page.query_one(f"#{tab}").query_one(where)
        await press(pilot, "j", "j", "j", "j")
        before, text = scroll.scroll_y, str(scroll.query(Static).first().render())
        assert before > 0
        with Store(database) as store:
            fill(store, replace(planned, cells=planned.cells[1:]), share(CURVE))
        page.refresh_data()
        await settle(pilot)
        assert str(scroll.query(Static).first().render()) != text
        assert scroll.scroll_y == before
