"""Figures: what they show against planted scores, and that every text on them can be read."""

import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any, cast

import matplotlib as mpl
import numpy as np
import pytest
from clihelp import tiny_model
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.text import Text

from llprobe import plots
from llprobe.errors import UnknownName, UsageError
from llprobe.events import GroupScored, ItemResult
from llprobe.model import read_model
from llprobe.plan import Plan, Sweep, make_plan
from llprobe.plots import draw, shapes
from llprobe.plots.draw.files import drawing
from llprobe.plots.draw.style import clean, ems, rc, shortened, stroke, wrapped
from llprobe.plots.gather.sources import tracks
from llprobe.report.similarity import LayerCosines, Similarity
from llprobe.settings import EngineSettings
from llprobe.store import Store
from llprobe.task import TaskRequest

PAPER = ("paper:llama2-7b", "paper:llama2-13b", "paper:llama2-70b")
N_LAYERS = 3
ODD = "a $x_{2}^$ \\frac{1 <b> 中文 \x00\n\ud800 \u202e name"


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    folder = tmp_path_factory.mktemp("plan")
    model = read_model(tiny_model(folder))
    small = replace(model, quant="Q4_0", bits_per_weight=4.5, fingerprint="f" * 64)
    requests = (
        TaskRequest("calculation", limit=12),
        TaskRequest("xmps_cal", limit=1),
        TaskRequest("facts", limit=6),
    )
    settings = EngineSettings(n_threads=1)
    models = (replace(model, name="tiny"), replace(small, name="tiny:Q4_0"))
    return make_plan(Sweep(models, requests, ("norm",), None, settings))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, plan: Plan) -> Iterator[Store]:
    """Give a store in which item i is right at all layers above i mod 4; 3 layers."""
    with Store(tmp_path_factory.mktemp("db") / "a.db") as store:
        store.begin(plan, "llprobe run")
        for cell in plan.cells:
            results = []
            for i, item in enumerate(cell.questions.items):
                logprob = np.zeros((len(item.choices), N_LAYERS))
                logprob[item.best] = [1.0 if layer > i % 4 else -1.0 for layer in (1, 2, 3)]
                results.append(ItemResult(i, (1,) * len(item.choices), logprob))
            store.add_group(GroupScored(cell.id, 0, tuple(results), 1))
        yield store


def gather(store: Store | None, kind: str, *runs: str, **wish: Any) -> Any:
    return plots.gather(kind, store, runs or ("last",), plots.Wish(**wish))


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


# --- what figures show ------------------------------------------------------------------------


def test_curves_show_the_means_of_stored_scores_with_bands(store: Store) -> None:
    figure = gather(store, "curves", task="calculation")
    (panel,) = figure.panels
    assert panel.title == "calculation (n = 12)"
    assert [line.name for line in panel.lines] == ["tiny", "tiny:Q4_0"]
    line = panel.lines[0]
    assert line.x.tolist() == [1, 2, 3]
    assert line.y.tolist() == [3 / 12, 6 / 12, 9 / 12]
    assert line.low is not None
    assert line.high is not None
    assert (line.low < line.y).all()
    assert (line.high > line.y).all()
    assert {(level.name, level.y) for level in panel.levels} == {
        ("chance", 0.25), ("shortest", 0.25)
    }  # fmt: skip
    assert "tiny" in figure.title
    assert "lens norm" in figure.note


def test_curves_by_facet_are_a_line_per_group(store: Store) -> None:
    figure = gather(store, "curves", task="calculation", by="numbers")
    assert [panel.title for panel in figure.panels] == [
        "calculation, tiny (n = 12)", "calculation, tiny:Q4_0 (n = 12)"
    ]  # fmt: skip
    for panel in figure.panels:  # one for each model: their groups would hide each other
        assert [line.name for line in panel.lines] == ["int (n = 6)", "float (n = 6)"]


def test_relative_depth_ends_at_one_for_every_model() -> None:
    figure = gather(None, "curves", *PAPER, depth=True)
    for panel in figure.panels:
        assert [line.x[-1] for line in panel.lines] == [1.0, 1.0, 1.0]
        assert [line.x[0] for line in panel.lines] == [1 / 32, 1 / 40, 1 / 80]


def test_published_rows_need_no_store_and_bring_their_remarks() -> None:
    figure = gather(None, "curves", *PAPER)
    assert {panel.title for panel in figure.panels} == {
        "mps_cal", "mps_rea", "lama", "reclor", "truthfulqa"
    }  # fmt: skip
    assert all(line.published for panel in figure.panels for line in panel.lines)
    (remark,) = figure.remarks
    assert "looks copied" in remark
    assert gather(None, "curves", *PAPER, task="reclor").remarks == ()
    assert gather(None, "curves", PAPER[0]).remarks == ()


