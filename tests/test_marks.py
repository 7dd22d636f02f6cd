"""Tags and notes of runs: kept whatever becomes of the run, printed, exported, shown in reports."""

import csv
import io
import json
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from clihelp import Cli, Done, plan_of, tiny_model, write_questions
from madeup import always, fill, made_up_model, made_up_run

from llprobe import page
from llprobe.errors import StoreError, UnknownName, UsageError
from llprobe.plan import Plan
from llprobe.store import LONGEST_TAG, Store, checked_tags, database, migrations
from llprobe.task import TaskRequest

NOTE = "why [b]so[/b]\n\n# <script>alert(1)</script> | *4* shots"


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """Give a plan of one cell over 6 questions."""
    folder = tmp_path_factory.mktemp("plan")
    return plan_of([tiny_model(folder)], write_questions(folder / "q.jsonl", 6))


@pytest.fixture
def store(tmp_path: Path, plan: Plan) -> Iterator[Store]:
    with Store(tmp_path / "a.db") as store:
        store.begin(plan, "llprobe run")
        yield store


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """Give a command line with two scored runs, `first` and `second`; the latter is the last."""
    cli = Cli(tmp_path_factory.mktemp("marks"))
    with Store(cli.db) as store:
        for name in ("first", "second"):
            model = made_up_model(cli.folder, name)
            made_up_run(
                store, [model], [TaskRequest("facts", limit=4)], always([0.5] * 6), name=name
            )
    return cli


@pytest.fixture
def cli(filled: Cli, tmp_path: Path) -> Cli:
    """Give that command line with its database untouched."""
    copy = Cli(tmp_path)
    copy.db.write_bytes(filled.db.read_bytes())
    return copy


# --- the store ----------------------------------------------------------------------------------


def test_tags_are_given_and_taken_away(store: Store, plan: Plan) -> None:
    store.tag([plan.id], ["q4", "Baseline", "q4", "phase:1"])
    assert store.run(plan.id).tags == ("baseline", "phase:1", "q4")
    store.tag([plan.id], ["new"], ["BASELINE"])
    assert store.run(plan.id).tags == ("new", "phase:1", "q4")
    assert store.runs()[0].tags == ("new", "phase:1", "q4")


def test_several_runs_are_tagged_at_once_or_none(store: Store, plan: Plan) -> None:
    other = replace(plan, id="f" * 16)
    store.begin(other, "llprobe run again")
    store.tag([plan.id, other.id], ["both"])
    store.tag([other.id], ["own"])
    store.tag([plan.id, other.id], (), ["own"])  # one has it
    assert [run.tags for run in store.runs()] == [("both",), ("both",)]
    with pytest.raises(StoreError, match=r"run gone is not stored any more: see `llprobe ls`"):
        store.tag([plan.id, "gone"], ["late"])
    with pytest.raises(UnknownName, match=r"no tag named 'own'; known: both"):
        store.tag([plan.id], ["late"], ["own"])
    assert store.run(plan.id).tags == ("both",)


def test_tags_are_known_by_how_many_runs_have_them(store: Store, plan: Plan) -> None:
    assert store.known_tags() == ()
    other = replace(plan, id="f" * 16)
    store.begin(other, "llprobe run again")
    store.tag([plan.id, other.id], ["zebra"])
    store.tag([plan.id], ["b", "a"])
    assert store.known_tags() == ("zebra", "a", "b")


@pytest.mark.parametrize("word", ["", "a b", "no!", "-x", "_x", ":", "a/b", "a\n", "x\ud800"])
def test_a_word_that_cannot_be_a_tag_is_refused(store: Store, plan: Plan, word: str) -> None:
    if word == "a\n":  # white space around it is no part of it
        assert checked_tags([word]) == ("a",)
        return
    with pytest.raises(UsageError, match=r"is no tag: write letters, digits and - _ \. :"):
        store.tag([plan.id], ["good", word])
    assert store.run(plan.id).tags == ()


def test_a_tag_has_a_bound(store: Store, plan: Plan) -> None:
    store.tag([plan.id], ["x" * LONGEST_TAG])
    with pytest.raises(UsageError, match=f"has {LONGEST_TAG + 1} characters: {LONGEST_TAG} are"):
        store.tag([plan.id], ["x" * (LONGEST_TAG + 1)])


def test_tags_of_any_script_are_known_again() -> None:
    assert checked_tags(["Ünder", "U\u0308nder", "数学", "1.5B"]) == ("1.5b", "ünder", "数学")


def test_a_tag_cannot_be_added_and_removed(store: Store, plan: Plan) -> None:
    with pytest.raises(UsageError, match="the tag a is both added and removed: leave one out"):
        store.tag([plan.id], ["A"], ["a"])


