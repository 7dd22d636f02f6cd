"""The command palette's entries: every screen, every action of the one that is seen, every theme.

This module asks the screens what can be done. It does none of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider

from .themes import THEMES

if TYPE_CHECKING:
    from .app import LlprobeApp

__all__ = ["LlprobeCommands"]

_Command = tuple[str, str, Callable[[], object]]
"""What an entry says, its second line, and what it does."""


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
        """Yield the actions of the screen below the palette, and of what has its focus."""
        seen: set[str] = set()
        for active in self.screen.active_bindings.values():
            binding, own = active.binding, active.node is not app
            if own and active.enabled and binding.description and binding.action not in seen:
                seen.add(binding.action)
                do = partial(app.run_action, binding.action, active.node)
                key = app.get_key_display(binding)
                yield f"Here: {binding.description}", f"key {key}", do


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
