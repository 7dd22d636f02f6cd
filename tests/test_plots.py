"""Figures: what they show against planted scores."""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from plothelp import N_LAYERS, PAPER, gather, planted, two_models

from llprobe import plots
from llprobe.errors import UnknownName, UsageError
from llprobe.plan import Plan
from llprobe.plots.gather.sources import tracks
from llprobe.store import Store


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return two_models(tmp_path_factory.mktemp("plan"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, plan: Plan) -> Iterator[Store]:
    with planted(tmp_path_factory.mktemp("db") / "a.db", plan) as store:
        yield store


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


def test_kinds_are_known() -> None:
    assert set(plots.KINDS) >= {"curves", "heat", "radar", "scale", "quants", "items"}
    with pytest.raises(UnknownName, match="did you mean curves"):
        gather(None, "curve", *PAPER)
