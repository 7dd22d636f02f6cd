"""Items that are not independent: named by their task, kept in the store, no part of the hash."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from clihelp import plan_of, tiny_model, write_questions

from llprobe.errors import TaskError
from llprobe.events import GroupScored, ItemResult
from llprobe.plan import Plan
from llprobe.report import option_table
from llprobe.store import Store, migrations
from llprobe.task import Questions, TaskRequest, load_questions

# Hashes of the first 8 questions, taken before there were clusters: question and prior, or the
# question alone where the model writes.
HASHES = {
    ("facts", "cloze"): ("99419c6de03a8fef", "d11310be31ec855a"),
    ("facts", "letter"): ("43df281bea6582dd", "e50c02b88f6bae2f"),
    ("facts", "generate"): ("a6d5e84ebc922a85", ""),
    ("mps_cal", "cloze"): ("946c6bfdf24c5684", "63dfe44e384563ac"),
    ("mps_cal", "generate"): ("a661e4535b21113b", ""),
    ("mps_rea", "cloze"): ("ee0290bdb5012abd", "951cbde311531282"),
    ("mps_rea", "letter"): ("103b30aca82c27bb", "fa69a5b126b0c266"),
    ("xmps_cal", "cloze"): ("f319222ed6d12e41", "67cd9e2f5d0b6324"),
    ("xmps_cal", "letter"): ("85663f8583190313", "c4f1c5b91a2f0c89"),
    ("xmps_rea", "cloze"): ("3b000f0e6c30f02e", "28de503fc0da01f6"),
    ("calculation", "cloze"): ("8c02a9ea4d3607b3", "42a034cf60467921"),
    ("logic", "cloze"): ("f31d29a02161b0c6", "66413a30a5ad690f"),
    ("truth", "cloze"): ("3044579c6042fbc3", "7bfa4acbb1da18b3"),
}


def asked(
    name: str, limit: int | None = None, *, answer: str = "", data: str | None = None
) -> Questions:
    return load_questions(TaskRequest(name, data, limit, answer=answer))


# --- tasks ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("task", "answer"), HASHES)
def test_hashes_are_what_they_were_before_there_were_clusters(task: str, answer: str) -> None:
    found = asked(task, 8, answer=answer)
    assert (found.hash[:16], found.prior[:16]) == HASHES[task, answer]


def test_word_problems_of_a_template_belong_together() -> None:
    found = asked("mps_cal").items
    assert {item.id.rpartition("/")[0] for item in found} == {item.cluster for item in found}
    assert all(item.cluster == item.id.rpartition("/")[0] for item in found)
    assert len(found) == 5 * len({item.cluster for item in found})


def test_a_word_problem_in_four_languages_is_in_one_cluster() -> None:
    english = {item.id: item.cluster for item in asked("mps_cal").items}
    found = asked("xmps_cal").items
    assert {item.group for item in found} == {"es", "fr", "zh", "th"}
    assert all(item.cluster == english[item.id.rpartition("/")[0]] for item in found)


def test_facts_of_a_relation_belong_together() -> None:
    found = asked("facts", 40).items
    assert all(item.cluster == item.group != "" for item in found)
    assert len({item.cluster for item in found}) == 14


def test_other_questions_are_by_themselves() -> None:
    for task in ("calculation", "logic", "truth"):
        assert {item.cluster for item in asked(task, 8).items} == {""}


def test_clusters_stay_in_every_way_of_answering() -> None:
    wanted = [item.cluster for item in asked("mps_rea", 8).items]
    request = TaskRequest("mps_rea", limit=8)
    ways = [replace(request, answer=answer) for answer in ("letter", "generate")]
    for way in (*ways, replace(request, prior=True)):
        found = load_questions(way)
        assert [item.cluster for item in found.items] == wanted


def test_a_relation_is_the_same_in_every_language(tmp_path: Path) -> None:
    lines = [
        f'{{"sub_label": "{s}", "obj_label": "{o}", "template": "[X] is in [Y]", '
        f'"predicate_id": "P17", "language": "{language}"}}\n'
        for language in ("en", "de")
        for s, o in (("Rome", "Italy"), ("Oslo", "Norway"))
    ]
    path = tmp_path / "triples.jsonl"
    path.write_text("".join(lines), encoding="utf-8")
    found = asked("lama", data=str(path)).items
    assert [item.group for item in found] == ["en/P17"] * 2 + ["de/P17"] * 2
    assert {item.cluster for item in found} == {"P17"}


def task_file(folder: Path, cluster: str) -> str:
    """Write a task of three questions whose field `from` names what they are made of."""
    folder.mkdir(exist_ok=True)
    rows = [f'{{"q": "{i}?", "c": ["x", "y"], "from": {each}}}\n' for i, each in
            enumerate(('" a "', "7", "null"))]  # fmt: skip
    (folder / "rows.jsonl").write_text("".join(rows), encoding="utf-8")
    (folder / "t.yaml").write_text(
        "task: t\noutput_type: multiple_choice\n"
        'doc_to_text: "{{q}}"\ndoc_to_choice: c\ndoc_to_target: 0\n'
        f"llprobe:\n  data: rows.jsonl\n{cluster}",
        encoding="utf-8",
    )
    return str(folder / "t.yaml")


def test_a_task_names_the_field(tmp_path: Path) -> None:
    found = asked(task_file(tmp_path, "  cluster: from\n"))
    assert [item.cluster for item in found.items] == ["a", "7", ""]
    without = asked(task_file(tmp_path, ""))
    assert {item.cluster for item in without.items} == {""}
    assert without.hash == found.hash


def test_a_field_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"rows\.jsonl, line 1: the field 'source' is missing"):
        asked(task_file(tmp_path, "  cluster: source\n"))


# --- the store --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """Give a plan of a cell of 6 questions of two templates."""
    folder = tmp_path_factory.mktemp("plan")
    return plan_of([tiny_model(folder)], write_questions(folder / "q.jsonl", 6), lenses=("norm",))


def clustered(plan: Plan) -> Plan:
    """Give the same plan with questions in clusters: 0 and 3, 1 and 4; the others alone."""
    cell = plan.cells[0]
    names = ("t1", "t2", "", "t1", "t2", "")
    items = tuple(
        replace(item, cluster=name) for item, name in zip(cell.questions.items, names, strict=True)
    )
    questions = replace(cell.questions, items=items)
    return replace(plan, cells=(replace(cell, questions=questions),))


def score(store: Store, plan: Plan) -> None:
    results = tuple(ItemResult(i, (1,) * 4, np.zeros((4, 3))) for i in range(6))
    store.add_group(GroupScored(plan.cells[0].id, 0, results, 1))


def numbers(store: Store, plan: Plan) -> list[int]:
    (cell,) = store.cells(plan.id)
    return [int(number) for number in option_table(store, cell).clusters]


def test_clusters_are_kept(tmp_path: Path, plan: Plan) -> None:
    with Store(tmp_path / "a.db") as store:
        store.begin(clustered(plan), "llprobe run")
        score(store, plan)
        assert numbers(store, plan) == [0, 1, 2, 0, 1, 3]
        found = [each.item.cluster for each in store.scores(plan.cells[0].id)]
        assert found == ["t1", "t2", "", "t1", "t2", ""]


def test_stored_questions_get_their_clusters_when_asked_again(tmp_path: Path, plan: Plan) -> None:
    with Store(tmp_path / "a.db") as store:
        store.begin(plan, "llprobe run")
        score(store, plan)
        assert numbers(store, plan) == [0, 1, 2, 3, 4, 5]
        store.begin(clustered(plan), "llprobe run")
        assert numbers(store, plan) == [0, 1, 2, 0, 1, 3]
        assert len(list(store.scores(plan.cells[0].id))) == 6  # nothing is computed again


def test_an_old_database_gets_room_for_them(tmp_path: Path, plan: Plan) -> None:
    path = tmp_path / "old.db"
    db = sqlite3.connect(path)
    for step in migrations.MIGRATIONS[:4]:
        step(db)
    questions = plan.cells[0].questions
    db.execute(
        "INSERT INTO questions (hash, task, version, preamble, notes) "
        "VALUES (?, 't', '1', '', '[]')",
        (questions.hash,),
    )
    db.executemany(
        'INSERT INTO items VALUES (?, ?, ?, ?, ?, \'["a","b","c","d"]\', \'[0]\', 0)',
        [(questions.hash, i, item.id, "", f"Q {i}") for i, item in enumerate(questions.items)],
    )
    db.execute("PRAGMA user_version = 4")
    db.commit()
    db.close()
    with Store(path) as store:
        kept = store._db.execute("SELECT id, cluster FROM items ORDER BY idx").fetchall()
        assert kept == [(item.id, "") for item in questions.items]
        store.begin(clustered(plan), "llprobe run")
        score(store, plan)
        assert numbers(store, plan) == [0, 1, 2, 0, 1, 3]
