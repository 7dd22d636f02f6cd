"""The tasks screen: the list, questions as a model gets them, and mistakes in task files."""

from contextlib import suppress
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Select, Static
from textual.worker import WorkerCancelled

from llprobe.report.tasks import named_tasks, task_rows
from llprobe.task import TaskRequest, load_questions
from llprobe.tui.app import LlprobeApp
from llprobe.tui.itemtable import ItemTable
from llprobe.tui.screens.questions import QuestionsScreen
from llprobe.tui.screens.tasks import TasksScreen
from llprobe.tui.widgets import Rows, Trouble

YAML = """\
task: mine
output_type: multiple_choice
doc_to_text: "Q: {{q}}\\nA:"
doc_to_choice: options
doc_to_target: answer
llprobe:
  data: rows.jsonl
"""
ROW = '{"q": "one?", "options": ["aa", "bb"], "answer": 0}\n'


async def settled(pilot: Pilot[None]) -> None:
    """Wait until nothing is read any more, and what was read is drawn."""
    for _ in range(3):
        with suppress(WorkerCancelled):
            await pilot.app.workers.wait_for_complete()
        await pilot.pause()


async def opened(pilot: Pilot[None]) -> TasksScreen:
    app = pilot.app
    assert isinstance(app, LlprobeApp)
    app.open_tasks()
    await settled(pilot)
    assert isinstance(app.screen, TasksScreen)
    return app.screen


async def asked(pilot: Pilot[None], task: str) -> QuestionsScreen:
    """Open a task's questions."""
    pilot.app.push_screen(QuestionsScreen(task))
    await settled(pilot)
    assert isinstance(pilot.app.screen, QuestionsScreen)
    return pilot.app.screen


def names(screen: TasksScreen) -> list[str]:
    return [str(key.value) for key in screen.query_one(Rows).rows]


def text(screen: QuestionsScreen | TasksScreen, where: str) -> str:
    return str(screen.query_one(where, Static).content)


def trouble(screen: QuestionsScreen | TasksScreen) -> str:
    return screen.query_one(Trouble).said


@pytest.mark.asyncio
async def test_tasks_and_groups_are_listed_with_chance_and_numbers(no_database: Path) -> None:
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        rows = screen.query_one(Rows)
        assert rows.get_row("task facts")[2:5] == ["448", "10.0%", "4"]
        assert rows.get_row("task lama")[2:4] == ["–", "–"]
        assert "group paper" in names(screen)
        rows.move_cursor(row=rows.get_row_index("task facts"))
        await pilot.pause()
        assert text(screen, "#what").startswith("facts: cloze")


@pytest.mark.asyncio
async def test_a_group_is_opened_and_left(no_database: Path) -> None:
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        everything = names(screen)
        rows = screen.query_one(Rows)
        rows.move_cursor(row=rows.get_row_index("group paper"))
        await pilot.press("enter")
        await settled(pilot)
        assert 0 < len(names(screen)) < len(everything)
        assert "task calculation" in names(screen)
        await pilot.press("escape")
        await settled(pilot)
        assert names(screen) == everything


@pytest.mark.asyncio
async def test_tasks_are_filtered(no_database: Path) -> None:
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await pilot.press("slash", *"xmps_c")
        await pilot.pause()
        assert names(screen) == ["task xmps_cal", "group paper"]  # the group names its tasks


@pytest.mark.asyncio
async def test_a_question_is_shown_exactly_as_it_is_asked(no_database: Path) -> None:
    questions = load_questions(TaskRequest("calculation"))
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        rows = screen.query_one(Rows)
        rows.move_cursor(row=rows.get_row_index("task calculation"))
        await pilot.press("enter")
        await settled(pilot)
        page = pilot.app.screen
        assert isinstance(page, QuestionsScreen)
        await pilot.press("j", "j")
        await settled(pilot)
        item = questions.items[2]
        shown = text(page, "#text")
        assert questions.preamble + item.prompt + "\n" in shown
        assert f'* {item.best}  "{item.choices[item.best]}"' in shown
        assert shown.count("\n* ") == 1
        await pilot.press("escape")
        assert pilot.app.screen is screen


