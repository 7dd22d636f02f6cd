"""Tests that stand in a table twice count once: in comparisons, questions and reports."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from madeup import Right, always, made_up_model, made_up_run

from llprobe import page
from llprobe.analysis.significance import benjamini_hochberg, holm
from llprobe.report.ask import ask_runs
from llprobe.report.compare import Question, compare_cells, compare_runs
from llprobe.report.sametests import adjusted_once, repeated, sentence
from llprobe.store import Store
from llprobe.task import TaskRequest

CALC, LOGIC = TaskRequest("calculation", limit=60), TaskRequest("logic", limit=60)
LENSES = ("norm", "paper")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "a.db") as store:
        yield store


def _run(store: Store, *names: str, lenses: tuple[str, ...] = LENSES) -> str:
    """Store models that are alike by chance; lenses that are the same at every layer."""
    models = [made_up_model(store.path.parent, name) for name in names]
    return made_up_run(store, models, [CALC, LOGIC], _right(), lenses=lenses)


def _right() -> Right:
    return always((0.3, 0.3, 0.3, 0.4, 0.5, 0.55))


def test_marks_that_are_equal_count_once() -> None:
    p, marks = [0.01, 0.04, 0.01, 0.03], ["a", "b", "a", "c"]
    for how in (holm, benjamini_hochberg):
        once = how(np.array([0.01, 0.04, 0.03])).tolist()
        assert adjusted_once(p, marks, how) == [once[0], once[1], once[0], once[2]]
    assert repeated(marks) == [False, False, True, False]
    assert adjusted_once([], []) == []


def test_it_is_said_how_many() -> None:
    assert sentence(0) == ""
    assert sentence(1).startswith("1 row repeats another one value by value")
    assert sentence(2).startswith("2 rows repeat another one value by value")


def test_a_lens_that_changes_nothing_does_not_change_p(store: Store) -> None:
    both, one = _run(store, "x", "y"), _run(store, "x", "y", lenses=("norm",))
    twice, once = (compare_cells(store, [run], "model", Question()) for run in (both, one))
    p = [row.p_adjusted for row in once.rows]
    assert [r.p_adjusted for r in twice.rows if r.shared["lens"] == "norm"] == p
    assert [r.p_adjusted for r in twice.rows if r.shared["lens"] == "paper"] == p
    assert [row.repeats for row in twice.rows].count(True) == 2
    assert twice.remarks == (sentence(2),)
    assert once.remarks == ()
    assert "mark" not in once.rows[0].row()


def test_models_that_agree_by_chance_count_each(store: Store, tmp_path: Path) -> None:
    runs = [
        made_up_run(store, [made_up_model(tmp_path, name)], [CALC], always((0.0,) * 5 + (share,)))
        for name, share in (("x", 0.0), ("y", 1.0), ("z", 1.0))
    ]
    found = compare_runs(store, runs, Question())
    assert [row.repeats for row in found.rows] == [False, False]
    assert all(row.p_adjusted == 2 * row.p for row in found.rows if row.p is not None)


def test_questions_count_lenses_once(store: Store) -> None:
    found = ask_runs(store, "int-vs-float", [_run(store, "x")])
    assert [row["repeats"] for row in found.rows] == [False, True]
    assert found.rows[0]["p_adjusted"] == found.rows[0]["p"]
    assert found.words.endswith(sentence(1))


def test_stars_of_a_report_count_lenses_once(store: Store) -> None:
    both, one = _run(store, "x"), _run(store, "x", lenses=("norm",))
    stars = [
        {(v.cell.task, v.cell.lens): v.stars_last for v in page.gather(store, [run]).cells}
        for run in (both, one)
    ]
    assert any(stars[1].values())
    assert {key: value for key, value in stars[0].items() if key[1] == "norm"} == stars[1]
