"""Jump mode: a letter on everything that can have the focus; pressing it goes there.

    targets_of (what can be seen, and its letters) -> Jump (the letters over it, a key, the way)

It works on whatever screen is seen, dialogs too. This module knows focus, tabs and buttons. It does
not know any screen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.errors import NoWidget
from textual.events import Click, Key, Resize
from textual.geometry import Offset, Region
from textual.screen import ModalScreen, Screen
from textual.widget import Widget
from textual.widgets import Button, Static, Tab, Tabs

__all__ = ["Jump", "Target", "targets_of"]

_LETTERS: Final = "asdfghjklqwertyuiopzxcvbnm1234567890ASDFGHJKLQWERTYUIOPZXCVBNM"
"""The first ones lie under the fingers."""
_WIDTH: Final = 3
"""Characters of a letter with a space on both sides."""


@dataclass(frozen=True, slots=True)
class Target:
    """A place to go to."""

    letter: str
    at: Offset
    """Where the letter stands on the screen."""
    go: Callable[[], object]


def targets_of(screen: Screen[Any]) -> list[Target]:
    """Return what can be seen and gone to, from the upper left on, as far as there are letters."""
    found = sorted(_places(screen), key=lambda place: (place[0].y, place[0].x))
    taken: set[Offset] = set()
    targets = []
    for letter, (region, go) in zip(_LETTERS, found, strict=False):
        at = _free(region, screen.region, taken)
        taken.update(Offset(at.x + n, at.y) for n in range(1 - _WIDTH, _WIDTH))
        targets.append(Target(letter, at, go))
    return targets


def _places(screen: Screen[Any]) -> Iterator[tuple[Region, Callable[[], object]]]:
    """Yield what of a widget can be seen, and what going there is."""
    for widget in screen.focus_chain:
        if isinstance(widget, Tabs):
            for tab in widget.query(Tab):
                if not tab.disabled and (seen := _seen(screen, tab)):
                    yield seen, partial(_turn, widget, tab)
        elif seen := _seen(screen, widget):
            go = partial(screen.set_focus, widget)
            yield seen, widget.press if isinstance(widget, Button) else go


def _seen(screen: Screen[Any], widget: Widget) -> Region:
    """Return what of a widget can be seen; an empty region where nothing can."""
    try:
        return screen.find_widget(widget).visible_region
    except NoWidget:  # it is not laid out: hidden, or scrolled away
        return Region()


def _turn(tabs: Tabs, tab: Tab) -> None:
    """Go to a tab; who listens to its being activated may go on into it."""
    tabs.focus()
    tabs.active = tab.id or ""


def _free(region: Region, screen: Region, taken: set[Offset]) -> Offset:
    """Return a place on the first line of a region where no other letter stands."""
    last = screen.right - _WIDTH
    x = min(region.x, last)
    while x < last and Offset(x, region.y) in taken:
        x += 1
    return Offset(x, region.y)


class Jump(ModalScreen[Target | None]):
    """Shows the letters over the screen below; answers the target whose letter is pressed."""

    DEFAULT_CSS = (
        "Jump Static { position: absolute; width: auto; height: 1; text-style: bold reverse; }"
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Stay here"),
    ]

    def __init__(self, targets: list[Target]) -> None:
        super().__init__()
        self.targets = {target.letter: target for target in targets}
        self._room = self.app.size

    def compose(self) -> ComposeResult:
        """Put each letter over its target."""
        for target in self.targets.values():
            label = Static(f" {target.letter} ", markup=False)
            label.styles.offset = target.at
            yield label

    def on_key(self, event: Key) -> None:
        """Go where the letter stands; any other key changes nothing."""
        if event.character in self.targets:
            event.stop()
            self.dismiss(self.targets[event.character])

    def on_click(self, event: Click) -> None:
        """Leave: the mouse needs no letters."""
        event.stop()
        self.dismiss(None)

    def on_resize(self, event: Resize) -> None:
        """Leave where the letters no longer stand on their targets."""
        if event.size != self._room and self.is_current:
            self._room = event.size
            self.dismiss(None)
