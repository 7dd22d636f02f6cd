"""Leaving pages: asked about first where one of them holds what would be lost.

This module knows what pages say of themselves. It does not know what would be lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from textual.screen import Screen

from .widgets.confirm import Confirm

if TYPE_CHECKING:
    from textual.app import App

__all__ = ["leave"]


def leave(app: App[Any], screens: Iterable[Screen[Any]], then: Callable[[], object]) -> None:
    """Do `then`, which leaves these screens; ask before where one of them is `unsaved`."""
    question = next((said for each in screens if (said := getattr(each, "unsaved", ""))), "")
    if not question:
        then()
        return

    def answered(yes: bool | None) -> None:
        if yes:  # later: the question itself is still on the screen when it is answered
            app.call_later(then)

    app.push_screen(Confirm(question, "Leave"), answered)
