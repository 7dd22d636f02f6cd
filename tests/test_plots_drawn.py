"""Figures as they are drawn: every text on them can be read, and the file is the same each time."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any, cast

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.text import Text
from plothelp import ODD, PAPER, gather, planted, similarity, two_models

from llprobe import plots
from llprobe.errors import UsageError
from llprobe.plan import Plan
from llprobe.plots import draw, shapes
from llprobe.plots.draw.files import drawing
from llprobe.plots.draw.style import clean, ems, rc, shortened, stroke, wrapped
from llprobe.store import Store


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return two_models(tmp_path_factory.mktemp("plan"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, plan: Plan) -> Iterator[Store]:
    with planted(tmp_path_factory.mktemp("db") / "a.db", plan) as store:
        yield store


class Listener(RendererAgg):
    """Draws, and keeps the texts that it was told to draw: ticks out of view are none."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)  # type: ignore[no-untyped-call]
        self.texts: list[Any] = []

    def draw_text(self, *args: Any, **more: Any) -> None:
        self.texts.append(more.get("mtext", args[-1]))
        super().draw_text(*args, **more)  # type: ignore[no-untyped-call]


def texts_of(figure: shapes.Figure, size: draw.Size | None = None) -> tuple[list[Any], Any]:
    """Give the box of every text of a drawn figure with what it says, and the sheet's box."""
    with mpl.rc_context(cast("Any", rc())), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")
        canvas = drawing(figure, size or draw.Size())
        listener = Listener(canvas.bbox.width, canvas.bbox.height, canvas.dpi)
        canvas.draw(listener)
        texts = dict.fromkeys(each for each in listener.texts if isinstance(each, Text))
        found = [(text, text.get_window_extent(listener)) for text in texts]
        return found, canvas.bbox


def check_readable(figure: shapes.Figure, size: draw.Size | None = None) -> list[str]:
    """Check that no text lies on another or outside the sheet; give what the texts say."""
    found, sheet = texts_of(figure, size)
    for text, box in found:
        inside = (
            box.x0 >= sheet.x0 - 1
            and box.x1 <= sheet.x1 + 1
            and box.y0 >= sheet.y0 - 1
            and box.y1 <= sheet.y1 + 1
        )
        assert inside, f"{text} is cut"
    for (one, a), (other, b) in combinations(found, 2):
        across = min(a.x1, b.x1) - max(a.x0, b.x0)
        down = min(a.y1, b.y1) - max(a.y0, b.y0)
        # boxes around slanted texts overlap where the texts do not
        slanted = one.get_rotation() % 90 and other.get_rotation() % 90
        assert slanted or across < 2 or down < 2, f"{one} lies on {other}"
    return [text.get_text() for text, _ in found]


def line(name: str, seed: int, n: int = 30) -> shapes.Line:
    x = np.arange(1.0, n + 1)
    y = np.random.default_rng(seed).uniform(0.2, 0.6, n)
    return shapes.Line(name, x, y, y - 0.1, y + 0.1)


def crowded() -> shapes.Curves:
    """Give a figure with more and longer names than a sheet has room for."""
    lines = tuple(line(f"{ODD} {'long ' * 30}{n}", n) for n in range(9))
    levels = (
        shapes.Level("chance", 0.25), shapes.Level("shortest", 0.251), shapes.Level(ODD, 0.26)
    )  # fmt: skip
    panel = shapes.CurvesPanel("p" * 200, lines, levels)
    return shapes.Curves(
        "T" * 300, "m " * 200, ("Remark " * 60, ODD), "layer", "accuracy, %", (panel,)
    )


def ladder() -> shapes.Scale:
    """Give points so near each other that names must look for room."""
    series = tuple(
        (name, tuple(
            shapes.Point(f"Q{n}_K_M", 2 + 0.7 * n, 0.2 + 0.05 * n + up, 0.1 + 0.05 * n, 0.8)
            for n in range(8)
        ))
        for name, up in (("one", 0.0), ("other", 0.04))
    )  # fmt: skip
    panel = shapes.ScalePanel("facts", series, (shapes.Level("chance", 0.25),))
    return shapes.Scale("t", "n", (), "bits per weight", "accuracy, %", (panel,), logarithmic=False)


def wide_radar() -> shapes.Radar:
    names = tuple(f"relation number {n}" for n in range(30))
    polygon = shapes.Polygon("layer 1", np.linspace(0.1, 0.9, 30))
    panel = shapes.RadarPanel("facts", names, (polygon,), np.full(30, 0.1))
    return shapes.Radar("t", "n", (), "accuracy, %", (panel, panel))


