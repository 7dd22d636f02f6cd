"""`llprobe tag`, `note`: what a person says of a run.

This module knows the commands' options and what they print. What a tag may be is the store's to
say.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from llprobe.cli.console import err
from llprobe.cli.options import Db, database, option
from llprobe.cli.output import write
from llprobe.errors import UsageError
from llprobe.printable import printable
from llprobe.store import RunRecord, Store

__all__ = ["note", "print_marks", "tag"]

Run = Annotated[str, typer.Argument(help="A run's id, its beginning, its name, or `last`.")]


def tag(
    run: Run,
    words: Annotated[
        list[str] | None,
        typer.Argument(help="Tags to add: letters, digits and - _ . : (small and capital alike)."),
    ] = None,
    remove: Annotated[
        list[str] | None, option("--remove", help="A tag to take away; may be repeated.")
    ] = None,
    db: Db = None,
) -> None:
    """Give a run tags, or take them away, and print those it has, one a line.

    Example: `llprobe tag last baseline q4 --remove draft`
    """
    with Store(database(db), create=False) as store:
        found = store.find_run(run)
        if words or remove:
            store.tag([found], words or (), remove or ())
        tags = store.run(found).tags
    if not tags:
        err.print(f"run {found[:8]} has no tags")
    write("".join(f"{printable(each)}\n" for each in tags), None)


def note(
    run: Run,
    text: Annotated[
        str | None, typer.Argument(help="The note, in place of the one before; - reads stdin.")
    ] = None,
    clear: Annotated[bool, option("--clear", help="Remove the note.")] = False,
    db: Db = None,
) -> None:
    """Keep a note on a run, of any length; without a text print the one it has.

    Example: `llprobe note last "the first one with 4 shots"`
    """
    if text is not None and clear:
        raise UsageError("--clear removes the note: leave out the text")
    with Store(database(db), create=False) as store:
        found = store.find_run(run)
        if text is None and not clear:
            _print_note(store.run(found))
            return
        store.annotate(found, "" if clear else _given(str(text)))
    err.print(f"the note of run {found[:8]} is {'removed' if clear else 'stored'}")


def _given(text: str) -> str:
    """Return the text that is meant; UsageError where there is none."""
    if text == "-":
        try:
            text = sys.stdin.read()
        except UnicodeDecodeError as error:
            raise UsageError("stdin is not text in UTF-8") from error
    if not text.strip():
        raise UsageError("the note is empty: --clear removes one")
    return text


def _print_note(run: RunRecord) -> None:
    if run.note:
        write(f"{printable(run.note)}\n", None)
    else:
        err.print(f"run {run.id[:8]} has no note")


def print_marks(run: RunRecord) -> None:
    """Say beside a run's table what a person says of it."""
    if run.tags:
        err.print(f"tags: {' '.join(run.tags)}", markup=False)
    if run.note:
        err.print(f"note: {run.note}", markup=False)
