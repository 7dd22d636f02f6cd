"""Which keys only move a cursor, scroll, or edit what is typed: help has one line for all of them.

This module knows the names of actions, Textual's and this interface's. It knows no screen.
"""

from __future__ import annotations

import re
from typing import Final

from textual.binding import Binding

__all__ = ["is_move"]

_MOVES: Final = re.compile(
    r"""
    (cursor|scroll|page|delete)_                    # of tables, lists, boxes that scroll, and texts
    | select_(word|line|all)$                       # of texts
    | (copy|cut|paste|undo|redo|home|end|first|last|previous_tab|next_tab)$
    | (move|edge|page|end)\(                        # of this interface's own tables and grids
    | app\.focus_(next|previous)$ | screen\.copy_text$
    """,
    re.VERBOSE,
)
"""How the names of such actions begin."""


def is_move(binding: Binding) -> bool:
    """Whether a key moves a cursor or the focus, scrolls or edits text, and does nothing else."""
    return _MOVES.match(binding.action) is not None