def tall_heat() -> shapes.Heat:
    values = np.random.default_rng(0).random((41, 80))
    values[3, 4] = np.nan
    rows = tuple(f"relation {n} with a very long name of its own" for n in range(41))
    panel = shapes.HeatPanel("facts", rows, tuple(range(1, 81)), values)
    return shapes.Heat("t", "n", (), "layer", "accuracy, %", (panel,))


@pytest.mark.parametrize(
    ("kind", "wish"),
    [
        ("curves", {}),
        ("curves", {"task": "calculation", "by": "operation"}),
        ("heat", {}),
        ("heat", {"rows": "groups", "by": "facet", "task": "calculation"}),
        ("radar", {"by": "operation", "layers": "1-3"}),
        ("scale", {}),
        ("quants", {"task": "facts"}),
        ("items", {}),
        ("items", {"task": "facts", "metric": "mc2"}),
    ],
)
def test_figures_of_a_run_can_be_read(store: Store, kind: str, wish: dict[str, Any]) -> None:
    figure = gather(store, kind, **wish)
    said = check_readable(figure)
    assert any("tiny" in text for text in said)


@pytest.mark.parametrize(
    ("kind", "wish"),
    [("curves", {}), ("curves", {"depth": True, "task": "lama"}), ("heat", {}),
     ("heat", {"rows": "languages"}), ("radar", {}), ("scale", {})],
)  # fmt: skip
def test_the_papers_figures_can_be_read(kind: str, wish: dict[str, Any]) -> None:
    said = check_readable(gather(None, kind, *PAPER, **wish))
    assert ("looks copied" in " ".join(said)) == (wish.get("rows") != "languages")
    if kind == "curves":
        assert "chance 10%" in said


@pytest.mark.parametrize("make", [crowded, ladder, wide_radar, tall_heat])
def test_crowded_figures_can_be_read(make: Callable[[], shapes.Figure]) -> None:
    check_readable(make())


def test_trajectories_and_matrices_can_be_read(store: Store, plan: Plan) -> None:
    item = plan.cells[0].questions.items[1].id
    said = check_readable(gather(store, "trajectory", item=item))
    assert sum(text.startswith(("✓", "✗")) for text in said) == 4
    assert "guess 25%" in said
    said = check_readable(plots.matrix(similarity(12, 30)))
    assert {"layer of tiny", "layer of other", "A note."} <= set(said)


@pytest.mark.parametrize("size", [draw.Size(4, 3), draw.Size(20, 12)])
def test_a_sheet_of_any_size_cuts_no_text(size: draw.Size) -> None:
    check_readable(gather(None, "curves", *PAPER, task="lama"), size)


@pytest.mark.parametrize("ending", ["svg", "png", "pdf"])
def test_the_same_figure_is_the_same_file(tmp_path: Path, ending: str) -> None:
    figure = gather(None, "curves", PAPER[0], task="lama")
    one, other = tmp_path / f"a.{ending}", tmp_path / f"b.{ending.upper()}"
    assert plots.save(figure, one) == ()
    assert plots.save(figure, other) == ()
    assert one.read_bytes() == other.read_bytes()
    assert one.stat().st_size > 5000


def test_names_are_drawn_as_they_are(tmp_path: Path) -> None:
    figure = replace(crowded(), title=ODD)
    notes = plots.save(figure, tmp_path / "a.png")
    assert notes in {(), ("some characters are drawn as boxes: no font of this machine has them",)}
    found, _ = texts_of(figure)
    assert clean(ODD) in [text.get_text() for text, _ in found]
    assert "$x_{2}^$" in clean(ODD)


def test_without_matplotlib_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draw, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"llprobe\[plot\]"):
        plots.save(crowded(), tmp_path / "a.png")


def test_files_that_cannot_be_written_are_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="ending must be"):
        plots.save(crowded(), tmp_path / "a.gif")
    with pytest.raises(UsageError, match="cannot write"):
        plots.save(gather(None, "curves", PAPER[0]), tmp_path / "no" / "a.png")
    with pytest.raises(UsageError, match="inches"):
        plots.Size(1000, None)


def test_lines_differ_in_more_than_colour() -> None:
    looks = [(s.linestyle, s.marker) for s in map(stroke, range(36))]
    assert len(set(looks)) == 36
    assert len({(s.color, s.linestyle, s.marker) for s in map(stroke, range(252))}) == 252


def test_names_are_shortened_in_their_middle() -> None:
    assert shortened("short", 20) == "short"
    cut = shortened("a-very-long-model-name:Q4_K_M", 10)
    assert cut.startswith("a-very")
    assert cut.endswith("_M")
    assert "…" in cut
    assert ems(cut) <= 10
    assert all(ems(part) * 8 <= 72 for part in wrapped("word " * 30 + "w" * 200, 1.0, 8))
