"""What a person says of runs: tags, which are short words, and a note each.

They are about a run and not of it: they move no date, and stay when it is continued or computed
afresh. This module knows two tables, and what a tag may look like. It opens no transaction.
"""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

from llprobe.errors import StoreError, UnknownName, UsageError

__all__ = ["LONGEST_TAG", "checked_note", "checked_tags", "known_tags", "write_note", "write_tags"]

LONGEST_TAG: Final = 40
"""Characters."""
_TAG: Final = re.compile(r"[^\W_][\w.:-]*")


def checked_tags(words: Iterable[str]) -> tuple[str, ...]:
    """Return words as the tags they are kept as: in small letters, sorted, each once.

    Raises UsageError for a word that cannot be a tag.
    """
    return tuple(sorted({_checked(word) for word in words}))


def _checked(word: str) -> str:
    tag = unicodedata.normalize("NFC", word.strip()).lower()
    if not _TAG.fullmatch(tag):
        raise UsageError(
            f"{word!r} is no tag: write letters, digits and - _ . : with a letter or digit first"
        )
    if len(tag) > LONGEST_TAG:
        raise UsageError(f"the tag {tag[:12]}… has {len(tag)} characters: {LONGEST_TAG} are most")
    return tag


def checked_note(text: str) -> str:
    """Return a note as it is kept, without white space at its end.

    Raises UsageError where it is no text.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UsageError("the note is not text in UTF-8: mend its characters") from error
    return text.rstrip()


def known_tags(db: sqlite3.Connection) -> tuple[str, ...]:
    """Return all tags that runs have, those of the most runs first."""
    rows = db.execute("SELECT tag FROM run_tags GROUP BY tag ORDER BY count(*) DESC, tag")
    return tuple(row[0] for row in rows)


def write_tags(
    db: sqlite3.Connection, runs: Sequence[str], add: Sequence[str], remove: Sequence[str]
) -> None:
    """Give runs tags, and take tags from those that have them; tags are `checked_tags`.

    Raises UnknownName for a tag to be removed that none of the runs has.
    """
    _expect(db, runs)
    for tag in remove:
        gone = [
            db.execute("DELETE FROM run_tags WHERE run = ? AND tag = ?", (run, tag)).rowcount
            for run in runs
        ]
        if not any(gone):
            raise _unknown(tag, _tags_of(db, runs))
    rows = [(run, tag) for run in runs for tag in add]
    db.executemany("INSERT OR IGNORE INTO run_tags VALUES (?, ?)", rows)


def _unknown(tag: str, known: set[str]) -> UsageError:
    if not known:
        return UsageError(f"there is no tag {tag} to remove: the run has no tags")
    return UnknownName("tag", tag, known)


def _tags_of(db: sqlite3.Connection, runs: Sequence[str]) -> set[str]:
    rows = db.execute("SELECT run, tag FROM run_tags")
    return {tag for run, tag in rows if run in runs}


def write_note(db: sqlite3.Connection, run: str, note: str) -> None:
    """Keep a run's note in place of the one before; an empty one removes it."""
    _expect(db, [run])
    if note:
        db.execute("INSERT OR REPLACE INTO run_notes VALUES (?, ?)", (run, note))
    else:
        db.execute("DELETE FROM run_notes WHERE run = ?", (run,))


def _expect(db: sqlite3.Connection, runs: Iterable[str]) -> None:
    """Refuse runs that are gone: another process may have deleted them."""
    for run in runs:
        if not db.execute("SELECT 1 FROM runs WHERE id = ?", (run,)).fetchone():
            raise StoreError(f"run {run[:8]} is not stored any more: see `llprobe ls`")
