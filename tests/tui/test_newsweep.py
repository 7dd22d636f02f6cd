"""Planning a sweep: the form and the YAML are the same, and what both come to is said."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from clihelp import tiny_model, write_questions
from textual.pilot import Pilot
from textual.widgets import Checkbox, Input, Static, Tabs, TextArea
from textual.worker import WorkerCancelled

from llprobe.report.itemview import ItemView, as_text
from llprobe.store import Store
from llprobe.sweep import SweepSpec, example_sweep, parse_sweep, requests_of, to_yaml
from llprobe.task import load_questions
from llprobe.task.listing import Listed
from llprobe.tui.app import LlprobeApp
from llprobe.tui.screens.newsweep import NewSweepScreen, choices, draft, page, planning, starting
from llprobe.tui.screens.newsweep.dialogs import Prompt
from llprobe.tui.screens.newsweep.fields import FieldLine
from llprobe.tui.screens.newsweep.picks import Picks
from llprobe.tui.screens.newsweep.preview import preview
from llprobe.tui.themes import MONO
from llprobe.tui.widgets import Confirm, FilterBar, Trouble

GIB = 1 << 30

EVERYTHING = """\
# every key that there is
name: all-of-it
models:
  - smollm2-135m
  - {model: /models/a.gguf, quantize: [q8_0, Q2_K], keep: false}
  - "/models/[ab]*.gguf"
tasks: [facts, calculation, /own/task.yaml]
lenses: [raw, norm]
layers: [1-30, -1]
limit: 7
shots: [default, 0, 4]
answers: [letter, default]
seeds: [0, 3]
ablations: [none, "skip:each", "attn:-1", skip:upper-1..4]
chat: true
pmi: true
data: /own/data file.jsonl
shots_file: /own/shots.txt
instruction: "Answer: briefly, please"
set: {per_group: 20, language: [es, fr]}
engine: {batch: 128, threads: 2, kv_f32: true}
exclude: [{model: "*Q2_K", lens: raw}, {task: facts, seed: [3]}]
"""

KNOWN = choices.Choices(
    (
        choices.ModelChoice("smollm2-135m", "Q4_1", 98_362_432, here=False, needs=GIB, fits=True),
        choices.ModelChoice("llama2-70b", "Q4_K_M", 41 * GIB, here=False, needs=GIB, fits=False),
        choices.ModelChoice("mine:Q8_0", "Q8_0", GIB, here=True, needs=2 * GIB, fits=True),
    ),
    (
        Listed("calculation", "task", "arithmetic", 1350, 8, 0.25, "generated"),
        Listed("facts", "task", "facts about the world", 200, 8, 0.1, "bundled"),
        Listed("truthfulqa", "task", "truth", None, 6, None, "--data FILE"),
        Listed("maths", "group", "calculation, mps", 1500, None, None, ""),
    ),
    8 * GIB,
)


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


async def settled(pilot: Pilot[Any]) -> None:
    """Wait until nothing is read any more; what a later question made void is cancelled."""
    for _ in range(4):
        with suppress(WorkerCancelled):
            await pilot.app.workers.wait_for_complete()
        await pilot.pause()


async def opened(pilot: Pilot[Any], spec: str = "") -> NewSweepScreen:
    screen = NewSweepScreen(spec)
    await pilot.app.push_screen(screen)
    await settled(pilot)
    return screen


def said(screen: NewSweepScreen, of: str = "#plan") -> str:
    return str(screen.query_one(of, Static).content)


def typed(screen: NewSweepScreen, key: str) -> str:
    return screen.query_one(f"#field-{key} Input", Input).value


# --- drafts --------------------------------------------------------------------------------------


def again(text: str) -> SweepSpec:
    """Give a text's sweep after every key went through its field."""
    values = draft.checked(text).draft
    fields = {key: draft.typed_of(key, value) for key, value in values.items()}
    back = {
        key: values[key] if isinstance(values[key], bool) else draft.value_of(key, typed)
        for key, typed in fields.items()
    }
    found = draft.checked(draft.text_of(back))
    assert found.mistakes == ()
    assert found.spec is not None
    return found.spec


@pytest.mark.parametrize("text", [EVERYTHING, example_sweep("first")])
def test_what_a_file_says_the_fields_say(text: str) -> None:
    assert again(text) == parse_sweep(text, draft.ORIGIN)


