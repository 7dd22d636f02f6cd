"""What is done with a planned sweep: its prompts are shown, it is saved, it is started.

Each asks first where something would be replaced. This module knows dialogs and the order of
questions. It does not know how a sweep is written.
"""

from __future__ import annotations

from collections.abc import Callable

from llprobe.sweep import SweepSpec

from ...page import Page
from ...widgets import Confirm
from .dialogs import Prompt, SaveAs
from .draft import Checked
from .preview import Preview, preview
from .starting import Ready, ready, save, start_sweep

__all__ = ["run_now", "save_as", "show_prompt"]

Then = Callable[[], None]
"""Is called when what was asked for is done."""


def show_prompt(page: Page, spec: SweepSpec, name: str) -> None:
    """Show the exact prompts of a task, question by question."""

    def turn(shown: Prompt, way: int, number: int) -> None:
        page.ask(lambda: preview(spec, name, way, number), shown.show, name="prompt")

    def show(first: Preview) -> None:
        page.app.push_screen(Prompt(first, turn))

    page.ask(lambda: preview(spec, name), show, name="prompt")


def save_as(page: Page, found: Checked, then: Then) -> None:
    """Ask where to save a sweep's file, and write it; `then` is called when it is written."""
    name = found.spec.name if found.spec else ""

    def chosen(path: str | None) -> None:
        if path:
            _save(page, found, path, then)

    page.app.push_screen(SaveAs(f"{name}.yaml"), chosen)


def _save(page: Page, found: Checked, path: str, then: Then, *, replace: bool = False) -> None:
    def again(yes: bool | None) -> None:
        if yes:
            _save(page, found, path, then, replace=True)

    def saved(said: str) -> None:
        if not said:
            question = Confirm(f"{path} is there already. Replace it?", "Replace")
            page.app.push_screen(question, again)
            return
        then()
        page.app.notify(said, markup=False)

    page.ask(lambda: save(found, path, replace=replace), saved, name="save")


def run_now(page: Page, spec: SweepSpec, then: Then) -> None:
    """Start a sweep in a process of its own; ask before what is large or takes another's place."""
    database = page.llprobe.db

    def start(found: Ready) -> None:
        page.ask(lambda: start_sweep(database, found), lambda _: then(), name="run")

    def sure(found: Ready) -> None:
        if found.question:
            question = Confirm(found.question, "Run")
            page.app.push_screen(question, lambda yes: start(found) if yes else None)
        else:
            start(found)

    page.ask(lambda: ready(database, spec), sure, name="run")
