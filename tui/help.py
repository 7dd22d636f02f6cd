"""What `?` shows: what the screen is for, and every key that works on it. It knows no screen."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, ClassVar, Final

from rich.cells import cell_len
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widgets import Footer, Markdown, Static

from .moves import is_move

__all__ = ["HelpScreen", "keys_of"]

_ROOM: Final = 16
"""Characters of the keys' column, unless there are more of them in a line."""
_MOVES: Final = (
    ("up", "↑"), ("down", "↓"), ("left", "←"), ("right", "→"), ("j", "j"), ("k", "k"), ("h", "h"),
    ("l", "l"), ("g", "g"), ("G", "G"), ("pageup", "PgUp"), ("pagedown", "PgDn"), ("home", "Home"),
    ("end", "End"), ("tab", "Tab"),
)  # fmt: skip
"""Keys that move, and how they are shown."""


class HelpScreen(ModalScreen[None]):
    """The help of the screen `of`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q", "close", "Close", key_display="Esc"),
        Binding("j,down", "scroll_down", "Down", show=False),
        Binding("k,up", "scroll_up", "Up", show=False),
        Binding("g,home", "scroll_home", "Top", show=False),
        Binding("G,shift+g,end", "scroll_end", "End", show=False),
    ]

    def __init__(self, of: Screen[Any]) -> None:
        super().__init__()
        self._title = of.title or "llprobe"
        self._text = getattr(of, "HELP", None) or "Esc goes back."
        self._keys = keys_of(of)

    def compose(self) -> ComposeResult:
        """Show the text in a box that scrolls."""
        with VerticalScroll(classes="dialog") as box:
            box.border_title = self._title
            yield Markdown(self._text, open_links=False)
            yield Static(self._keys)
        yield Footer(show_command_palette=False)

    def action_close(self) -> None:
        """Go back to the screen."""
        self.dismiss(None)

    def action_scroll_down(self) -> None:
        """Go down a line."""
        self.query_one(VerticalScroll).scroll_down(animate=False)

    def action_scroll_up(self) -> None:
        """Go up a line."""
        self.query_one(VerticalScroll).scroll_up(animate=False)

    def action_scroll_home(self) -> None:
        """Go to the top."""
        self.query_one(VerticalScroll).scroll_home(animate=False)

    def action_scroll_end(self) -> None:
        """Go to the end."""
        self.query_one(VerticalScroll).scroll_end(animate=False)


def keys_of(screen: Screen[Any]) -> Text:
    """Return a line for everything that a key does now: the screen's, its focus's, then all's.

    Keys that only move or scroll share the last line.
    """
    shown = [*_keys(screen), *_moves(screen)]
    room = min(max((cell_len(keys) for keys, _ in shown), default=0), _ROOM)
    lines = [Text.assemble((f"{keys:>{room}}", "bold"), f"  {what}") for keys, what in shown]
    return Text("\n").join([Text("Keys", "bold underline"), *lines])


def _keys(screen: Screen[Any]) -> Iterator[tuple[str, str]]:
    """Yield keys with what they do; keys that do the same share a line."""
    keys: dict[str, list[str]] = {}
    said: dict[str, str] = {}
    for active in sorted(screen.active_bindings.values(), key=partial(_rank, screen)):
        binding = active.binding
        told = binding.description and not binding.system
        if active.enabled and told and not is_move(binding):
            keys.setdefault(binding.action, []).append(screen.app.get_key_display(binding))
            said.setdefault(binding.action, binding.description)
    for action, shown in keys.items():
        yield " ".join(dict.fromkeys(shown)), said[action]


def _moves(screen: Screen[Any]) -> Iterator[tuple[str, str]]:
    """Yield the keys that move, of those that people look for."""
    active = screen.active_bindings
    found = [shown for key, shown in _MOVES if key in active and is_move(active[key].binding)]
    if found:
        yield " ".join(found), "Move, scroll"


def _rank(screen: Screen[Any], active: ActiveBinding) -> int:
    """Put a screen's own keys first, and the application's last."""
    return {screen: 0, screen.app: 2}.get(active.node, 1)
