"""Planning a sweep: the form and the YAML are the same, and what both come to is said."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from clihelp import tiny_model, write_questions
from settled import settle
from sweeps import EVERYTHING, GIB, KNOWN
from textual.pilot import Pilot
from textual.widgets import Checkbox, Input, Static, Tabs, TextArea

from llprobe.report.itemview import ItemView, as_text
from llprobe.store import Store
from llprobe.sweep import parse_sweep, requests_of
from llprobe.task import load_questions
from llprobe.tui.app import LlprobeApp
from llprobe.tui.screens.newsweep import NewSweepScreen, choices, draft, page, planning, starting
from llprobe.tui.screens.newsweep.dialogs import Prompt
from llprobe.tui.screens.newsweep.fields import FieldLine
from llprobe.tui.screens.newsweep.picks import Picks
from llprobe.tui.screens.newsweep.preview import preview
from llprobe.tui.widgets import Confirm, FilterBar, Trouble


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """See no model of this machine, know a few names, and wait for nothing."""
    monkeypatch.setenv("LLPROBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LLPROBE_THREADS", "1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(page, "choices", lambda: KNOWN)
    monkeypatch.setattr(NewSweepScreen, "WAIT", 0.0)


@pytest.fixture
def tiny(tmp_path: Path) -> str:
    """Give a sweep of a tiny model."""
    model = tiny_model(tmp_path)
    questions = write_questions(tmp_path / "q.jsonl", 6)
    return (
        f"name: tiny\nmodels: [{model}]\ntasks: [prompts]\ndata: {questions}\n"
        "engine: {threads: 1, batch: 16}\n"
    )


async def opened(pilot: Pilot[Any], spec: str = "") -> NewSweepScreen:
    screen = NewSweepScreen(spec)
    await pilot.app.push_screen(screen)
    await settle(pilot)
    return screen


def said(screen: NewSweepScreen, of: str = "#plan") -> str:
    return str(screen.query_one(of, Static).content)


def typed(screen: NewSweepScreen, key: str) -> str:
    return screen.query_one(f"#field-{key} Input", Input).value


@pytest.mark.asyncio
async def test_an_empty_one_is_ready_to_run(
    no_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[Any, ...]] = []
    monkeypatch.setattr(starting, "start", lambda *of: started.append(of) or 1)
    app = LlprobeApp(no_database)
    monitored: list[str] = []
    async with app.run_test(size=(80, 24)) as pilot:
        monkeypatch.setattr(app, "open_monitor", monitored.append)
        screen = await opened(pilot)
        assert screen.focused is not None
        assert screen.focused.id == "run"
        assert yaml.safe_load(screen.query_one(TextArea).text) == draft.first_draft()
        assert said(screen) == (
            "20 questions of 1 name\n"
            "smollm2-135m is not here (98 MB): running the sweep downloads it first"
        )
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(app.screen, Confirm)
        await pilot.press("y")
        await settle(pilot)
    ((db, spec, pull),) = started
    assert (db, spec.name, spec.limit, pull) == (no_database, "first", 20, ("smollm2-135m",))
    assert monitored == ["first"]


@pytest.mark.asyncio
async def test_the_form_writes_the_file(no_database: Path) -> None:
    app = LlprobeApp(no_database)
    async with app.run_test(size=(140, 40)) as pilot:
        screen = await opened(pilot)
        picks = screen.query_one("#models", Picks)
        picks.focus()
        await pilot.press("j", "j", "space", "g", "enter")
        await settle(pilot)
        assert screen.draft["models"] == ["mine:Q8_0"]
        screen.query_one("#field-quantize Input", Input).value = "Q4_K_M, q2_k"
        await pilot.pause()
        screen.query_one("#field-limit Input", Input).value = ""
        await pilot.pause()
        boxes = list(screen.query_one("#field-lenses", FieldLine).query(Checkbox))
        boxes[2].toggle()
        await pilot.pause()
        boxes[0].toggle()
        await settle(pilot)
        text = screen.query_one(TextArea).text
    assert yaml.safe_load(text) == {
        "name": "first",
        "models": [{"model": "mine:Q8_0", "quantize": ["Q4_K_M", "Q2_K"]}],
        "tasks": ["facts"],
        "lenses": ["raw"],
    }


@pytest.mark.asyncio
async def test_the_file_fills_the_form(no_database: Path) -> None:
    app = LlprobeApp(no_database)
    async with app.run_test(size=(140, 40)) as pilot:
        screen = await opened(pilot)
        area = screen.query_one(TextArea)
        area.load_text(EVERYTHING)
        await settle(pilot)
        assert screen.checked is not None
        assert screen.checked.spec == parse_sweep(EVERYTHING, draft.ORIGIN)
        assert typed(screen, "seeds") == "0, 3"
        assert typed(screen, "instruction") == "Answer: briefly, please"
        assert typed(screen, "set") == "per_group: 20, language: [es, fr]"
        boxes = screen.query_one("#field-answers", FieldLine).query(Checkbox)
        assert [box.value for box in boxes] == [True, False, True, False]
        assert area.text == EVERYTHING  # what a person writes stays as it is, comments too
        area.load_text(EVERYTHING.replace("[raw, norm]", "[raw, tuned]"))
        await settle(pilot)
        assert said(screen, "#mistakes").startswith("✗ line 8, lenses: no lens named 'tuned'")
        assert "mistakes" in said(screen)
        await pilot.press("ctrl+r")
        await settle(pilot)
        assert "no lens named 'tuned'" in screen.query_one(Trouble).said


@pytest.mark.asyncio
async def test_what_is_not_found_or_possible_is_said(no_database: Path, tiny: str) -> None:
    app = LlprobeApp(no_database)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, tiny + 'ablations: ["skip:7"]\n')
        assert said(screen).startswith("cannot be planned: ablation skip:7: this model has blocks")
        screen.query_one(TextArea).load_text(tiny.replace("tiny.gguf", "gone.gguf"))
        await settle(pilot)
        assert "gone.gguf does not exist" in said(screen)
        screen.query_one(TextArea).load_text(tiny + "lenses: [norm, raw]\nexclude: [{seed: 9}]\n")
        await settle(pilot)
        assert said(screen) == "2 cells, 12 items\nexclude seed=9 matches no cell"


@pytest.mark.asyncio
async def test_an_estimate_loads_the_model_in_a_child(no_database: Path, tiny: str) -> None:
    app = LlprobeApp(no_database)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, tiny)
        assert said(screen) == "1 cell, 6 items"
        await pilot.press("e")
        await settle(pilot)
        found = screen.planned
        assert found is not None
        assert found.estimated
        assert found.tokens
        assert found.memory
        assert f"{found.tokens:,} tokens" in said(screen)
        assert "of memory at most" in said(screen)


@pytest.mark.asyncio
async def test_lists_are_filtered_and_keep_what_is_taken(no_database: Path) -> None:
    app = LlprobeApp(no_database)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await pilot.press("l")
        await settle(pilot)
        assert screen.query_one(Tabs).active == "tab-tasks"
        await pilot.press("slash", *"maths")
        await settle(pilot)
        assert screen.query_one(FilterBar).is_open
        tasks = screen.query_one("#tasks", Picks)
        assert [str(o.prompt).split()[2] for o in tasks.options] == ["maths"]
        await pilot.press("enter")
        tasks.focus()
        await pilot.press("space")
        await settle(pilot)
        assert screen.draft["tasks"] == ["facts", "maths"]


@pytest.mark.asyncio
async def test_the_exact_prompt_is_shown(no_database: Path, tiny: str) -> None:
    app = LlprobeApp(no_database)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, tiny + "answers: [cloze, letter]\n")
        spec = parse_sweep(tiny + "answers: [cloze, letter]\n", draft.ORIGIN)
        await pilot.press("p")
        await settle(pilot)
        prompt = app.screen
        assert isinstance(prompt, Prompt)
        assert prompt.shown == preview(spec, "prompts")
        assert prompt.shown.text == as_text(ItemView.of(load_questions(requests_of(spec)[0]), "1"))
        assert prompt.shown.n_ways == 2
        await pilot.press("l", "w")
        await settle(pilot)
        assert (prompt.shown.way, prompt.shown.number) == (1, 0)
        await pilot.press("h")
        await settle(pilot)
        assert prompt.shown.number == prompt.shown.n_items - 1
        await pilot.press("escape")
        assert app.screen is screen


@pytest.mark.asyncio
async def test_the_prompt_of_the_task_under_the_cursor_is_shown(no_database: Path) -> None:
    app = LlprobeApp(no_database)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await pilot.press("l")
        screen.query_one("#tasks", Picks).focus()
        await pilot.press("p")
        await settle(pilot)
        assert isinstance(app.screen, Prompt)
        assert app.screen.shown.task == "calculation"


@pytest.mark.asyncio
async def test_saving_asks_before_it_replaces(no_database: Path, tmp_path: Path, tiny: str) -> None:
    app = LlprobeApp(no_database)
    target = tmp_path / "tiny.yaml"
    target.write_text("mine")
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, "# a comment\n" + tiny)
        await pilot.press("ctrl+s")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(app.screen, Confirm)
        assert target.read_text() == "mine"
        await pilot.press("y")
        await settle(pilot)
    assert target.read_text() == "# a comment\n" + tiny


def test_a_saved_file_means_the_same_in_another_folder(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    found = draft.checked("name: a\nmodels: [x.gguf]\ntasks: [facts]\n")
    told = starting.save(found, "deep/a.yaml", replace=False)
    assert "llprobe sweep run deep/a.yaml" in told
    text = (tmp_path / "deep" / "a.yaml").read_text()
    assert parse_sweep(text, str(tmp_path / "deep" / "a.yaml")) == found.spec
    assert starting.save(found, "deep/a.yaml", replace=False) == ""


def test_a_name_that_is_taken_is_asked_about(database: Path) -> None:
    spec = parse_sweep("name: small\nmodels: [mine.gguf]\ntasks: [facts]\n", draft.ORIGIN)
    assert "another sweep called small" in starting.ready(database, spec).question


def test_models_that_are_away_are_known() -> None:
    spec = parse_sweep(
        "name: a\nmodels: [smollm2-135m, ./own.gguf, nowhere]\ntasks: [facts]\n", draft.ORIGIN
    )
    assert [each.name for each in choices.missing_models(spec)] == ["smollm2-135m"]
    listed = {each.name: each for each in choices.model_choices(free=GIB)}
    assert listed["smollm2-135m"].fits
    assert not listed["llama2-70b"].fits


def test_a_model_here_says_what_memory_it_needs(tiny: str, no_database: Path) -> None:
    with Store(no_database) as store:
        spec = parse_sweep(tiny, draft.ORIGIN)
        found = planning.plan_of(spec, store, planning.Cancel(), estimate=False)
    assert (found.n_cells, found.n_done, found.n_items, found.missing) == (1, 0, 6, ())
