"""The store: what is kept comes back bit for bit, a group is whole or absent, trouble has words."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from clihelp import plan_of, tiny_model, unprivileged, write_questions
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from llprobe.errors import StoreError, UnknownName, UsageError
from llprobe.events import GroupScored, ItemResult, JobStarted
from llprobe.plan import Plan
from llprobe.store import Store, database, default_path, migrations
from llprobe.task import Skipped


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """Give a plan of two cells (two lenses) over 6 questions."""
    folder = tmp_path_factory.mktemp("plan")
    questions = write_questions(folder / "q.jsonl", 6)
    return plan_of([tiny_model(folder)], questions, lenses=("norm", "paper"))


@pytest.fixture
def store(tmp_path: Path, plan: Plan) -> Iterator[Store]:
    with Store(tmp_path / "a.db") as store:
        store.begin(plan, "llprobe run")
        yield store


def group(plan: Plan, number: int = 0, *, fill: float = -1.5, cell: int = 0) -> GroupScored:
    """Make a group of two items, both options and layers filled with `fill`."""
    logprob = np.full((4, 3), fill)
    items = tuple(ItemResult(2 * number + i, (1, 2, 1, 1), logprob) for i in range(2))
    return GroupScored(plan.cells[cell].id, number, items, 10)


# --- round trips ------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(values=arrays(np.float64, (4, 3), elements=st.floats(width=64)))
def test_floats_come_back_bit_for_bit(
    values: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    tmp_path_factory: pytest.TempPathFactory,
    plan: Plan,
) -> None:
    path = tmp_path_factory.getbasetemp() / "floats.db"
    with Store(path) as store:
        store.begin(plan, "llprobe run", fresh=True)
        result = ItemResult(1, (1, 2, 1, 1), values)
        store.add_group(GroupScored(plan.cells[0].id, 0, (result,), 1))
        (back,) = store.scores(plan.cells[0].id)
    assert back.logprob.tobytes() == values.tobytes()


def test_everything_that_decides_the_numbers_is_kept(store: Store, plan: Plan) -> None:
    store.record_model([plan.cells[0].id], {"threads": "1", "devices": "CPU"})
    store.start_job(JobStarted((plan.cells[0].id,), 5, 3, 100, (Skipped("q3", "too long"),)))
    cell, other = store.cells(plan.id)
    planned = plan.cells[0]
    assert (cell.id, cell.lens, other.lens) == (planned.id, "norm", "paper")
    assert cell.fingerprint == planned.model.fingerprint
    assert cell.questions == planned.questions.hash
    assert (cell.task, cell.task_version) == ("prompts", planned.questions.version)
    assert cell.layers == planned.layers == (1, 2, 3)
    assert cell.settings["n_batch"] == 16
    assert cell.request["data"] == planned.request.data
    assert {"llprobe", "llama-cpp-python", "numpy", "python"} <= cell.versions.keys()
    assert cell.record == {"threads": "1", "devices": "CPU"}
    assert cell.skipped == (Skipped("q3", "too long"),)
    assert (cell.n_done, cell.n_items, cell.status) == (0, 5, "interrupted")
    assert cell.model_info["n_layers"] == planned.model.n_layers


def test_items_come_back_whole(store: Store, plan: Plan) -> None:
    store.add_group(group(plan))
    questions = plan.cells[0].questions
    for index, score in enumerate(store.scores(plan.cells[0].id)):
        item = questions.items[index]
        assert score.item == replace(item, prompt=questions.preamble + item.prompt)
        assert (score.index, score.correct, score.best) == (index, item.correct, item.best)
        assert score.n_tokens == (1, 2, 1, 1)


def test_runs_are_listed_newest_first(store: Store, plan: Plan) -> None:
    store.add_group(group(plan))
    store.end(plan.id, "stopped")
    other = replace(plan, id="f" * 16, cells=plan.cells[:1])
    store.begin(other, "llprobe run again")
    with store.working(other.id):
        newest, first = store.runs()
    assert (newest.id, newest.status, newest.lenses) == ("f" * 16, "running", ("norm",))
    assert store.runs()[0].status == "interrupted"  # nobody works on it any more
    assert (first.id, first.status, first.lenses) == (plan.id, "stopped", ("norm", "paper"))
    assert (first.models, first.tasks, first.command) == (("tiny",), ("prompts",), "llprobe run")
    assert (first.n_done, first.n_items) == (2, 12)
    assert (newest.n_done, newest.n_items) == (2, 6)  # cells are shared, not counted anew


# --- groups -----------------------------------------------------------------------------------


def test_a_group_added_twice_is_there_once_as_it_was_first(store: Store, plan: Plan) -> None:
    store.add_group(group(plan, fill=-1.0))
    store.add_group(group(plan, fill=-2.0))
    scores = list(store.scores(plan.cells[0].id))
    assert [s.index for s in scores] == [0, 1]
    assert all((s.logprob == -1.0).all() for s in scores)


def test_a_group_that_cannot_be_kept_whole_is_not_kept(store: Store, plan: Plan) -> None:
    store.add_group(group(plan, 0))
    one, two = group(plan, 1).items
    with pytest.raises(StoreError, match="UNIQUE"):
        store.add_group(GroupScored(plan.cells[0].id, 1, (one, two, one), 10))
    assert store.done_groups(plan.cells[0].id) == {0}
    assert [s.index for s in store.scores(plan.cells[0].id)] == [0, 1]
    store.add_group(group(plan, 1))
    assert store.done_groups(plan.cells[0].id) == {0, 1}


def test_a_cell_is_done_when_every_group_is_there(store: Store, plan: Plan) -> None:
    cell = plan.cells[0].id
    store.start_job(JobStarted((cell,), 4, 2, 100, ()))
    store.finish_cells([cell], {"prefill": 0.5})
    store.add_group(group(plan, 0))
    assert not store.is_done(cell)
    store.add_group(group(plan, 1))
    assert store.is_done(cell)
    store.fail_cells([cell], "too late to fail")
    assert store.is_done(cell)
    assert not store.is_done("no such cell")


def test_fresh_forgets_the_scores_and_how_they_were_made(store: Store, plan: Plan) -> None:
    cell = plan.cells[0].id
    store.start_job(JobStarted((cell,), 2, 1, 100, (Skipped("q3", "too long"),)))
    store.record_model([cell], {"threads": "8"})
    store.add_group(group(plan, 0))
    store.finish_cells([cell], {"prefill": 0.5})
    store.begin(plan, "llprobe run --fresh", fresh=True)
    record = store.cells(plan.id)[0]
    assert (record.n_done, record.status, record.record, record.phases) == (0, "planned", {}, {})
    assert record.skipped == ()
    assert list(store.scores(cell)) == []
    assert not store.is_done(cell)


def test_beginning_again_keeps_what_is_there(store: Store, plan: Plan) -> None:
    store.add_group(group(plan, 0))
    store.begin(plan, "llprobe run")
    assert store.done_groups(plan.cells[0].id) == {0}
    assert len(store.runs()) == 1


# --- names of runs ----------------------------------------------------------------------------


def test_a_run_is_found_by_its_beginning(store: Store, plan: Plan) -> None:
    assert store.find_run(plan.id[:5]) == store.find_run("last") == store.find_run(plan.id)


def test_an_ambiguous_beginning_and_an_unknown_run_are_refused(store: Store, plan: Plan) -> None:
    twin = plan.id[:4] + "z" * 12
    store.begin(replace(plan, id=twin), "llprobe run")
    with pytest.raises(UsageError, match=f"{plan.id[:4]} may be .* or .*: write more of it"):
        store.find_run(plan.id[:4])
    assert store.find_run(twin) == twin
    with pytest.raises(UnknownName, match=r"no run named 'zz'.*llprobe ls"):
        store.find_run("zz")


@pytest.mark.parametrize("name", ["last", "abc"])
def test_an_empty_database_has_no_run_to_find(tmp_path: Path, name: str) -> None:
    with Store(tmp_path / "new.db") as store, pytest.raises(UsageError, match="no run is stored"):
        store.find_run(name)


# --- schema -----------------------------------------------------------------------------------


def version(path: Path) -> int:
    with sqlite3.connect(path) as db:
        found = int(db.execute("PRAGMA user_version").fetchone()[0])
    db.close()
    return found


def set_version(path: Path, number: int) -> None:
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {number}")
    db.close()


def test_a_new_file_gets_the_newest_schema(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "new.db"
    Store(path).close()
    assert version(path) == len(migrations.MIGRATIONS)


def test_an_older_database_is_brought_up_with_its_rows(
    tmp_path: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.db"
    with Store(path) as store:
        store.begin(plan, "llprobe run")
    old = version(path)

    def step(db: sqlite3.Connection) -> None:
        db.execute("ALTER TABLE runs ADD COLUMN note TEXT NOT NULL DEFAULT 'new'")

    monkeypatch.setattr(database, "MIGRATIONS", (*migrations.MIGRATIONS, step))
    with Store(path) as store:
        assert [run.id for run in store.runs()] == [plan.id]
    assert version(path) == old + 1


def test_a_migration_that_fails_leaves_the_old_schema(
    tmp_path: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.db"
    with Store(path) as store:
        store.begin(plan, "llprobe run")

    def step(db: sqlite3.Connection) -> None:
        db.execute("DROP TABLE scores")
        db.execute("this is no SQL")

    with monkeypatch.context() as patch:
        patch.setattr(database, "MIGRATIONS", (*migrations.MIGRATIONS, step))
        with pytest.raises(StoreError):
            Store(path)
    with Store(path) as store:
        assert list(store.scores(plan.cells[0].id)) == []
        assert [run.id for run in store.runs()] == [plan.id]


def test_a_newer_schema_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    Store(path).close()
    set_version(path, 99)
    with pytest.raises(StoreError, match=r"a\.db has schema 99, this llprobe knows .*upgrade"):
        Store(path)
    assert version(path) == 99


def test_processes_may_make_the_same_database_at_once(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from llprobe.store import Store\n"
    code += "input(); Store(Path(sys.argv[1])).close()"
    command = [sys.executable, "-c", code, str(tmp_path / "a.db")]
    pipe = subprocess.PIPE
    children = [subprocess.Popen(command, stdin=pipe, stderr=pipe) for _ in range(3)]
    for child in children:
        assert child.stdin
        child.stdin.write(b"\n")
        child.stdin.flush()
    assert [child.communicate()[1] for child in children] == [b""] * 3


# --- files that cannot be used ------------------------------------------------------------------


def test_what_is_no_database_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are notes of mine, and no database at all\n" * 10)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"notes\.txt is not an llprobe database"):
        Store(path)
    assert path.read_bytes() == before


def test_another_programs_database_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE theirs (x)")
    db.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"other\.db is another program's database"):
        Store(path)
    assert path.read_bytes() == before


def test_a_damaged_database_is_named(tmp_path: Path, plan: Plan) -> None:
    path = tmp_path / "a.db"
    with Store(path) as store:
        store.begin(plan, "llprobe run")
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
    with pytest.raises(StoreError, match=r"a\.db is damaged"), Store(path) as store:
        store.runs()


def test_a_folder_and_a_missing_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is a folder"):
        Store(tmp_path)
    with pytest.raises(StoreError, match=r"no database at .*llprobe run"):
        Store(tmp_path / "a.db", create=False)
    assert not (tmp_path / "a.db").exists()
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"cannot open .*: (File exists|Not a directory)"):
        Store(tmp_path / "file" / "a.db")


def test_a_locked_database_is_waited_for_and_then_named(
    store: Store, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_BUSY_SECONDS", 0.05)
    store.add_group(group(plan, 0))
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with Store(store.path) as second:
        with pytest.raises(StoreError, match=r"a\.db is locked by another process: wait"):
            second.add_group(group(plan, 1))
        assert second.done_groups(plan.cells[0].id) == {0}  # reading is possible
        other.execute("ROLLBACK")
        second.add_group(group(plan, 1))
    other.close()
    assert store.done_groups(plan.cells[0].id) == {0, 1}


def test_a_read_only_database_is_named_and_can_be_read(tmp_path: Path, plan: Plan) -> None:
    path = tmp_path / "a.db"
    with Store(path) as store:
        store.begin(plan, "llprobe run")
        store.add_group(group(plan, 0))
    open_to_all(tmp_path)
    path.chmod(0o444)
    with unprivileged(), Store(path) as store:
        with pytest.raises(StoreError, match=r"a\.db is read-only: change its permissions"):
            store.add_group(group(plan, 1))
        assert store.done_groups(plan.cells[0].id) == {0}
    path.chmod(0o644)
    with Store(path) as store:
        store.add_group(group(plan, 1))
        assert store.done_groups(plan.cells[0].id) == {0, 1}


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    open_to_all(tmp_path)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o755)
    with unprivileged(), pytest.raises(StoreError, match="Permission denied; --db names"):
        Store(closed / "a.db")
    closed.chmod(0o700)
    with unprivileged(), pytest.raises(StoreError, match="Permission denied"):
        Store(closed / "a.db", create=False)


def open_to_all(folder: Path) -> None:
    """Let other users write in a folder, and reach it."""
    folder.chmod(0o777)
    for parent in list(folder.parents)[:3]:
        if parent.stat().st_uid == os.geteuid():
            parent.chmod(parent.stat().st_mode | 0o011)


def test_a_full_disk_keeps_what_is_stored(store: Store, plan: Plan, tmp_path: Path) -> None:
    questions = write_questions(tmp_path / "many.jsonl", 100)
    plan = plan_of([plan.cells[0].model.paths[0]], questions)
    store.begin(plan, "llprobe run")
    cell, n_layers = plan.cells[0].id, len(plan.cells[0].layers)
    (pages,) = store._db.execute("PRAGMA page_count").fetchone()
    store._db.execute(f"PRAGMA max_page_count = {pages + 1}")
    events = [
        GroupScored(cell, n, (ItemResult(n, (1,) * 4, np.full((4, n_layers), float(n))),), 1)
        for n in range(100)
    ]
    with pytest.raises(StoreError, match="is full: make room and run the same command again"):
        add_all(store, events)
    kept = store.done_groups(cell)
    assert kept == frozenset(range(len(kept)))
    assert 0 < len(kept) < 100
    with Store(store.path) as again:  # where there is room
        add_all(again, events)
        again.end(plan.id, "stopped")
        assert again.done_groups(cell) == frozenset(range(100))


def add_all(store: Store, events: list[GroupScored]) -> None:
    for event in events:
        store.add_group(event)


def test_the_database_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLPROBE_DB", "/somewhere/else.db")
    assert default_path() == Path("/somewhere/else.db")
    monkeypatch.delenv("LLPROBE_DB")
    assert default_path().name == "llprobe.db"
