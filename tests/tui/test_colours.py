"""Themes, sixteen colours and none: what is drawn can be read on every page."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.segment import Segment
from rich.style import Style
from settled import settle
from textual.color import Color
from textual.pilot import Pilot
from textual.strip import Strip

from llprobe.store import Store
from llprobe.tui.app import LlprobeApp
from llprobe.tui.gridview import BARS as HEIGHTS
from llprobe.tui.gridview import Cells, GridView
from llprobe.tui.readable import BARS, Readable, _contrast, _rounded
from llprobe.tui.themes import DARK, LIGHT, MONO, THEMES

PAGES = ("HomeScreen", "NewSweepScreen", "LensScreen", "ModelsScreen", "TasksScreen")


def seen(app: LlprobeApp) -> Iterator[Segment]:
    """Yield what is drawn, as it is sent to the terminal."""
    background = app.screen.background_colors[1]
    for strip in app.screen._compositor.render_strips():
        line: Strip = strip
        for each in app.get_line_filters():
            line = line.apply_filter(each, background)
        yield from line


def weakest(app: LlprobeApp) -> tuple[float, str]:
    """Give the lowest contrast of any text in sixteen colours, and that text."""
    found = [
        (_contrast(_rounded(style.color), _rounded(style.bgcolor)), text)
        for text, style, _ in seen(app)
        if style and style.color and style.bgcolor and text.strip()
    ]
    return min(found)


async def with_grid(pilot: Pilot[Any]) -> None:
    """Fill the lens screen's grid with every share."""
    grid = pilot.app.screen.query_one(GridView)
    names = tuple(map(str, range(9)))
    grid.show(Cells(names, names, lambda row, column: (f"{row},{column}", column / 8)), 0, 0)
    await settle(pilot)


@pytest.mark.parametrize("theme", sorted(THEMES))
@pytest.mark.asyncio
async def test_all_is_read_in_sixteen_colours(database: Path, theme: str) -> None:
    app = LlprobeApp(database, theme=theme)
    with Store(database) as store:
        run = store.find_run("large")
    async with app.run_test(size=(140, 40)) as pilot:
        app._readable = Readable(sixteen=True)
        for name in PAGES if theme == DARK.name else ("LensScreen",):
            app.action_go(name)
            await settle(pilot)
            if name == "LensScreen":
                await with_grid(pilot)
            assert weakest(app) >= (2.5, ""), name
        app.open_run(run)
        await settle(pilot)
        await pilot.press("]")  # the heat map
        await settle(pilot)
        assert weakest(app) >= (2.5, "")
        assert any(BARS & set(text) for text, *_ in seen(app))


@pytest.mark.parametrize("theme", [DARK, LIGHT])
def test_the_lowest_and_the_highest_bar_are_seen(theme: Any) -> None:
    ground, mend = Color.parse(theme.background), Readable(sixteen=False)
    for colour in ("#00204d", "#ffea46"):  # the two ends of a heat map's colours
        style = Style.parse(f"{colour} on {theme.background}")
        (bar,) = mend.apply([Segment("▁▁", style)], ground)
        assert bar.style is not None
        assert bar.style.color is not None
        assert _contrast(Color.from_rich_color(bar.style.color), ground) >= 1.5
        (text,) = mend.apply([Segment("word", style)], ground)
        assert text.style == style


def test_dark_colours_are_read_as_greys() -> None:
    ground, mend = Color.parse(MONO.background), Readable(sixteen=False).in_grey()
    style = Style.parse(f"#2c2c2c on {MONO.background}")
    (line,) = mend.apply([Segment("⠤⠒", style)], ground)
    assert line.style is not None
    assert line.style.color is not None
    assert _contrast(Color.from_rich_color(line.style.color), ground) >= 3.0


def test_bars_are_all_alike_in_sixteen_colours() -> None:
    ground, mend = Color.parse(DARK.background), Readable(sixteen=True)
    colours = ("#00204d", "#7c7b78", "#a39a76", "#ffea46")
    bars = [Segment("▅", Style.parse(f"{each} on {DARK.background}")) for each in colours]
    assert len({str(bar.style) for bar in mend.apply(bars, ground)}) == 1


@pytest.mark.parametrize("theme", [DARK, LIGHT])
def test_what_is_muted_stays_so_in_sixteen_colours(theme: Any) -> None:
    ground, mend = Color.parse(theme.background), Readable(sixteen=True)
    for share in (0.0, 0.2, 0.5):  # of the way from the ground to its text
        muted = ground.blend(Color.parse(theme.foreground), share)
        (text,) = mend.apply([Segment("word", Style(color=muted.rich_color))], ground)
        assert text.style is not None
        assert text.style.color is not None
        shown = _contrast(_rounded(text.style.color), _rounded(ground.rich_color))
        assert 2.5 <= shown < 15


@pytest.mark.parametrize(("system", "headless", "few"), [
    ("standard", False, True), ("256", False, False), ("standard", True, False),
])  # fmt: skip
def test_a_terminal_is_asked_how_many_colours_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str, *, headless: bool, few: bool
) -> None:
    monkeypatch.setattr("textual.constants.COLOR_SYSTEM", system)
    monkeypatch.setattr(LlprobeApp, "is_headless", headless)
    app = LlprobeApp(tmp_path / "llprobe.db")
    app.on_mount()
    app.on_unmount()
    assert app._readable._sixteen is few


def test_what_can_be_read_keeps_its_colours() -> None:
    ground = Color.parse("#000000")
    kept = [Segment("a", Style.parse("#ffffff on #000000")), Segment("  "), Segment("b", None)]
    for sixteen in (False, True):
        assert Readable(sixteen=sixteen).apply(kept, ground) == kept


def test_the_bars_of_grid_and_heat_map_are_known() -> None:
    assert frozenset(HEIGHTS) == BARS


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
            for _, style, _ in seen(app)
            for colour in ((style.color, style.bgcolor) if style else ())
            if colour is not None and colour.triplet is not None
        }
    assert colours
    assert {len(set(triplet)) for triplet in colours} == {1}