@pytest.mark.parametrize("note", ["short", NOTE, "ab\x00c", "long " * 200_000 + "end", "数学 🦙"])
def test_a_note_comes_back_as_it_was_written(store: Store, plan: Plan, note: str) -> None:
    store.annotate(plan.id, "another before")
    store.annotate(plan.id, note + " \n\n")
    assert store.run(plan.id).note == note
    store.annotate(plan.id, " \n")
    assert store.run(plan.id).note == ""


def test_a_note_that_cannot_be_kept_is_refused(store: Store, plan: Plan) -> None:
    store.annotate(plan.id, "kept")
    with pytest.raises(UsageError, match="the note is not text in UTF-8"):
        store.annotate(plan.id, "x\udcff")
    with pytest.raises(StoreError, match="run gone is not stored any more"):
        store.annotate("gone", "late")
    assert store.run(plan.id).note == "kept"


def test_they_stay_whatever_becomes_of_the_run(store: Store, plan: Plan) -> None:
    store.tag([plan.id], ["kept"])
    store.annotate(plan.id, NOTE)
    fill(store, plan, always([0.5] * 3))
    store.end(plan.id, "stopped")
    store.begin(plan, "llprobe run")
    store.begin(plan, "llprobe run --fresh", fresh=True)
    store.end(plan.id, "done")
    with Store(store.path) as again:
        run = again.run(plan.id)
    assert (run.tags, run.note, run.marked) == (("kept",), NOTE, True)


def test_they_go_with_the_run(store: Store, plan: Plan) -> None:
    store.tag([plan.id], ["gone"])
    store.annotate(plan.id, "gone")
    store.remove(plan.id)
    assert store.known_tags() == ()
    store.begin(plan, "llprobe run")
    run = store.run(plan.id)
    assert (run.tags, run.note, run.marked) == ((), "", False)


def test_they_move_no_date(store: Store, plan: Plan) -> None:
    other = replace(plan, id="f" * 16)
    store.begin(other, "llprobe run again")
    store._db.execute("UPDATE runs SET updated = '2020-01-01T00:00:00' WHERE id = ?", (plan.id,))
    store.tag([plan.id], ["old"])
    store.annotate(plan.id, "old")
    assert store.find_run("last") == other.id
    assert store.run(plan.id).updated == "2020-01-01T00:00:00"


def test_a_database_from_before_there_were_any_is_brought_up(
    tmp_path: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "old.db"
    with monkeypatch.context() as patch:
        patch.setattr(database, "MIGRATIONS", migrations.MIGRATIONS[:5])
        with Store(path) as store:
            store.begin(plan, "llprobe run")
    before = sqlite3.connect(path)
    assert before.execute("PRAGMA user_version").fetchone() == (5,)
    assert not before.execute("SELECT 1 FROM sqlite_master WHERE name = 'run_tags'").fetchall()
    before.close()
    with Store(path) as store:
        assert (store.run(plan.id).tags, store.run(plan.id).note) == ((), "")
        store.tag([plan.id], ["new"])
        store.annotate(plan.id, NOTE)
        assert (store.run(plan.id).tags, store.run(plan.id).note) == (("new",), NOTE)


# --- the command line ---------------------------------------------------------------------------


def out(done: Done) -> str:
    assert done.code == 0, done.err
    return done.out


def test_a_run_is_tagged_and_its_tags_are_printed(cli: Cli) -> None:
    none = cli("tag", "last")
    assert (none.code, none.out) == (0, "")
    assert none.err.endswith("has no tags\n")
    assert out(cli("tag", "last", "q4", "Base")) == "base\nq4\n"
    assert out(cli("tag", "second")) == "base\nq4\n"
    assert out(cli("tag", "last", "--remove", "q4", "--remove", "BASE")) == ""
    assert out(cli("tag", "first")) == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("tag", "last", "a b"), "error: 'a b' is no tag: write letters, digits and - _ . : with"),
        (
            ("tag", "last", "--remove", "x"),
            "error: there is no tag x to remove: the run has no tags",
        ),
        (("tag", "nosuch", "x"), "error: no run named 'nosuch'"),
        (("tag", "last", "x", "--remove", "x"), "error: the tag x is both added and removed"),
        (("note", "nosuch", "x"), "error: no run named 'nosuch'"),
        (("note", "last", " "), "error: the note is empty: --clear removes one"),
        (("note", "last", "x", "--clear"), "error: --clear removes the note: leave out the text"),
        (("note", "last", "x\udcff"), "error: 'x\\udcff' is not UTF-8"),
        (("ls", "--tag", "x"), "error: no run has the tag x: `llprobe tag RUN x` adds it"),
        (("ls", "--tag", "x y"), "error: 'x y' is no tag"),
    ],
)
def test_what_cannot_be_done_is_one_line(cli: Cli, words: tuple[str, ...], said: str) -> None:
    done = cli(*words)
    assert (done.code, done.out) == (2, "")
    assert done.line.startswith(said)


