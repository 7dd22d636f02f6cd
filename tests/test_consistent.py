"""One cell, one set of numbers: in `show --stats`, a report and figures."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import matplotlib as mpl
import pytest
from madeup import always, made_up_model, made_up_run

from llprobe import page, plots
from llprobe.cli.compare import at_least
from llprobe.cli.options import Format
from llprobe.cli.statsview import print_stats
from llprobe.page.findings import sentences
from llprobe.plots.draw.files import drawing
from llprobe.plots.draw.style import rc
from llprobe.plots.gather.curves import curves
from llprobe.plots.gather.scale import scale
from llprobe.report import summaries
from llprobe.report.compare import Question, compare_cells
from llprobe.report.spans import spans
from llprobe.report.stats import stats_rows
from llprobe.store import Store
from llprobe.task import TaskRequest


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "a.db") as store:
        yield store


def _run(store: Store, *names: str) -> str:
    """Independent items (calculation), clusters (facts), and an end at which all are right."""
    models = [made_up_model(store.path.parent, name) for name in names]
    tasks = [TaskRequest("calculation", limit=40), TaskRequest("facts", limit=40)]
    return made_up_run(store, models, tasks, always((0.3, 0.3, 0.4, 0.5, 0.6, 1.0)))


def test_intervals_are_the_same_wherever_they_are_shown(store: Store) -> None:
    run = _run(store, "x")
    shown = curves(store, [run], plots.Wish())
    lines = {panel.title.partition(" ")[0]: panel.lines[0] for panel in shown.panels}
    views = {view.cell.task: view.curves["mc1"] for view in page.gather(store, [run]).cells}
    plain = {each.cell.task: each.row() for each in summaries(store, run)}
    for row in stats_rows(store, run):
        task = row["task"]
        line, curve = lines[task], views[task]
        assert line.low is not None
        assert line.high is not None
        assert (row["last"], row["low"], row["high"]) == (line.y[-1], line.low[-1], line.high[-1])
        assert (row["last"], row["low"], row["high"]) == (
            curve.mean[-1], curve.low[-1], curve.high[-1]
        )  # fmt: skip
        assert (row["last"], row["peak"]) == (plain[task]["last"], plain[task]["best_layer"])


def test_all_right_is_no_certainty_in_a_figure_either(store: Store) -> None:
    run = _run(store, "x")
    found = scale(store, [run], plots.Wish())
    rows = {row["task"]: row for row in stats_rows(store, run)}
    for panel in found.panels:
        ((_, (point,)),) = panel.series
        row = rows[panel.title.partition(" ")[0]]
        assert (point.low, point.high) == (row["low"], row["high"])
        assert point.low < 0.95


@pytest.mark.parametrize("limit", [4, 5])
@pytest.mark.filterwarnings("error")
def test_four_questions_have_a_dash_in_place_of_an_interval(
    store: Store, capsys: pytest.CaptureFixture[str], limit: int
) -> None:
    models = [made_up_model(store.path.parent, name) for name in ("x", "y")]
    task = TaskRequest("calculation", limit=limit)
    run = made_up_run(store, models, [task], always((0.3, 0.3, 0.4, 0.5, 0.6, 1.0)))
    known = limit == 5
    for row in stats_rows(store, run):
        assert (row["low"] is not None) == (row["high"] is not None) == known
    print_stats(store, run, "mc1", Format.TABLE, None)
    print_stats(store, run, "mc1", Format.JSON, None)
    said = capsys.readouterr().out
    assert "nan" not in said.lower()
    assert ('"low": null' in said) != known
    report = page.gather(store, [run])
    for text in (page.to_markdown(report), page.to_html(report)):
        assert "nan%" not in text
        assert "NaN" not in text.partition("<script")[0]
    sentence = next(sentences(report.cells[0]))
    assert ("% [" in sentence) == known
    lines = curves(store, [run], plots.Wish())
    drawn = "".join(text.plain for text in plots.terminal(lines, 80))
    assert ("at a letter: the interval" in drawn) == known
    for figure in (lines, scale(store, [run], plots.Wish())):
        with mpl.rc_context(cast("Any", rc())):
            drawing(figure, plots.Size()).draw_without_rendering()
    for row in compare_cells(store, [run], "model", Question()).rows:
        assert (row.low is not None) == (row.high is not None) == known


def test_a_remark_of_all_models_is_said_once(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    models = [made_up_model(store.path.parent, name) for name in ("x", "y")]
    right = always((0.0,) * 6)
    run = made_up_run(store, models, [TaskRequest("calculation", limit=40)], right)
    print_stats(store, run, "mc1", Format.TABLE, None)
    said = capsys.readouterr().err.splitlines()
    (line,) = [line for line in said if "Length bias" in line]
    assert line.startswith("calculation: Length bias: below chance (25.0%) at layers 1-6; ")


def test_a_remark_names_the_line_it_is_on(store: Store, tmp_path: Path) -> None:
    made_up_run(
        store, [made_up_model(tmp_path, "x")], [TaskRequest("calculation", limit=40)],
        always((0.0,) * 6), name="a",
    )  # fmt: skip
    made_up_run(
        store, [made_up_model(tmp_path, "y")], [TaskRequest("calculation", limit=40)],
        always((1.0,) * 6), name="b",
    )  # fmt: skip
    found = plots.gather("curves", store, ["a", "b"], plots.Wish())
    assert [remark.partition(":")[0] for remark in found.remarks] == ["calculation (x)"]


def test_a_curve_of_nothing_is_not_called_saturated(store: Store, tmp_path: Path) -> None:
    models = [made_up_model(tmp_path, "x")]
    task = [TaskRequest("calculation", limit=40)]
    noise = made_up_run(store, models, task, always((0.3, 0.25, 0.3, 0.25, 0.3, 0.25)))
    assert "Saturated" not in page.to_markdown(page.gather(store, [noise]))
    models = [made_up_model(tmp_path, "y")]
    ability = made_up_run(store, models, task, always((0.3, 0.3, 0.9, 0.9, 0.9, 0.9)))
    assert "Saturated from layer 3" in page.to_markdown(page.gather(store, [ability]))


def test_a_radar_without_a_right_answer_has_room_for_chance(store: Store, tmp_path: Path) -> None:
    tasks = [TaskRequest(name, limit=30) for name in ("calculation", "facts", "truth")]
    run = made_up_run(store, [made_up_model(tmp_path, "x")], tasks, always((0.0,) * 6))
    figure = plots.gather("radar", store, [run], plots.Wish())
    with mpl.rc_context(cast("Any", rc())):
        (axes,) = drawing(figure, plots.Size()).subfigs[1].get_axes()
        assert axes.get_ylim()[1] > 25


def test_what_shows_nothing_is_a_dash() -> None:
    assert [at_least(value) for value in (None, 1.0, 0.125)] == ["–", "–", "≥12.5"]


def test_spans_of_layers_are_short() -> None:
    assert spans([1, 2, 3, 7]) == "1-3, 7"
    assert spans([4], to="–") == "4"
    assert spans([]) == ""
