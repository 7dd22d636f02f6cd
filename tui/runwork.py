"""Changing stored runs: their tags and notes, and deleting them; asked first, done in a thread.

This module knows what is asked and what is then stored. It does not know how a text is typed
(notes.py), or which runs are meant.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .notes import EditNote, EditTags, TagChange
from .page import Page
from .runlist import Row
from .widgets import Confirm

if TYPE_CHECKING:
    from llprobe.store import Store

__all__ = ["delete_runs", "edit_note", "edit_tags"]


def _named(row: Row) -> str:
    return str(row["name"] or row["run"][:8])


def edit_tags(page: Page, rows: Sequence[Row]) -> None:
    """Ask for the tags of runs; of several, those that all of them have are asked for."""
    runs = [row["run"] for row in rows]
    shared = [tag for tag in rows[0]["tags"] if all(tag in row["tags"] for row in rows)]
    what = _named(rows[0]) if len(rows) == 1 else f"{len(rows)} runs (that all of them have)"

    def store(change: TagChange | None) -> None:
        if change:
            page.stored(
                lambda store: store.tag(runs, change.add, change.remove),
                lambda _: page.refresh_data(),
                name="tag",
            )

    def ask(known: tuple[str, ...]) -> None:
        page.app.push_screen(EditTags(what, shared, known), store)

    page.stored(lambda store: store.known_tags(), ask, name="tags")


def edit_note(page: Page, row: Row) -> None:
    """Ask for a run's note."""
    run = row["run"]

    def store(note: str | None) -> None:
        if note is not None:
            page.stored(
                lambda store: store.annotate(run, note),
                lambda _: page.refresh_data(),
                name="note",
            )

    page.app.push_screen(EditNote(_named(row), row["note"]), store)


def delete_runs(page: Page, rows: Sequence[Row], done: Callable[[list[str]], None]) -> None:
    """Delete runs once that is confirmed; `done` is then told their ids."""
    runs, names = [row["run"] for row in rows], [_named(row) for row in rows]

    def answered(yes: bool | None) -> None:
        if yes:
            page.stored(lambda store: _remove(store, runs), done, name="delete")

    what = f"the run {names[0]}" if len(runs) == 1 else f"{len(runs)} runs: {', '.join(names)}"
    have = "it has" if len(runs) == 1 else "they have"
    question = f"Delete {what}?\nWhat only {have} scored is lost; models and quants stay."
    page.app.push_screen(Confirm(question, "Delete"), answered)


def _remove(store: Store, runs: list[str]) -> list[str]:
    for run in runs:
        store.remove(run)
    return runs
