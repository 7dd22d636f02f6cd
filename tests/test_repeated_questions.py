"""Questions that a task asks several times, under other names: they count once."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from madeup import made_up_model, made_up_run

from llprobe.plan import Cell
from llprobe.report import curve_evidence, option_table
from llprobe.report.ask import ask_runs
from llprobe.report.compare import Question, compare_runs
from llprobe.report.stats import stats_rows
from llprobe.store import Store
from llprobe.task import Item, TaskRequest

YAML = """\
task: again
output_type: multiple_choice
doc_to_text: "Q: {{q}}\\nA:"
doc_to_choice: options
doc_to_target: answer
llprobe: {data: again.jsonl, cluster: kind}
"""
SAMPLE = np.random.default_rng(5).random(100) < 0.5


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "a.db") as store:
        yield store


def row(number: int, kind: str = "", *, turned: bool = False) -> dict[str, Any]:
    """Give a question of four options; in another order where `turned`, with the same answer."""
    options = [f"{word} {number}" for word in ("one", "two", "six", "ten")]
    options = options[::-1] if turned else options
    answer = options.index(f"two {number}")
    return {"q": f"which is {number}?", "options": options, "answer": answer, "kind": kind}


def request(folder: Path, rows: Sequence[dict[str, Any]], **more: Any) -> TaskRequest:
    (folder / "again.jsonl").write_text("\n".join(map(json.dumps, rows)))
    path = folder / "again.yaml"
    path.write_text(YAML)
    return TaskRequest(str(path), **more)


def right(cell: Cell, item: Item) -> npt.NDArray[np.bool_]:
    """Answer rightly at the last three layers of six, of some questions."""
    number = int("".join(c for c in item.prompt.split("?")[0] if c.isdigit()))
    return np.array([False] * 3 + [bool(SAMPLE[number])] * 3)[: len(cell.layers)]


def run(store: Store, task: TaskRequest, name: str = "small") -> str:
    return made_up_run(store, [made_up_model(store.path.parent, name)], [task], right)


def clusters(store: Store, task: TaskRequest) -> list[int]:
    found = option_table(store, store.cells(run(store, task))[0]).clusters
    return found.tolist()


def test_four_questions_ten_times_each_are_four(store: Store, tmp_path: Path) -> None:
    chosen = [*np.flatnonzero(SAMPLE)[:3], *np.flatnonzero(~SAMPLE)[:1]]
    task = request(tmp_path, [row(int(n)) for n in chosen * 10])
    name = run(store, task)
    cell = store.cells(name)[0]
    table = option_table(store, cell)
    assert (table.n_items, table.n_clusters, table.n_repeats) == (40, 4, 36)
    found = curve_evidence(cell, table)
    assert found.mean[-1] == 0.75
    assert np.isnan([found.low, found.high]).all()
    assert {each.layer for each in found.findings if each.name in {"onset", "jump"}} == {None}
    said = "36 questions repeated word for word: what is asked twice counts once, 4 in all."
    assert said in found.remarks
    assert said in stats_rows(store, name)[0]["remarks"]
    assert said in ask_runs(store, "penultimate", [name]).words
    compared = compare_runs(store, [name, run(store, task, "large")], Question())
    assert compared.rows[0].low is None
    assert f"again: {said}"[:-1] in compared.remarks


def test_what_is_said_of_copies_is_what_is_said_of_one_of_each(
    store: Store, tmp_path: Path
) -> None:
    once = [row(n) for n in range(30)]
    plain, copies = (
        curve_evidence(cell, option_table(store, cell))
        for rows in (once, once * 3)
        for cell in store.cells(run(store, request(tmp_path, rows)))
    )
    assert (plain.n_clusters, copies.n_clusters) == (30, 30)
    np.testing.assert_allclose(copies.mean, plain.mean)
    # never surer for asking again; Student's t in place of the normal distribution is wider
    assert (copies.high - copies.low >= plain.high - plain.low - 1e-12).all()
    np.testing.assert_allclose(copies.low, plain.low, atol=0.03)
    np.testing.assert_allclose(copies.high, plain.high, atol=0.03)
    assert not any("repeated" in remark for remark in plain.remarks)


def test_other_orders_of_options_are_the_same_question(store: Store, tmp_path: Path) -> None:
    rows = [row(1), row(2), row(1, turned=True), row(3)]
    assert clusters(store, request(tmp_path, rows)) == [0, 1, 0, 2]


def test_letters_are_told_by_the_options_they_stand_for(store: Store, tmp_path: Path) -> None:
    rows = [row(1), row(2), row(1), row(2, turned=True), row(3)]
    assert clusters(store, request(tmp_path, rows, answer="letter")) == [0, 1, 0, 1, 2]


def test_clusters_that_share_a_question_are_one(store: Store, tmp_path: Path) -> None:
    rows = [row(1, "a"), row(2, "a"), row(3, "b"), row(1, "b"), row(4, "c"), row(5), row(5)]
    assert clusters(store, request(tmp_path, rows)) == [0, 0, 0, 0, 1, 2, 2]


def test_a_part_of_a_table_knows_its_own_repeats(store: Store, tmp_path: Path) -> None:
    rows = [row(1), row(2), row(1), row(3)]
    table = option_table(store, store.cells(run(store, request(tmp_path, rows)))[0])
    assert [table.take(part).n_repeats for part in ([0, 2], [0, 1], [1, 3])] == [1, 0, 0]
