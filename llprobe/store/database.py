"""Open the database file: its pragmas, its version, and errors in words.

This module knows a file and a connection. It does not know what the tables mean.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from llprobe.errors import StoreError
from llprobe.files import make_private
from llprobe.store.migrations import MIGRATIONS

__all__ = ["in_words", "open_database", "transaction"]

_BUSY_SECONDS = 10.0


@contextmanager
def in_words(path: Path) -> Iterator[None]:
    """Turn SQLite's errors about the file at `path` into a StoreError that says what to do."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(_explain(path, str(error))) from error


def _explain(path: Path, reason: str) -> str:
    known = {
        "not a database": f"{path} is not an llprobe database: name another file with --db",
        "malformed": f"{path} is damaged ({reason}): restore a copy, or name another with --db",
        "locked": f"{path} is locked by another process: wait for it to end, then try again",
        "readonly": f"{path} is read-only: change its permissions, or name another with --db",
        "read-only": f"{path} is read-only: change its permissions, or name another with --db",
        "disk is full": f"the disk that holds {path} is full: make room and run the same command "
        "again; what is stored is intact",
        "disk I/O": f"the disk that holds {path} failed ({reason}): what is stored is intact, "
        "and the same command continues once it works",
        "unable to open": f"cannot open {path}: check that its folder exists and is writable",
    }
    return next((text for key, text in known.items() if key in reason), f"{path}: {reason}")


def open_database(path: Path, *, create: bool = True) -> sqlite3.Connection:
    """Open or create the database (for its owner alone), and bring it to the newest schema.

    One that cannot be written (a read-only disk) is opened to be read, unless it is to be created.
    Raises StoreError for a file that is not ours, newer than this llprobe, or cannot be opened.
    """
    _check_place(path, create=create)
    # an absolute path is never taken for an address, whatever it is called
    place = path.absolute()
    with in_words(path):
        try:
            return _opened(str(place), path)
        except sqlite3.OperationalError as error:
            if create or not _cannot_write(error):
                raise
        return _opened_to_read(place, path)


def _check_place(path: Path, *, create: bool) -> None:
    if str(path) == ":memory:":
        raise StoreError(":memory: would be gone at the end of the command: name a file with --db")
    try:
        if path.is_dir():
            raise StoreError(f"{path} is a folder: name the database file in it")
        if not create and not path.exists():
            raise StoreError(f"no database at {path}: `llprobe run` makes one, --db names another")
        if create:
            make_private(path)
    except OSError as error:
        raise StoreError(f"cannot open {path}: {error.strerror}; --db names another") from error


def _opened(name: str, path: Path, *, uri: bool = False) -> sqlite3.Connection:
    db = sqlite3.connect(name, timeout=_BUSY_SECONDS, isolation_level=None, uri=uri)
    try:
        _prepare(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _cannot_write(error: sqlite3.OperationalError) -> bool:
    return any(word in str(error) for word in ("readonly", "read-only", "unable to open"))


def _opened_to_read(place: Path, path: Path) -> sqlite3.Connection:
    """Open a database beside which nothing can be written.

    Nobody can be writing it, either, so the file alone counts; StoreError where part of it waits
    in a log beside it, which could not be read then.
    """
    log = place.with_name(f"{place.name}-wal")
    if log.exists() and log.stat().st_size:
        raise StoreError(
            f"{path} cannot be read where nothing can be written, since it was not closed: copy it "
            f"and {log.name} to another folder, and name the copy with --db"
        )
    return _opened(f"{place.as_uri()}?mode=ro&immutable=1", path, uri=True)


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    db.execute("PRAGMA foreign_keys = ON")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise StoreError(
            f"{path} has schema {version}, this llprobe knows {len(MIGRATIONS)}: "
            "upgrade llprobe, or name another file with --db"
        )
    has_tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if version < 0 or (version == 0 and has_tables):
        raise StoreError(f"{path} is another program's database: name another file with --db")
    if version < len(MIGRATIONS):
        db.execute("PRAGMA journal_mode = WAL")
        _migrate(db)
    db.execute("PRAGMA synchronous = NORMAL")


def _migrate(db: sqlite3.Connection) -> None:
    with transaction(db):
        # read again: another process may have migrated while this one waited for the lock
        version = db.execute("PRAGMA user_version").fetchone()[0]
        for number, step in enumerate(MIGRATIONS[version:], start=version + 1):
            step(db)
            db.execute(f"PRAGMA user_version = {number}")


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Commit all that is done inside, or nothing of it."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        # a full disk may have rolled the transaction back by itself
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