@pytest.mark.asyncio
async def test_shots_and_settings_are_applied(no_database: Path) -> None:
    async with LlprobeApp(no_database).run_test(size=(140, 40)) as pilot:
        page = await asked(pilot, "xmps_cal")
        assert text(page, "#state").startswith("xmps_cal: 880 questions")
        language = next(
            i for i in page.query("#settings Input").results(Input) if i.name == "language"
        )
        assert language.placeholder == "es,fr,zh,th"
        language.value = "fr"
        page.query_one("#shots", Input).value = "0"
        language.focus()
        await pilot.press("enter")
        await settled(pilot)
        assert text(page, "#state").startswith("xmps_cal: 220 questions")
        assert text(page, "#text").count("Q: ") == 1
        language.value = "xx"
        await pilot.press("enter")
        await settled(pilot)
        assert "xx" in trouble(page)
        assert text(page, "#state").startswith("no questions")
        language.value = ""
        await pilot.press("enter")
        await settled(pilot)
        assert trouble(page) == ""
        assert text(page, "#state").startswith("xmps_cal: 880 questions")


@pytest.mark.asyncio
async def test_letters_are_asked_for(no_database: Path) -> None:
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        page = await asked(pilot, "calculation")
        page.query_one(Select).value = "letter"
        await settled(pilot)
        assert '"␣A"'.replace("␣", " ") in text(page, "#text")


@pytest.mark.asyncio
async def test_a_task_without_data_says_what_to_do(no_database: Path, tmp_path: Path) -> None:
    data = tmp_path / "own.jsonl"
    data.write_text('{"id": "q1", "prompt": "the city", "choices": [" a", " b"], "correct": [1]}\n')
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        page = await asked(pilot, "prompts")
        assert "needs a data file" in trouble(page)
        field = page.query_one("#data", Input)
        field.value = str(data)
        field.focus()
        await pilot.press("enter")
        await settled(pilot)
        assert trouble(page) == ""
        assert "the city" in text(page, "#text")
        assert '* 1  " b"' in text(page, "#text")


@pytest.mark.asyncio
async def test_questions_are_filtered_and_read_whole(no_database: Path) -> None:
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        page = await asked(pilot, "calculation")
        await pilot.press("slash", *"int/5-6/mul", "enter")
        await settled(pilot)
        assert page.query_one(ItemTable).n_rows == 10
        assert "group int/5-6/mul" in text(page, "#text")
        await pilot.press("enter")
        await settled(pilot)
        assert page.query_one(ItemTable).display is False
        end = page.query_one("#prompt").scroll_y
        await pilot.press("k")
        await pilot.pause()
        assert page.query_one("#prompt").scroll_y < end
        await pilot.press("escape")
        await settled(pilot)
        assert page.query_one(ItemTable).display is True
        assert pilot.app.screen is page


def written(folder: Path, yaml: str, rows: str) -> Path:
    (folder / "rows.jsonl").write_text(rows, encoding="utf-8")
    path = folder / "mine.yaml"
    path.write_text(yaml, encoding="utf-8")
    return path


async def validated(pilot: Pilot[None], path: str) -> None:
    """Have a file validated."""
    await pilot.press("v")
    await pilot.pause()
    pilot.app.screen.query_one(Input).value = path
    await pilot.press("enter")
    await settled(pilot)


@pytest.mark.asyncio
async def test_every_mistake_of_a_file_is_listed(no_database: Path, tmp_path: Path) -> None:
    rows = (
        ROW + '{"q": "two?", "options": ["aa"], "answer": 0}\n' + '{"q": "three?", "answer": 0}\n'
    )
    path = written(tmp_path, YAML, rows)
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await validated(pilot, str(path))
        found = text(screen, "#mistakes").splitlines()
        assert found[0] == f"{path}: 2 mistakes"
        assert ["line 2" in found[1], "line 3" in found[2]] == [True, True]
        await pilot.press("escape")
        await pilot.pause()
        assert screen.query_one("#found").display is False
        assert pilot.app.screen is screen


@pytest.mark.asyncio
async def test_a_file_without_mistakes_is_said(no_database: Path, tmp_path: Path) -> None:
    path = written(tmp_path, YAML, ROW)
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await validated(pilot, str(path))
        assert text(screen, "#mistakes") == f"✓ {path} has no mistakes: 1 questions"


@pytest.mark.asyncio
async def test_a_file_that_is_not_there_is_said(no_database: Path) -> None:
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await validated(pilot, "nowhere.yaml")
        said = trouble(screen) + text(screen, "#mistakes")
        assert "nowhere.yaml" in said


def test_names_come_before_they_are_counted() -> None:
    first = task_rows(named_tasks())
    counted = task_rows()
    assert [(row["kind"], row["name"]) for row in first] == [
        (row["kind"], row["name"]) for row in counted
    ]
    assert {row["questions"] for row in first} == {None}
    assert [row["about"] for row in first] == [row["about"] for row in counted]
