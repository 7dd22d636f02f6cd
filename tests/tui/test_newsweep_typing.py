"""Typing into a new sweep's form, faster than it is checked: every character counts once."""

from pathlib import Path
from typing import Any

import pytest
from fastkeys import typed
from settled import press, settle
from sweeps import KNOWN
from textual.pilot import Pilot
from textual.widgets import Checkbox, Input, Static, Tabs, TextArea

from llprobe.tui.app import LlprobeApp
from llprobe.tui.screens.newsweep import NewSweepScreen, page
from llprobe.tui.screens.newsweep.choices import Choices
from llprobe.tui.screens.newsweep.draft import typed_of, value_of
from llprobe.tui.screens.newsweep.fields import FieldLine
from llprobe.tui.screens.newsweep.labels import model_picks, task_picks


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """See no model of this machine, know a few names, and wait for nothing."""
    monkeypatch.setenv("LLPROBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(page, "choices", lambda: KNOWN)
    monkeypatch.setattr(NewSweepScreen, "WAIT", 0.0)


async def at_field(pilot: Pilot[Any], key: str) -> tuple[NewSweepScreen, Input]:
    """Open a new sweep, and go to a field of its settings."""
    screen = NewSweepScreen()
    await pilot.app.push_screen(screen)
    await settle(pilot)
    screen.query_one(Tabs).active = "tab-settings"
    await settle(pilot)
    found = screen.query_one(f"#field-{key} Input", Input)
    found.focus()
    await settle(pilot)
    return screen, found


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("key", "keys", "text", "value"),
    [
        ("limit", ["ctrl+u", *"60"], "60", 60),
        ("limit", ["ctrl+u", *"1234567"], "1234567", 1234567),
        ("name", ["ctrl+u", *"sizes_and-quants.2"], "sizes_and-quants.2", "sizes_and-quants.2"),
        ("ablations", [*"skip:each, attn:-1"], "skip:each, attn:-1", ["skip:each", "attn:-1"]),
    ],
)
async def test_keys_typed_at_once_all_arrive(
    no_database: Path, key: str, keys: list[str], text: str, value: object
) -> None:
    app = LlprobeApp(no_database)
    async with app.run_test(size=(140, 40)) as pilot:
        screen, field = await at_field(pilot, key)
        typed(app, *keys)
        await settle(pilot)
        assert field.value == text
        assert screen.draft[key] == value
        typed(app, "tab")
        await settle(pilot)
        assert field.value == text


@pytest.mark.asyncio
async def test_quants_typed_at_once_are_those_of_every_model(no_database: Path) -> None:
    app = LlprobeApp(no_database)
    async with app.run_test(size=(140, 40)) as pilot:
        screen, field = await at_field(pilot, "quantize")
        typed(app, *"Q8_0, Q4_K_M, Q2_K", "tab")
        await settle(pilot)
        assert field.value == "Q8_0, Q4_K_M, Q2_K"
        assert screen.draft["models"] == [
            {"model": "smollm2-135m", "quantize": ["Q8_0", "Q4_K_M", "Q2_K"]}
        ]


@pytest.mark.asyncio
async def test_ticks_set_at_once_all_stay(no_database: Path) -> None:
    app = LlprobeApp(no_database)
    async with app.run_test(size=(140, 40)) as pilot:
        screen, _ = await at_field(pilot, "limit")
        boxes = list(screen.query_one("#field-lenses", FieldLine).query(Checkbox))
        for box in boxes:
            box.toggle()
        await settle(pilot)
        assert [box.value for box in boxes] == [
            str(b.label) in screen.draft["lenses"] for b in boxes
        ]
        assert len(screen.draft["lenses"]) == len(boxes) - 1


@pytest.mark.asyncio
async def test_a_field_follows_the_yaml_once_nobody_types_into_it(no_database: Path) -> None:
    app = LlprobeApp(no_database)
    async with app.run_test(size=(140, 40)) as pilot:
        screen, field = await at_field(pilot, "limit")
        area = screen.query_one(TextArea)
        area.load_text(area.text.replace("limit: 20", "limit: 33"))
        await settle(pilot)
        assert field.value == "20"
        await press(pilot, "down")
        assert field.value == "33"


@pytest.mark.asyncio
async def test_arrows_go_from_field_to_field(no_database: Path) -> None:
    app = LlprobeApp(no_database)
    async with app.run_test(size=(80, 24)) as pilot:
        screen, _ = await at_field(pilot, "name")
        seen = []
        for key in ("down", "down", "down", "up"):
            await press(pilot, key)
            assert screen.focused is not None
            seen.append(str(screen.focused.parent and screen.focused.parent.id))
        assert seen == ["field-limit", "field-lenses", "field-layers", "field-lenses"]
        screen.query_one(Tabs).focus()
        await press(pilot, "down")
        assert screen.focused is screen.query_one("#field-name Input")


@pytest.mark.asyncio
async def test_a_mistake_is_said_where_the_plan_stands(no_database: Path) -> None:
    app = LlprobeApp(no_database)
    async with app.run_test(size=(80, 24)) as pilot:
        screen, _ = await at_field(pilot, "limit")
        typed(app, "ctrl+u", "0")
        await settle(pilot)
        first = str(screen.query_one("#plan", Static).content).splitlines()[0]
        assert first.startswith("✗ ")
        assert "limit" in first


def test_only_what_needs_quotes_gets_them() -> None:
    plain: list[tuple[str, list[object]]] = [
        ("ablations", ["skip:each", "attn:-1"]), ("layers", ["1-30", -1]), ("seeds", [0, 3]),
        ("lenses", ["raw"]),
    ]  # fmt: skip
    for key, value in plain:
        assert typed_of(key, value) == ", ".join(map(str, value))
    odd: list[object] = ["a, b", "#c", "yes", "7"]
    assert "'" in typed_of("models", odd)
    assert value_of("models", typed_of("models", odd)) == odd


def test_what_is_not_known_yet_is_said_in_other_words_than_what_is_not_there() -> None:
    counted = task_picks(KNOWN, [], "truthfulqa")[0].said
    counting = task_picks(
        Choices(KNOWN.models, KNOWN.tasks, KNOWN.free, counted=False), [], "truthfulqa"
    )[0].said
    assert counted.replace("–", "…") == counting != counted
    said = {each.name: each.said for each in model_picks(KNOWN.models, [], "")}
    assert said["smollm2-135m"].endswith("may fit")
    assert said["llama2-70b"].endswith("does not fit")
    assert said["mine:Q8_0"].endswith("fits (2.15 GB)")
