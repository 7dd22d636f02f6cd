"""Files that are written whole, and those that are their owner's alone."""

import errno
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from clihelp import Cli, tiny_model, write_questions

from llprobe import files
from llprobe.errors import StoreError
from llprobe.files import append_private, make_private, whole_file
from llprobe.store import Store, database


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def wide_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


# --- whole or not at all -------------------------------------------------------------------------


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])
def test_what_was_there_stays_where_writing_fails(error: BaseException, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")
    with pytest.raises(type(error)):
        _fail(path, error)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def _fail(path: Path, error: BaseException) -> NoReturn:
    with whole_file(path) as part:
        part.write_text("half")
        raise error


@pytest.mark.usefixtures("wide_umask")
def test_a_file_keeps_its_mode_and_a_link_its_target(tmp_path: Path) -> None:
    path, link = tmp_path / "a.txt", tmp_path / "link"
    with whole_file(path) as part:
        part.write_text("new")
    assert mode(path) == 0o644
    path.chmod(0o640)
    link.symlink_to(path)
    with whole_file(link) as part:
        part.write_text("newer")
    assert link.is_symlink()
    assert (path.read_text(), mode(path)) == ("newer", 0o640)


def test_a_device_is_written_as_it_is() -> None:
    with whole_file(Path("/dev/null")) as part:
        part.write_text("x")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


OUTPUTS = {
    "lines": ("export", "last", "--items", "-F", "jsonl"),
    "csv": ("export", "last", "--items", "-F", "csv"),
    "parquet": ("export", "last", "--items", "-F", "parquet"),
    "table": ("show", "last"),
    "page": ("report", "last"),
    "markdown": ("report", "last"),
    "figure": ("plot", "curves", "last"),
}
ENDINGS = {"page": ".html", "markdown": ".md", "figure": ".svg", "parquet": ".parquet"}


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    cli = Cli(tmp_path_factory.mktemp("stored"))
    done = cli.run(tiny_model(cli.folder), write_questions(cli.folder / "q.jsonl", 40))
    assert done.code == 0, done.err
    return cli


@pytest.mark.parametrize("kind", OUTPUTS)
def test_a_full_disk_leaves_the_output_that_was_there(
    kind: str, stored: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = stored.folder / f"out-{kind}{ENDINGS.get(kind, '')}"
    words = (*OUTPUTS[kind], "-o", path)
    assert stored(*words).code == 0
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "put", full)
    done = stored(*words)
    assert done.code != 0
    assert "cannot write" in done.line
    assert "No space left" in done.line
    assert path.read_bytes() == before
    assert not list(stored.folder.glob(".out-*"))


# --- for their owner alone -----------------------------------------------------------------------


@pytest.mark.usefixtures("wide_umask")
def test_new_databases_and_logs_are_private(tmp_path: Path) -> None:
    home = tmp_path / "new" / "data"
    cli = Cli(tmp_path, LLPROBE_DB=str(home / "a.db"))
    cli.run(tiny_model(tmp_path), write_questions(tmp_path / "q.jsonl"))
    for path in (home.parent, home, home / "logs"):
        assert mode(path) == 0o700, path
    files = [path for path in home.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} >= {".db", ".log"}
    assert {mode(path) for path in files if path.suffix != ".lock"} == {0o600}


@pytest.mark.usefixtures("wide_umask")
def test_what_is_there_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    Store(path).close()
    path.chmod(0o640)
    Store(path).close()
    make_private(path)
    assert mode(path) == 0o640
    log = tmp_path / "a.log"
    log.touch(0o644)
    with append_private(log) as file:
        file.write("x")
    assert (mode(log), log.read_text()) == (0o644, "x")


# --- where databases may lie ---------------------------------------------------------------------


def test_a_database_in_memory_is_refused(tmp_path: Path) -> None:
    done = Cli(tmp_path, LLPROBE_DB=":memory:").run(
        tiny_model(tmp_path), write_questions(tmp_path / "q.jsonl")
    )
    assert done.code == 1
    assert ":memory: would be gone" in done.line


@pytest.mark.parametrize("name", ["file:x.db", "file:x.db?mode=memory", "a?b#c%20d.db", "x y.db"])
def test_a_name_is_a_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Store(Path(name)).close()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    with Store(Path(name), create=False) as store:
        assert store.runs() == []


def test_a_database_that_cannot_be_written_is_read(
    stored: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a disk that is mounted to be read: SQLite cannot make its files beside it."""
    copy, opened = tmp_path / "copy of#1?.db", database._opened
    copy.write_bytes(stored.db.read_bytes())
    commands = (("ls",), ("show", "last"), ("export", "last", "--items"))
    right = [stored(*words).out for words in commands]

    def read_only(name: str, path: Path, *, uri: bool = False) -> sqlite3.Connection:
        if not uri:
            raise sqlite3.OperationalError("attempt to write a readonly database")
        return opened(name, path, uri=uri)

    monkeypatch.setattr(database, "_opened", read_only)
    assert [stored(*words, "--db", copy).out for words in commands] == right
    assert {path.name for path in tmp_path.iterdir()} == {copy.name}
    refused = stored("note", "last", "x", "--db", copy)
    assert refused.code == 1
    assert "is read-only" in refused.line


def test_what_waits_in_a_log_is_not_left_out_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.db"
    Store(path).close()
    (tmp_path / "a.db-wal").write_bytes(b"x")

    def cannot(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr(database, "_opened", cannot)
    with pytest.raises(StoreError, match=r"since it was not closed: copy it and a\.db-wal"):
        database.open_database(path, create=False)


def test_a_negative_schema_is_somebody_elses(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    Store(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = -3")
    db.close()
    before = path.read_bytes()
    for create in (True, False):
        with pytest.raises(StoreError, match="another program's database"):
            Store(path, create=create)
    assert path.read_bytes() == before


def test_no_file_of_a_link_is_lost_when_a_task_is_added(tmp_path: Path) -> None:
    """A data file that is a link, as in a hub's cache, is copied under its own name."""
    (tmp_path / "store").mkdir()
    write_questions(tmp_path / "store" / "5f2a")
    (tmp_path / "own.jsonl").symlink_to(tmp_path / "store" / "5f2a")
    (tmp_path / "own.yaml").write_text(
        "task: own\noutput_type: multiple_choice\ndoc_to_text: prompt\n"
        "doc_to_choice: choices\ndoc_to_target: '{{correct[0]}}'\nllprobe: {data: own.jsonl}\n"
    )
    cli = Cli(tmp_path, LLPROBE_TASKS=str(tmp_path / "tasks"))
    assert cli("tasks", "add", tmp_path / "own.yaml").code == 0
    for name in ("own.jsonl", "store/5f2a"):
        (tmp_path / name).unlink()
    done = cli("tasks", "show", "own")
    assert done.code == 0, done.err


def test_two_processes_make_one_database(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from llprobe.store import Store; "
    code += "Store(Path(sys.argv[1])).close()"
    path = tmp_path / "a.db"
    both = [subprocess.Popen([sys.executable, "-c", code, str(path)]) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    with Store(path, create=False) as store:
        assert store.runs() == []