@pytest.mark.parametrize("key", sorted(yaml.safe_load(EVERYTHING)))
def test_each_key_goes_through_its_field(key: str) -> None:
    values = {"name": "a", "models": ["smollm2-135m"], "tasks": ["facts"]}
    values[key] = yaml.safe_load(EVERYTHING)[key]
    text = yaml.safe_dump(values)
    assert again(text) == parse_sweep(text, draft.ORIGIN)


def test_a_draft_is_written_as_the_tidy_file() -> None:
    spec = parse_sweep(EVERYTHING, draft.ORIGIN)
    assert draft.text_of(draft.draft_of(spec)) == to_yaml(spec)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("lenses", "norm, tuned", "lenses: no lens named 'tuned'"),
        ("limit", "many", "limit: must be a whole number"),
        ("layers", "1..3", "layers: must be like 1-30"),
        ("answers", "[a, {", "answers: no answer format named '[a, {'"),
        ("engine", "batch: 1", "engine.batch: a batch holds at least 2 tokens"),
        ("exclude", "{colour: red}", "exclude.colour: "),
        ("name", "last", "name: last is the newest run's name"),
        ("ablations", "skip:0", "ablations: ablation skip:0"),
    ],
)
def test_a_mistake_in_a_field_is_a_mistake_in_the_file(key: str, value: str, said: str) -> None:
    values = draft.first_draft() | {key: draft.value_of(key, value)}
    found = draft.checked(draft.text_of(values))
    assert found.spec is None
    assert any(said in mistake for mistake in found.mistakes), found.mistakes
    assert all(mistake.startswith("line ") for mistake in found.mistakes)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a sweep is a list of `key: value` lines"),
        ("- a\n- b\n", "a sweep is a list of `key: value` lines"),
        ("name: [a", "line "),
        ("models: [a]\ntasks: [b]\n", "name: the key is missing"),
        ("name: a\ntasks: [b]\n", "models: the key is missing"),
    ],
)
def test_what_is_no_sweep_is_said(text: str, said: str) -> None:
    found = draft.checked(text)
    assert found.spec is None
    assert said in found.mistakes[0]


def test_the_first_sweep_takes_a_name_that_is_free() -> None:
    assert draft.first_draft()["name"] == "first"
    assert draft.first_draft(["first", "first-2", "other"])["name"] == "first-3"
    assert draft.checked(draft.text_of(draft.first_draft())).mistakes == ()


def test_models_come_and_go_and_share_their_quants() -> None:
    one = draft.toggled({}, "models", "a")
    assert one == {"models": ["a"]}
    made = draft.edited(one, "quantize", ["Q8_0", "Q2_K"])
    assert made == {"models": [{"model": "a", "quantize": ["Q8_0", "Q2_K"]}]}
    two = draft.toggled(draft.edited(made, "keep", value=False), "models", "b")
    assert [each["keep"] for each in two["models"]] == [False, False]
    assert draft.ladder(two) == ("Q8_0, Q2_K", False)
    assert draft.names_of(draft.toggled(two, "models", "a"), "models") == ["b"]
    assert draft.edited(two, "quantize", None) == {"models": ["a", "b"]}
    assert draft.ladder({"models": ["a", {"model": "b", "quantize": "Q8_0"}]}) == ("", True)


# --- the screen ----------------------------------------------------------------------------------


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
        await settled(pilot)
        assert isinstance(app.screen, Confirm)
        await pilot.press("y")
        await settled(pilot)
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
        await settled(pilot)
        assert screen.draft["models"] == ["mine:Q8_0"]
        screen.query_one("#field-quantize Input", Input).value = "Q4_K_M, q2_k"
        await pilot.pause()
        screen.query_one("#field-limit Input", Input).value = ""
        await pilot.pause()
        boxes = list(screen.query_one("#field-lenses", FieldLine).query(Checkbox))
        boxes[2].toggle()
        await pilot.pause()
        boxes[0].toggle()
        await settled(pilot)
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
        await settled(pilot)
        assert screen.checked is not None
        assert screen.checked.spec == parse_sweep(EVERYTHING, draft.ORIGIN)
        assert typed(screen, "seeds") == "0, 3"
        assert typed(screen, "instruction") == "Answer: briefly, please"
        assert typed(screen, "set") == "per_group: 20, language: [es, fr]"
        boxes = screen.query_one("#field-answers", FieldLine).query(Checkbox)
        assert [box.value for box in boxes] == [True, False, True, False]
        assert area.text == EVERYTHING  # what a person writes stays as it is, comments too
        area.load_text(EVERYTHING.replace("[raw, norm]", "[raw, tuned]"))
        await settled(pilot)
        assert said(screen, "#mistakes").startswith("✗ line 8, lenses: no lens named 'tuned'")
        assert "mistakes" in said(screen)
        await pilot.press("ctrl+r")
        await settled(pilot)
        assert "no lens named 'tuned'" in screen.query_one(Trouble).said


