"""Reports: what is in them equals what is stored, and the file is written whole or not at all."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pagehelp import (
    COMMAND,
    HOSTILE,
    Parsed,
    block,
    cell_block,
    fill,
    hostile_plan,
    parsed,
    plain_questions,
    plain_text,
    plan_for,
    prompts,
)

from llprobe import page
from llprobe.analysis import item_metrics
from llprobe.cli.report import report
from llprobe.errors import UnknownName, UsageError
from llprobe.events import GroupScored, ItemAnswer, ItemResult
from llprobe.page.data import NO_NUMBER, Page
from llprobe.page.items import text_set
from llprobe.plan import Plan
from llprobe.store import Store
from llprobe.task import Item, TaskRequest


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return hostile_plan(tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, plan: Plan) -> Iterator[Store]:
    path = fill(tmp_path_factory.mktemp("store") / "a.db", plan, command=COMMAND)
    with Store(path, create=False) as store:
        yield store


@pytest.fixture(scope="module")
def gathered(store: Store, plan: Plan) -> Page:
    return page.gather(store, [plan.id])


@pytest.fixture(scope="module")
def html(gathered: Page) -> str:
    return page.to_html(gathered)


@pytest.fixture(scope="module")
def read(html: str) -> Parsed:
    return parsed(html)


@pytest.fixture(scope="module")
def data(read: Parsed) -> Any:
    return json.loads(read.texts["data"])


# --- what is in it ----------------------------------------------------------------------------


def test_items_in_the_page_are_those_of_the_store(
    store: Store, plan: Plan, read: Parsed, data: Any
) -> None:
    for cell, shown in zip(store.cells(plan.id), data["cells"], strict=True):
        found = cell_block(read, shown)
        scores = list(store.scores(cell.id))
        at = 0
        for n, (score, text) in enumerate(zip(scores, found.items, strict=True)):
            id_, group, prompt, choices, correct, best = text
            asked = Item(id_, found.preamble + prompt, tuple(choices), tuple(correct), best, group)
            assert asked == replace(score.item, cluster="")
            assert found.right[n].tolist() == item_metrics(score)["mc1"].tolist()
            weights = np.exp(score.logprob - score.logprob.max(axis=0))
            rows = found.thousandths[at : at + len(choices)]
            assert np.abs(rows / 1000 - weights / weights.sum(axis=0)).max() <= 0.0005 + 1e-9
            at += len(choices)
            answers = score.logprob.argmax(axis=0).tolist()
            same = [all(a == answers[-1] for a in answers[k:]) for k in range(len(answers))]
            assert found.settled[n] == cell.layers[same.index(True)]


def test_curves_in_the_page_are_means_over_the_stored_items(
    store: Store, plan: Plan, data: Any
) -> None:
    for cell, shown in zip(store.cells(plan.id), data["cells"], strict=True):
        of_items = [item_metrics(score) for score in store.scores(cell.id)]
        assert {"mc1", "acc_norm_tokens", "acc_norm_bytes"} <= shown["curves"].keys()
        for metric, curve in shown["curves"].items():
            mean = np.mean([of[metric] for of in of_items], axis=0)
            assert curve["mean"] == pytest.approx(mean.tolist(), abs=1e-5)
            assert all(
                a <= m <= b
                for a, m, b in zip(curve["low"], curve["mean"], curve["high"], strict=True)
            )
        assert shown["items"] == len(of_items)
        assert shown["layers"] == list(cell.layers)


def test_the_papers_curves_are_laid_beside_a_task_of_their_kind(data: Any) -> None:
    assert {(p["task"], p["row"]) for p in data["published"]} == {("facts", "lama")}
    assert [p["n_layers"] for p in data["published"]] == [32, 40, 80]
    assert data["published"][0]["accuracy"][0] == pytest.approx(0.0399, abs=0.05)


def test_worked_examples_are_stored_once_for_a_task(gathered: Page, plan: Plan) -> None:
    texts = gathered.texts[plan.cells[2].questions.hash]
    assert texts.preamble == plan.cells[2].questions.preamble
    assert all(item.prompt.startswith("Q: ") for item in texts.items)
    assert len(gathered.texts) == 2  # four cells share two sets of questions


def test_one_question_has_no_shared_beginning() -> None:
    item = Item("a", "Look.\n\nQ: 1?\nA:", (" x", " y"), (0,), 0, "")
    assert text_set([item]).preamble == ""
    both = text_set([item, replace(item, id="b", prompt="Look.\n\nQ: 12?\nA:")])
    assert (both.preamble, [i.prompt for i in both.items]) == (
        "Look.\n\n",
        ["Q: 1?\nA:", "Q: 12?\nA:"],
    )


def test_cells_that_scored_different_items_share_their_texts(tmp_path: Path) -> None:
    data = plain_questions(tmp_path / "q.jsonl", 12)
    plan = plan_for(tmp_path, [prompts(data)], lenses=("norm", "paper"))
    norm, paper = (replace(plan, cells=(cell,)) for cell in plan.cells)
    fill(tmp_path / "a.db", norm, n_items=4)
    fill(tmp_path / "a.db", paper, n_items=5, first=6)
    with Store(tmp_path / "a.db") as store:
        store.begin(plan, "llprobe run")
        found = page.gather(store, [plan.id])
    read = parsed(page.to_html(found))
    cells = json.loads(read.texts["data"])["cells"]
    ids = [[item[0] for item in cell_block(read, cell).items] for cell in cells]
    assert ids == [[f"q{i}" for i in range(4)], [f"q{i}" for i in range(6, 11)]]
    assert len(found.texts) == 1
    assert any("4 of 12 items are scored" in remark for remark in found.remarks)


def test_scores_that_are_no_numbers_are_shown_as_none(tmp_path: Path) -> None:
    plan = plan_for(tmp_path, [prompts(plain_questions(tmp_path / "q.jsonl", 8))], n_layers=2)
    with Store(tmp_path / "a.db") as store:
        store.begin(plan, "llprobe run")
        logprob = np.array([[np.nan, -1.0], [np.nan, -2.0], [np.nan, -3.0], [np.nan, -4.0]])
        items = tuple(ItemResult(i, (1,) * 4, logprob) for i in range(8))
        store.add_group(GroupScored(plan.cells[0].id, 0, items, 1))
        read = parsed(page.to_html(page.gather(store, [plan.id])))
    cell = json.loads(read.texts["data"])["cells"][0]
    found = cell_block(read, cell)
    assert found.thousandths[:4, 0].tolist() == [NO_NUMBER] * 4
    assert found.thousandths[:4, 1].tolist() == [644, 237, 87, 32]
    assert found.right[:, 0].tolist() == [0] * 8


def test_a_cell_of_two_runs_is_shown_once(tmp_path: Path, plan: Plan) -> None:
    fill(tmp_path / "a.db", plan)
    with Store(tmp_path / "a.db") as store:
        store.begin(replace(plan, id="f" * 16, cells=plan.cells[:1]), "llprobe run again")
        found = page.gather(store, [plan.id, "f" * 16])
    assert len(found.cells) == 4
    assert [run.record.id for run in found.runs] == [plan.id, "f" * 16]


def test_without_items_there_are_no_single_questions(store: Store, plan: Plan) -> None:
    read = parsed(page.to_html(page.gather(store, [plan.id], items=False)))
    assert read.texts.keys() == {"data", ""}
    assert "pack" not in json.loads(read.texts["data"])["cells"][0]


def test_many_items_take_little_room(tmp_path: Path) -> None:
    plan = plan_for(tmp_path, [prompts(plain_questions(tmp_path / "q.jsonl", 500))], n_layers=10)
    fill(tmp_path / "a.db", plan)
    with Store(tmp_path / "a.db") as store:
        read = parsed(page.to_html(page.gather(store, [plan.id])))
    # a drawn probability takes 1.7 bytes in base64, where its text in JSON takes 5 or more
    assert len(read.texts["c0"]) < 1.9 * 500 * 4 * 10
    assert len(read.texts["t0"]) < 0.2 * len(block(read, "t0"))


def test_the_same_run_gives_the_same_bytes(store: Store, plan: Plan, gathered: Page) -> None:
    again = replace(page.gather(store, [plan.id]), made=gathered.made)
    assert page.to_html(again) == page.to_html(gathered)


def test_a_run_without_scores_is_refused(tmp_path: Path, plan: Plan) -> None:
    with Store(tmp_path / "a.db") as store:
        store.begin(plan, "llprobe run")
        with pytest.raises(UsageError, match=f"nothing is scored in {plan.id[:8]}"):
            page.gather(store, [plan.id])


def test_written_answers_have_a_table_of_their_own(tmp_path: Path) -> None:
    request = TaskRequest("facts", limit=4, answer="generate")
    plan = plan_for(tmp_path, [request], n_layers=2)
    (cell,) = plan.cells
    right = [item.choices[item.best] for item in cell.questions.items]
    texts = [right[0], right[1], HOSTILE[0], HOSTILE[1]]
    answers = tuple(ItemAnswer(i, 3, text, i < 3) for i, text in enumerate(texts))
    with Store(tmp_path / "a.db") as store:
        store.begin(plan, "llprobe run")
        store.add_group(GroupScored(cell.id, 0, answers, 1))
        found = page.gather(store, [plan.id])
    assert (found.written[0].exact, found.written[0].unfinished) == (0.5, 1)
    read = parsed(page.to_html(found))
    assert "script" not in {tag for tag, _ in read.tags}  # there is nothing to draw
    assert "50.0" in plain_text(page.to_html(found))
    assert "| facts | tiny | 4 | 50.0 |" in page.to_markdown(found)


def test_how_it_was_made_is_told(html: str, plan: Plan) -> None:
    text = plain_text(html)
    cell = plan.cells[0]
    assert COMMAND in text
    assert cell.model.fingerprint[:12] in text
    for said in ("bits per weight", "n_batch", "llama-cpp-python", "Lens paper", "Holm"):
        assert said in text
    assert str(cell.model.paths[0].parent) not in html  # no folder of whoever made it


# --- files ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.html", "a.HTM", "a.md", "a.markdown"])
def test_the_ending_says_what_is_written(tmp_path: Path, gathered: Page, name: str) -> None:
    size = page.write_report(gathered, tmp_path / name)
    text = (tmp_path / name).read_text("utf-8")
    assert size == (tmp_path / name).stat().st_size
    assert text.startswith("<!DOCTYPE html>" if "h" in name.lower().split(".")[1][:1] else "# ")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_what_cannot_be_written_leaves_what_was_there(
    tmp_path: Path, gathered: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.html"
    path.write_text("before", "utf-8")

    def fail(*_: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(UsageError, match=r"cannot write .*a\.html: No space left on device"):
        page.write_report(gathered, path)
    assert path.read_text("utf-8") == "before"
    assert [found.name for found in tmp_path.iterdir()] == ["a.html"]


def test_the_command_writes_a_report(
    tmp_path: Path, store: Store, plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    report([plan.id[:8], "last"], tmp_path / "a.html", title=HOSTILE[0], db=store.path)
    assert re.search(r"a\.html: \d+ KiB", capsys.readouterr().err)
    assert f"<title>{HOSTILE[0].replace('<', '&lt;').replace('>', '&gt;')}</title>" in (
        tmp_path / "a.html"
    ).read_text("utf-8")
    report(None, tmp_path / "a.md", db=store.path)
    assert "## Summary" in (tmp_path / "a.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("runs", "name", "error"),
    [
        (["last"], "a.pdf", "cannot write a report as a.pdf: name it .html or .md"),
        (["last"], "none/a.html", "there is no folder"),
        (["paper:llama2-7b"], "a.html", "the paper's curves are in every report"),
    ],
)
def test_the_command_refuses_what_it_cannot_do(
    tmp_path: Path, store: Store, runs: list[str], name: str, error: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(error)):
        report(runs, tmp_path / name, db=store.path)
    assert list(tmp_path.iterdir()) == []


def test_the_command_names_a_run_that_there_is_not(tmp_path: Path, store: Store) -> None:
    with pytest.raises(UnknownName, match="no run named 'zzz'"):
        report(["zzz"], tmp_path / "a.html", db=store.path)
