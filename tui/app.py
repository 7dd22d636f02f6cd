"""The application: which screens there are, how they are opened, and keys that work on all of them.

This module knows screens by the names of their modules and imports one when it is opened. It knows
nothing of what they show.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Final, cast

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.filter import LineFilter, Monochrome
from textual.screen import Screen, SystemModalScreen

from llprobe.errors import LlprobeError
from llprobe.paths import default_path

from .border import Printable
from .commands import LlprobeCommands
from .leaving import leave
from .messages import DatabaseChanged
from .page import Page
from .places import Places
from .readable import Readable
from .themes import DARK, MONO, THEMES
from .unexpected import unexpected
from .watch import Watch
from .widgets.confirm import Confirm

__all__ = ["LlprobeApp"]

_SCREENS: Final = {
    "HomeScreen": "home",
    "RunScreen": "run",
    "ItemScreen": "item",
    "CompareScreen": "compare",
    "MonitorScreen": "monitor",
    "NewSweepScreen": "newsweep",
    "LensScreen": "lens",
    "ModelsScreen": "models",
    "TasksScreen": "tasks",
    "QuestionsScreen": "questions",
}
"""Classes of screens and the modules in `screens` that hold them."""


class LlprobeApp(App[None]):
    """llprobe's terminal interface on the database `db`; `demo` says that it is the bundled one."""

    TITLE = "llprobe"
    CSS_PATH = Path(__file__).with_name("app.tcss")
    COMMANDS = App.COMMANDS | {LlprobeCommands, Places}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", "Help", key_display="?", show=False),
        Binding("ctrl+p", "command_palette", "Commands", show=False),
        # before all others: it works in dialogs too, and while one types
        Binding("ctrl+o", "jump", "Jump to", show=False, priority=True),
        Binding("q", "quit", "Quit", show=False),
        Binding("1,f1", "go('HomeScreen')", "Home", show=False),
        Binding("2,f2", "go('NewSweepScreen')", "New sweep", show=False),
        Binding("3,f3", "go('LensScreen')", "Lens", show=False),
        Binding("4,f4", "go('ModelsScreen')", "Models", show=False),
        Binding("5,f5", "go('TasksScreen')", "Tasks", show=False),
        Binding("6,f6", "go('CompareScreen')", "Compare", show=False),
    ]

    def __init__(self, db: Path, *, demo: bool = False, theme: str = "") -> None:
        super().__init__()
        self.db = db
        self.demo = demo
        for each in THEMES.values():
            self.register_theme(each)
        self.theme = theme or (MONO.name if self.no_color else DARK.name)
        self._monochrome = Monochrome()
        self._readable = Readable(sixteen=False)
        self._printable = Printable()
        self._watch: Watch | None = None

    @property
    def db_name(self) -> str:
        """What the database is called in a head line."""
        return "demo" if self.demo else self.db.name

    @property
    def logs(self) -> Path:
        """The folder of logs: that of the demo outlives its database."""
        return (default_path() if self.demo else self.db).parent / "logs"

    def get_default_screen(self) -> Screen[Any]:
        """Begin with the list of runs."""
        from .screens.home import HomeScreen  # noqa: PLC0415 - it imports page, as this does

        return HomeScreen()

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Offer of Textual's own commands those that are not offered by llprobe's words."""
        for command in super().get_system_commands(screen):
            if command.title not in {"Keys", "Quit", "Theme"}:
                yield command

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Take the colours out of figures too where the theme has none; have the rest readable."""
        first = (*super().get_line_filters(), self._printable)
        if self.theme == MONO.name:
            return [*first, self._monochrome, self._readable.in_grey()]
        return [*first, self._readable]

    def on_mount(self) -> None:
        """Watch the database, in a thread that ends with the application; see what there is."""
        few = self.console.color_system in {"standard", "windows"}
        self._readable = Readable(sixteen=few and not self.is_headless)  # else it is nobody's
        self._watch = Watch(self.db, lambda: self.post_message(DatabaseChanged()))
        self._watch.start()

    def on_unmount(self) -> None:
        """Stop watching."""
        if self._watch:
            self._watch.stop()
            self._watch.join(1.0)  # it only looks at two files, and must not speak to a closed loop

    def on_database_changed(self, _: DatabaseChanged) -> None:
        """Let the page that is seen read again; the others do when they are shown."""
        pages = [screen for screen in self.screen_stack if isinstance(screen, Page)]
        if pages:
            pages[-1].database_changed()

    def _open(self, name: str, *of: Any) -> None:
        """Show a screen; what it needs is imported in a thread, so that keys are answered."""

        async def show() -> None:
            try:
                path = f"..screens.{_SCREENS[name]}"
                module = await asyncio.to_thread(import_module, path, __name__)
                await self.push_screen(getattr(module, name)(*of))
            except Exception as error:  # noqa: BLE001 - whatever it is, the page below stays
                self._not_opened(error)

        self.run_worker(cast("Any", show), name=name, group="open", exclusive=True)

    def _not_opened(self, error: Exception) -> None:
        """Say on the page that is seen why another one could not be opened."""
        foreseen = isinstance(error, LlprobeError)
        what = error if foreseen else unexpected(error, self.logs)
        for page in [each for each in self.screen_stack if isinstance(each, Page)][-1:]:
            page.trouble(what)

    def open_run(self, run: str) -> None:
        """Show a run, by its id."""
        self._open("RunScreen", run)

    def open_item(self, run: str, cell: str, item: str) -> None:
        """Show one item of a run's cell, by their ids."""
        self._open("ItemScreen", run, cell, item)

    def open_compare(self, runs: Sequence[str]) -> None:
        """Show runs side by side, by their ids."""
        self._open("CompareScreen", tuple(runs))

    def open_monitor(self, name: str) -> None:
        """Show how far a run is, by its name or id."""
        self._open("MonitorScreen", name)

    def open_new(self, spec: str = "") -> None:
        """Plan a sweep, beginning with this YAML text."""
        self._open("NewSweepScreen", spec)

    def open_lens(self, text: str = "", model: str = "") -> None:
        """Look at a text through a model's layers."""
        self._open("LensScreen", text, model)

    def open_models(self, model: str = "") -> None:
        """Show the models there are, with the cursor on this one."""
        self._open("ModelsScreen", model)

    def open_tasks(self) -> None:
        """Show the tasks there are."""
        self._open("TasksScreen")

    def open_questions(self, task: str) -> None:
        """Show a task's questions, by its name."""
        self._open("QuestionsScreen", task)

    def open_home(self) -> None:
        """Go back to the list of runs."""
        while len(self.screen_stack) > 1:
            self.pop_screen()

    def action_go(self, name: str) -> None:
        """Go to one of the screens that need nothing but a key; the list of runs stays below it."""
        if type(self.screen).__name__ != name:
            leave(self, reversed(self.screen_stack), partial(self._go, name))

    def _go(self, name: str) -> None:
        self.open_home()
        match name:
            case "NewSweepScreen":
                self.open_new()
            case "LensScreen":
                self.open_lens()
            case "ModelsScreen":
                self.open_models()
            case "TasksScreen":
                self.open_tasks()
            case "CompareScreen":
                self.open_compare(())
            case _:
                pass

    async def action_quit(self) -> None:
        """Leave, after a question where something would be lost; asked again, at once."""
        pages = [] if isinstance(self.screen, Confirm) else reversed(self.screen_stack)
        leave(self, pages, self.exit)

    def action_help(self) -> None:
        """Say what the screen is for, and its keys."""
        from .help import HelpScreen  # noqa: PLC0415 - Markdown is not needed before

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(self.screen))

    def action_jump(self) -> None:
        """Put letters on what can be gone to; the palette has but one line and a list."""
        from .jump import Jump, targets_of  # noqa: PLC0415 - not needed before

        if isinstance(self.screen, Jump):
            self.screen.dismiss(None)
        elif not isinstance(self.screen, SystemModalScreen) and (found := targets_of(self.screen)):
            self.push_screen(Jump(found), lambda target: target.go() if target else None)

    def _handle_exception(self, error: Exception) -> None:
        """End with a line where Textual would with a traceback; tests get the error itself."""
        if self.is_headless:
            super()._handle_exception(error)
        else:
            self.exit(return_code=1, message=unexpected(error, self.logs))