def test_published_rows_stand_beside_the_runs_own_tasks(store: Store) -> None:
    figure = gather(store, "curves", "last", PAPER[0])
    by_title = {panel.title: [line.name for line in panel.lines] for panel in figure.panels}
    assert by_title["facts (n = 6)"] == ["tiny", "tiny:Q4_0", "paper:llama2-7b"]
    assert by_title["calculation (n = 12)"] == ["tiny", "tiny:Q4_0"]
    assert any("lama beside facts" in remark for remark in figure.remarks)
    assert not any("reclor" in remark for remark in figure.remarks)


def test_heat_rows_are_tasks_languages_or_groups(store: Store) -> None:
    by_task = gather(store, "heat")
    assert by_task.panels[0].title == "tiny"
    assert by_task.panels[0].rows == ("calculation n = 12", "xmps_cal n = 4", "facts n = 6")
    assert by_task.panels[0].values[0].tolist() == [3 / 12, 6 / 12, 9 / 12]
    languages = gather(store, "heat", rows="languages").panels[0]
    assert [row.split()[0] for row in languages.rows] == ["es", "fr", "zh", "th"]
    groups = gather(store, "heat", rows="groups", by="numbers", task="calculation").panels[0]
    assert groups.rows == ("int (n = 6)", "float (n = 6)")
    assert groups.values.mean(axis=0) == pytest.approx([3 / 12, 6 / 12, 9 / 12])


def test_published_languages_keep_the_layers_that_were_printed() -> None:
    figure = gather(None, "heat", *PAPER, rows="languages")
    assert len(figure.panels) == 6
    first = figure.panels[0]
    assert first.columns == (1, 5, 10, 15, 20, 25, 27, 28, 29, 30, 31, 32)
    assert first.rows == ("es", "fr", "zh", "th")
    assert first.values[:, 0].tolist() == [0.42, 0.45, 0.34, 0.12]


def test_layers_that_one_row_lacks_are_not_numbers(store: Store) -> None:
    panel = gather(store, "heat", "last", PAPER[0]).panels[2]
    assert panel.title == "paper:llama2-7b"
    assert np.isfinite(panel.values).all()
    assert panel.rows == ("facts",)


def test_radar_polygons_are_layers_or_models(store: Store) -> None:
    by_layer = gather(store, "radar", by="operation", layers="1,-1", task="calculation")
    assert [panel.title for panel in by_layer.panels] == [
        "calculation, tiny", "calculation, tiny:Q4_0"
    ]  # fmt: skip
    first, last = by_layer.panels[0].polygons
    assert (first.name, last.name) == ("layer 1", "layer 3")
    assert (last.values >= first.values).all()
    (by_model,) = gather(store, "radar").panels
    assert by_model.axes == ("calculation", "xmps_cal", "facts")
    assert [p.name for p in by_model.polygons] == ["tiny", "tiny:Q4_0"]
    assert by_model.polygons[0].values.tolist() == [9 / 12, 3 / 4, 5 / 6]
    (paper,) = gather(None, "radar", *PAPER).panels
    assert len(paper.axes) == 5
    assert paper.polygons[2].values[list(paper.axes).index("lama")] == 0.5871


def test_scale_and_quants_put_models_where_they_belong(store: Store, plan: Plan) -> None:
    quants = gather(store, "quants", task="facts").panels[0]
    ((name, points),) = quants.series
    assert name == "tiny"
    assert [(p.name, p.x) for p in points] == sorted(
        ((c.model.quant, c.model.bits_per_weight) for c in plan.cells if c.request.name == "facts"),
        key=lambda each: each[1],
    )
    assert all(p.low < p.y < p.high or p.low <= p.y == 1 for p in points)
    scale = gather(None, "scale", *PAPER, task="lama").panels[0]
    ((_, sizes),) = scale.series
    assert [(p.x, p.y) for p in sizes] == [(7e9, 0.5787), (13e9, 0.5797), (70e9, 0.5871)]


def test_items_known_early_stand_on_top(store: Store) -> None:
    panel = gather(store, "items", task="calculation").panels[0]
    sums = panel.values.sum(axis=1)
    assert (np.diff(sums) <= 0).all()
    assert sorted(sums.tolist()) == [0.0] * 3 + [1.0] * 3 + [2.0] * 3 + [3.0] * 3
    assert len(set(panel.ids)) == 12


def test_trajectories_are_probabilities_of_one_item(store: Store, plan: Plan) -> None:
    cell = next(c for c in plan.cells if c.request.name == "calculation")
    item = cell.questions.items[1]
    figure = gather(store, "trajectory", item=item.id)
    assert len(figure.panels) == 2
    options = figure.panels[0].options
    assert sum(o.y for o in options) == pytest.approx(np.ones(N_LAYERS))
    (best,) = [o for o in options if o.best]
    assert best.true
    assert best.text == item.choices[item.best].strip()
    e = np.e
    assert best.y == pytest.approx([1 / e / (1 / e + 3), e / (e + 3), e / (e + 3)])
    assert figure.guess == 1 / 4
    assert "Q:" in figure.question


def test_a_cell_that_two_runs_share_is_shown_once(store: Store, plan: Plan) -> None:
    assert len(tracks(store, ["last", plan.id], task="facts")) == 2