def test_a_note_is_written_printed_and_removed(cli: Cli) -> None:
    none = cli("note", "last")
    assert (none.code, none.out) == (0, "")
    assert none.err.endswith("has no note\n")
    assert cli("note", "last", NOTE).err.endswith("is stored\n")
    assert out(cli("note", "last")) == NOTE + "\n"
    assert cli("note", "last", "--clear").err.endswith("is removed\n")
    assert out(cli("note", "last")) == ""


def test_a_note_is_read_from_stdin(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(NOTE + "\n"))
    assert cli("note", "last", "-").code == 0
    assert out(cli("note", "last")) == NOTE + "\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff"), "utf-8"))
    assert cli("note", "last", "-").line == "error: stdin is not text in UTF-8"
    assert out(cli("note", "last")) == NOTE + "\n"


def test_the_list_of_runs_is_narrowed_by_tags(cli: Cli) -> None:
    assert "tags" not in out(cli("ls")).splitlines()[0]
    cli("tag", "first", "both", "one")
    cli("tag", "second", "both")
    head, second, first = out(cli("ls")).splitlines()
    assert head.split()[-2:] == ["tags", "items"]
    assert "both, one" in first
    assert "both" in second
    names = [[row["name"] for row in cli("ls", "--tag", tag, "-F", "json").rows] for tag in
             ("both", "ONE")]  # fmt: skip
    assert names == [["second", "first"], ["first"]]
    both = cli("ls", "--tag", "both", "--tag", "one", "-F", "json").rows
    assert [row["name"] for row in both] == ["first"]
    assert cli("ls", "--tag", "oen").line == "error: no tag named 'oen'; did you mean one?"
    assert [row["name"] for row in cli("ls", "-F", "json", LLPROBE_TAG="one").rows] == ["first"]


def test_exports_of_the_list_hold_tags_and_notes(cli: Cli) -> None:
    cli("tag", "first", "b", "a")
    cli("note", "first", NOTE)
    second, first = cli("ls", "-F", "json").rows
    assert (second["tags"], second["note"]) == ([], "")
    assert (first["tags"], first["note"]) == (["a", "b"], NOTE)
    rows = list(csv.DictReader(io.StringIO(out(cli("ls", "-F", "csv")))))
    assert [json.loads(row["tags"]) for row in rows] == [[], ["a", "b"]]
    assert [row["note"] for row in rows] == ["", NOTE]


def test_a_runs_table_is_told_with_its_note(cli: Cli) -> None:
    assert "tags" not in cli("show", "last").err
    cli("tag", "last", "b", "a")
    cli("note", "last", NOTE)
    for words in ((), ("--stats",), ("-F", "json")):
        done = cli("show", "last", *words)
        assert done.err.startswith(f"tags: a b\nnote: {NOTE}\n")
        assert "alert" not in done.out
    assert out(cli("show", "last")) == out(cli("show", "second"))


@pytest.mark.parametrize("command", ["tag", "note"])
def test_the_commands_give_an_example(cli: Cli, command: str) -> None:
    assert f"Example: `llprobe {command} last " in out(cli(command, "--help"))


# --- reports ------------------------------------------------------------------------------------


def test_a_report_begins_with_what_was_said_of_its_runs(cli: Cli) -> None:
    with Store(cli.db) as store:
        runs = [store.find_run(name) for name in ("first", "second")]
        bare = page.gather(store, runs, items=False)
        store.tag(runs[:1], ["base", "q4"])
        store.annotate(runs[0], NOTE)
        told = page.gather(store, runs, items=False)
    assert 'id="notes"' not in page.to_html(bare)
    html = page.to_html(told)
    head = html[html.index('id="notes"') : html.index('id="summary"')]
    assert "<b>first</b>" in head
    assert "base · q4" in head
    assert "second" not in head
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in head
    assert "<script>alert" not in html
    text = page.to_markdown(told)
    noted = text[: text.index("## Summary")]
    assert "**first** (base, q4)\n" in noted
    assert "> why \\[b\\]so\\[/b\\]  \n>   \n> " in noted
    assert "&lt;script&gt;" in noted
    assert "**second**" not in noted
    assert "**first** (base" not in page.to_markdown(bare)
