"""The command palette's entries: every action of the page that is seen, every screen, every theme.

This module asks the screens what can be done. It does none of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from textual.actions import parse
from textual.binding import Binding
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.dom import DOMNode
from textual.screen import Screen

from .moves import is_move
from .themes import THEMES

if TYPE_CHECKING:
    from .app import LlprobeApp

__all__ = ["LlprobeCommands", "offered"]

_Command = tuple[str, str, Callable[[], object]]
"""What an entry says, its second line, and what it does."""

_OTHERWISE: Final = ("command_palette", "app.command_palette", "go(")
"""Actions that need no entry: this one, and screens, which have entries of their own."""


class LlprobeCommands(Provider):
    """What can be done now."""

    async def discover(self) -> Hits:
        """Offer everything."""
        for name, help_, do in self._commands():
            yield DiscoveryHit(name, do, help=help_)

    async def search(self, query: str) -> Hits:
        """Offer what looks like the query."""
        matcher = self.matcher(query)
        for name, help_, do in self._commands():
            score = matcher.match(name)
            if score > 0:
                yield Hit(score, matcher.highlight(name), do, help=help_)

    def _commands(self) -> list[_Command]:
        app = cast("LlprobeApp", self.app)
        return [*self._here(app), *_screens(app), *_themes(app)]

    def _here(self, app: LlprobeApp) -> Iterator[_Command]:
        """Yield the actions of the screen below the palette, of its focus, and of the app."""
        for node, binding in offered(self.screen):
            do = partial(app.run_action, binding.action, node)
            where = "llprobe" if node is app else "Here"
            yield f"{where}: {binding.description}", f"key {app.get_key_display(binding)}", do


def offered(screen: Screen[Any]) -> list[tuple[DOMNode, Binding]]:
    """Return what can be done on a screen and is no mere way of moving, each action once.

    Actions whose keys are letters are there too while these letters would be typed into a text.
    """
    focus = screen.focused or screen
    found: dict[str, tuple[DOMNode, Binding]] = {}
    for node in dict.fromkeys((*focus.ancestors_with_self, screen.app)):
        for binding in _declared(node):
            if _is_told(binding) and _is_possible(node, binding):
                found.setdefault(binding.action, (node, binding))
    return list(found.values())


def _declared(node: DOMNode) -> Iterator[Binding]:
    for each in type(node).__mro__:
        yield from Binding.make_bindings(vars(each).get("BINDINGS", ()))


def _is_told(binding: Binding) -> bool:
    hidden = binding.system or binding.action.startswith(_OTHERWISE)
    return bool(binding.description) and not hidden and not is_move(binding)


def _is_possible(node: DOMNode, binding: Binding) -> bool:
    _, name, parameters = parse(binding.action)
    return bool(node.check_action(name, parameters))


def _screens(app: LlprobeApp) -> Iterator[_Command]:
    yield "Go: Home", "all runs and sweeps (key 1)", app.open_home
    yield "Go: New sweep", "plan a sweep and start it (key 2)", app.open_new
    yield "Go: Lens", "a text through a model's layers (key 3)", app.open_lens
    yield "Go: Models", "models here and in the catalog (key 4)", app.open_models
    yield "Go: Tasks", "tasks and their questions (key 5)", app.open_tasks
    yield "Go: Compare", "runs side by side (key 6)", partial(app.open_compare, ())


def _themes(app: LlprobeApp) -> Iterator[_Command]:
    for name in THEMES:
        yield f"Theme: {name}", "colours of the interface", partial(setattr, app, "theme", name)