@pytest.mark.parametrize(
    ("kind", "runs", "wish", "said"),
    [
        ("bogus", ("last",), {}, "no kind of figure"),
        ("curves", ("last",), {"task": "factz"}, "did you mean facts"),
        ("curves", ("last",), {"lens": "raw"}, "no lens named 'raw'"),
        ("curves", ("paper:llama",), {}, "no published table"),
        ("curves", (PAPER[0],), {"metric": "mc2"}, "mc1 only"),
        ("curves", (PAPER[0],), {"by": "operation"}, "published tables have no groups"),
        ("curves", ("last",), {"by": "theme"}, "--by theme"),
        ("heat", (PAPER[0],), {"rows": "groups"}, "published tables have no groups"),
        ("heat", ("last",), {"rows": "languages", "task": "facts"}, "has languages"),
        ("radar", ("last",), {"task": "facts"}, "three axes"),
        ("radar", ("last",), {"by": "operation", "layers": "9"}, "layers 0 to 3"),
        ("scale", ("last",), {"layers": "1,2"}, "one layer"),
        ("quants", (PAPER[0],), {}, "published tables have no quants"),
        ("items", (PAPER[0],), {}, "published tables have no items"),
        ("trajectory", ("last",), {}, "--item"),
        ("trajectory", ("last",), {"item": "no such"}, "no item named"),
    ],
)
def test_what_cannot_be_shown_is_said_in_one_line(
    store: Store, kind: str, runs: tuple[str, ...], wish: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(said)) as error:
        gather(store, kind, *runs, **wish)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300


# --- how they are drawn -----------------------------------------------------------------------


def similarity(n_a: int, n_b: int) -> Similarity:
    rng = np.random.default_rng(0)
    layers_a, layers_b = tuple(range(1, n_a + 1)), tuple(range(1, n_b + 1))
    cosines = LayerCosines("tiny", layers_a, rng.random(n_a - 1), rng.random(n_a - 1),
                           rng.random(n_a), rng.random(n_a))  # fmt: skip
    values = rng.random((n_a, n_b))
    values[1, 2] = np.nan
    return Similarity(("tiny", "other"), "facts", "last", layers_a, layers_b, (n_a, n_b), values,
                      None, (cosines, cosines), 64, 32, 2, ("A note.",))  # fmt: skip


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


# --- the terminal -----------------------------------------------------------------------------


def drawn(figure: shapes.Figure, width: int, height: int = 12) -> list[str]:
    return [text.plain for text in plots.terminal(figure, width, height)]


@pytest.mark.parametrize("width", [40, 80, 160])
def test_curves_in_a_terminal_have_axes_letters_and_chance(width: int) -> None:
    rows = drawn(gather(None, "curves", *PAPER, task="lama"), width)
    body = [row for row in rows if row.startswith(tuple("0123456789 ")) and ("┤" in row)]
    assert [row.split("%")[0].strip() for row in body][-1] == "0"
    plot = [row for row in rows if "│" in row or "┤" in row]
    assert len(plot) == 12
    assert max(map(len, plot)) <= width
    assert any("chance 10%" in row for row in plot)
    assert all(letter in "".join(plot) for letter in "abc")
    assert "  b paper:llama2-13b" in rows
    assert "looks copied" in rows[-1]
    # the highest value of the figure stands in the upper quarter, the first layers in the lower
    dots = re.compile("[\u2801-\u28ff]")
    assert any(dots.search(row) for row in plot[:3])
    assert dots.search(plot[-1])


def test_a_band_is_shaded_in_a_terminal(store: Store) -> None:
    figure = gather(store, "curves", task="facts")
    panel = figure.panels[0]
    alone = replace(figure, panels=(replace(panel, lines=panel.lines[:1]),))
    assert any("░" in row for row in drawn(alone, 80))


def test_heat_in_a_terminal_is_bars_by_layer() -> None:
    values = np.array([[0.0, 0.5, 1.0], [0.25, np.nan, 0.75]])
    panel = shapes.HeatPanel("p", ("one", ODD), (1, 2, 30), values)
    figure = shapes.Heat("t", "n", ("r",), "layer", "accuracy, %", (panel,))
    rows = drawn(figure, 80)
    one = next(row for row in rows if row.startswith("one"))
    assert "▁▁▁▁▅▅▅▅████" in one
    assert one.endswith("100%")
    assert any("▃▃▃▃····▇▇▇▇" in row for row in rows)
    assert rows[-1] == "r"
    assert not any("\x00" in row or "\ud800" in row for row in rows)


def test_other_figures_have_no_form_for_the_terminal() -> None:
    assert plots.IN_TERMINAL == ("curves", "heat")
    with pytest.raises(TypeError, match="Matrix"):
        plots.terminal(plots.matrix(similarity(4, 5)), 80)


def test_kinds_are_known() -> None:
    assert set(plots.KINDS) >= {"curves", "heat", "radar", "scale", "quants", "items"}
    with pytest.raises(UnknownName, match="did you mean curves"):
        gather(None, "curve", *PAPER)