@pytest.mark.asyncio
async def test_what_is_not_found_or_possible_is_said(no_database: Path, tiny: str) -> None:
    app = LlprobeApp(no_database)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, tiny + 'ablations: ["skip:7"]\n')
        assert said(screen).startswith("cannot be planned: ablation skip:7: this model has blocks")
        screen.query_one(TextArea).load_text(tiny.replace("tiny.gguf", "gone.gguf"))
        await settled(pilot)
        assert "gone.gguf does not exist" in said(screen)
        screen.query_one(TextArea).load_text(tiny + "lenses: [norm, raw]\nexclude: [{seed: 9}]\n")
        await settled(pilot)
        assert said(screen) == "2 cells, 12 items\nexclude seed=9 matches no cell"


@pytest.mark.asyncio
async def test_an_estimate_loads_the_model_in_a_child(no_database: Path, tiny: str) -> None:
    app = LlprobeApp(no_database)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, tiny)
        assert said(screen) == "1 cell, 6 items"
        await pilot.press("e")
        await settled(pilot)
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
        await settled(pilot)
        assert screen.query_one(Tabs).active == "tab-tasks"
        await pilot.press("slash", *"maths")
        await settled(pilot)
        assert screen.query_one(FilterBar).is_open
        tasks = screen.query_one("#tasks", Picks)
        assert [str(o.prompt).split()[2] for o in tasks.options] == ["maths"]
        await pilot.press("enter")
        tasks.focus()
        await pilot.press("space")
        await settled(pilot)
        assert screen.draft["tasks"] == ["facts", "maths"]


@pytest.mark.asyncio
async def test_the_exact_prompt_is_shown(no_database: Path, tiny: str) -> None:
    app = LlprobeApp(no_database)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, tiny + "answers: [cloze, letter]\n")
        spec = parse_sweep(tiny + "answers: [cloze, letter]\n", draft.ORIGIN)
        await pilot.press("p")
        await settled(pilot)
        prompt = app.screen
        assert isinstance(prompt, Prompt)
        assert prompt.shown == preview(spec, "prompts")
        assert prompt.shown.text == as_text(ItemView.of(load_questions(requests_of(spec)[0]), "1"))
        assert prompt.shown.n_ways == 2
        await pilot.press("l", "w")
        await settled(pilot)
        assert (prompt.shown.way, prompt.shown.number) == (1, 0)
        await pilot.press("h")
        await settled(pilot)
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
        await settled(pilot)
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
        await settled(pilot)
        await pilot.press("enter")
        await settled(pilot)
        assert isinstance(app.screen, Confirm)
        assert target.read_text() == "mine"
        await pilot.press("y")
        await settled(pilot)
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


# --- pictures ------------------------------------------------------------------------------------

SHOWN = "name: first\nmodels: [smollm2-135m]\ntasks: [facts]\nlimit: 20\nlenses: [norm, tuned]\n"


@pytest.mark.parametrize("size", [(80, 24), (140, 40)], ids=["small", "large"])
@pytest.mark.parametrize(
    ("spec", "keys"),
    [("", ()), (SHOWN, ("h",)), ("", ("l", "l"))],
    ids=["first", "mistake", "settings"],
)
def test_pictures(
    snap_compare: Callable[..., bool], tmp_path: Path, size: tuple[int, int], spec: str, keys: Any
) -> None:
    app = LlprobeApp(tmp_path / "llprobe.db")

    async def before(pilot: Pilot[Any]) -> None:
        await opened(pilot, spec)
        for key in keys:
            await pilot.press(key)
            await settled(pilot)
        await settled(pilot)

    assert snap_compare(app, terminal_size=size, run_before=before)


def test_picture_without_colours(snap_compare: Callable[..., bool], tmp_path: Path) -> None:
    app = LlprobeApp(tmp_path / "llprobe.db", theme=MONO.name)

    async def before(pilot: Pilot[Any]) -> None:
        await opened(pilot)

    assert snap_compare(app, terminal_size=(80, 24), run_before=before)
