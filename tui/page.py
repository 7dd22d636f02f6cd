"""What all full screens share: a head line, a footer, reading in threads, and trouble in words.

This module knows how a screen asks for data and where errors go. It does not know any screen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal
from textual.css.query import NoMatches
from textual.events import Resize, ScreenResume
from textual.geometry import Size
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Footer, Static

from llprobe.errors import LlprobeError

from .leaving import leave
from .unexpected import unexpected
from .widgets.filterbar import FilterBar
from .widgets.small import Small
from .widgets.trouble import Trouble

if TYPE_CHECKING:
    from llprobe.store import Store

    from .app import LlprobeApp

__all__ = ["Page"]

T = TypeVar("T")


class Page(Screen[None]):
    """Base of all full screens; a subclass gives TITLE, HELP, `body` and `refresh_data`."""

    HELP: ClassVar[str] = ""
    """What the screen is for, in Markdown; shown by `?` over the list of its keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("escape", "back", "Back"),
    ]

    _asking: int = 0
    """Questions that have no answer yet."""
    _behind: bool = False
    """Whether the database has changed since they were asked."""
    _trouble_of: str = ""
    """The name of the question whose failure the trouble panel tells of."""

    @property
    def llprobe(self) -> LlprobeApp:
        """The application, by its own type."""
        return cast("LlprobeApp", self.app)

    def compose(self) -> ComposeResult:
        """Put the body between the head line and the footer."""
        self._fit()
        with Horizontal(id="top"):
            yield Static(self._head(), id="head", markup=False)
            yield Static("? help  q quit  ^p commands", id="hint")
        with Container(id="body"):
            yield from self.body()
        yield Trouble()
        yield Footer(show_command_palette=False)
        yield Small()

    def _head(self) -> str:
        return f"llprobe · {self.TITLE} · {self.llprobe.db_name}"

    def body(self) -> ComposeResult:
        """Yield the screen's widgets."""
        raise NotImplementedError

    def refresh_data(self) -> None:
        """Read again; called when shown, and when another process has changed the database."""

    def on_screen_resume(self) -> None:
        """Read what the screen shows."""
        self.refresh_data()

    # --- the room there is ------------------------------------------------------------------

    @on(ScreenResume)
    def _fit(self) -> None:
        """Have the classes of this size from the first drawing on, and after other screens.

        Textual looks at breakpoints only when a screen that can be seen is resized.
        """
        size = self.app.size
        for points, room in (
            (self.HORIZONTAL_BREAKPOINTS, size.width),
            (self.VERTICAL_BREAKPOINTS, size.height),
        ):
            now = _class_at(points or (), room)
            for _, name in points or ():
                self.set_class(name == now, name)
        self._say_small(size)

    @on(Resize)
    def _resized(self, event: Resize) -> None:
        self._say_small(event.size)

    def _say_small(self, size: Size) -> None:
        for line in self.query(Small):
            line.fit(size)

    # --- reading ----------------------------------------------------------------------------

    def ask(self, read: Callable[[], T], then: Callable[[T], None], *, name: str) -> None:
        """Call `read` in a thread and `then` with its result, on the event loop.

        A later `ask` of this name makes an earlier one's result void; so does leaving the page.
        A LlprobeError is shown in the trouble panel.
        """
        # not a coroutine: one that is cancelled before it begins would never be awaited
        work = cast("Any", partial(self._answer, name, read, then))
        self.run_worker(work, name=name, group=name, exclusive=True)

    async def _answer(self, name: str, read: Callable[[], T], then: Callable[[T], None]) -> None:
        self._asking += 1
        try:
            found = await asyncio.to_thread(read)
            if self.is_attached:
                then(found)
                self._good_again(name)
        except LlprobeError as error:
            self._failed(name, error)
        except Exception as error:
            if self.app.is_headless:  # a test is to see it
                raise
            self._failed(name, unexpected(error, self.llprobe.logs))
        finally:
            self._asking -= 1
            self._catch_up()

    def _failed(self, name: str, what: str | Exception) -> None:
        self.trouble(what)
        self._trouble_of = name

    def _good_again(self, name: str) -> None:
        """Close the panel where it says that this very question had no answer."""
        if self._trouble_of == name:
            self.trouble("")

    def database_changed(self) -> None:
        """Read again now, or once what is being read is there: a slow disk must not starve it."""
        if not self.is_mounted:  # it reads when it is
            return
        if self._asking:
            self._behind = True
        else:
            self.refresh_data()

    def _catch_up(self) -> None:
        if self._behind and not self._asking and self.is_attached:
            self._behind = False
            self.refresh_data()

    def stored(self, read: Callable[[Store], T], then: Callable[[T], None], *, name: str) -> None:
        """Do as `ask` does, with the database open."""
        database = self.llprobe.db

        def with_store() -> T:
            from llprobe.store import Store  # noqa: PLC0415 - the first screen comes before it

            with Store(database, create=False) as store:
                return read(store)

        self.ask(with_store, then, name=name)

    def trouble(self, what: str | Exception) -> None:
        """Say what is wrong in a panel at the bottom; an empty text closes it."""
        self._trouble_of = ""
        for panel in self._trouble_panel():
            panel.say(str(what)) if str(what) else panel.close()
        self.refresh_bindings()

    def _trouble_panel(self) -> Iterator[Trouble]:
        """Yield the panel, unless the page is being taken down."""
        try:
            yield self.query_one(Trouble)
        except NoMatches:
            return

    def action_back(self) -> None:
        """Close what is open: the trouble panel, else the filter, else the screen."""
        if any(panel.close() for panel in self._trouble_panel()):
            self.refresh_bindings()
            return
        for bar in self._filters():
            if bar.is_open:
                bar.action_clear()
                return
        if len(self.app.screen_stack) > 1:
            leave(self.app, [self], self.app.pop_screen)

    @property
    def unsaved(self) -> str:
        """A question to be asked before the page is left; empty where nothing would be lost."""
        return ""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer a filter, or a way back, only where there is one."""
        if action == "filter":
            return any(True for _ in self._filters())
        if action == "back":
            said = any(panel.said for panel in self._trouble_panel())
            filtered = any(bar.is_open for bar in self._filters())
            return said or filtered or len(self.app.screen_stack) > 1
        return super().check_action(action, parameters)

    def action_filter(self) -> None:
        """Open the filter."""
        for bar in self._filters():
            bar.open()
            return

    def _filters(self) -> Iterator[FilterBar]:
        """Yield the filters that can be seen, or could be if they were open."""
        for bar in self.query(FilterBar):
            around = (node for node in bar.ancestors if isinstance(node, Widget))
            if all(node.display for node in around):
                yield bar


def _class_at(points: Iterable[tuple[int, str]], room: int) -> str:
    """Return the class of the highest breakpoint that there is room for; empty for none."""
    return max(((least, name) for least, name in points if least <= room), default=(0, ""))[1]
