"""The tasks there are: what they measure, their questions, and what is wrong with a task file.

This module knows the screen. What a task is, is `llprobe.task`'s to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import DataTable, Static

from llprobe.catalog import default_model
from llprobe.errors import UsageError
from llprobe.report.tasks import named_tasks, no_mistakes, task_rows
from llprobe.task import expand
from llprobe.task.validate import validate

from ..asking import AskLine
from ..joblines import JobLines
from ..jobs import start, stop_one
from ..modelwork import pulling_task
from ..page import Page
from ..widgets import FilterBar, Rows
from .questions import QuestionsScreen

__all__ = ["TasksScreen"]

_HELP = """
The tasks, groups and tags that a sweep can name, with how many questions they ask and what guessing
gets; they are counted while you look. **Enter** on a task shows its questions, each with its exact
prompt; on a group or tag only its tasks, until **Esc**. **v** reads a YAML file of tasks or groups,
with its data, to the end and lists every mistake with file, line and key. **n** plans a sweep of
what is under the cursor. Tasks whose questions lie on the Hugging Face hub say *pull*: **p**
downloads them, **x** stops that.
"""
_HEADINGS = ("name", "kind", "questions", "chance", "examples", "measures", "data")
_ABOUT = 40
_UNCOUNTED = {"questions": "…", "chance": "…", "data": "…"}
"""What stands in a row until it is known."""


class TasksScreen(Page):
    """The list of tasks, with what the one under the cursor measures below it."""

    TITLE = "Tasks"
    HELP = _HELP
    DEFAULT_CSS = """
    TasksScreen #what { height: auto; max-height: 4; padding: 0 1; color: $text-muted; }
    TasksScreen #found { display: none; height: 60%; border-top: solid $primary; padding: 0 1; }
    TasksScreen #found.-open { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "pull", "Pull data"),
        Binding("x", "stop", "Stop"),
        Binding("v", "validate", "Validate file"),
        Binding("n", "sweep", "New sweep"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._rows: dict[str, dict[str, Any]] = {}
        self._filter = ""
        self._only: tuple[str, ...] = ()

    def body(self) -> ComposeResult:
        """Yield the list, what one of it measures, and what was found in a file."""
        yield FilterBar("name, what it measures, tag")
        yield Rows(id="tasks")
        yield Static("reading the tasks ...", id="what", markup=False)
        with VerticalScroll(id="found"):
            yield Static(id="mistakes", markup=False)
        yield JobLines()

    def on_mount(self) -> None:
        """Begin with the list."""
        self.query_one(Rows).focus()

    def refresh_data(self) -> None:
        """List the tasks anew; at first without what must be counted."""
        if self._rows:
            self.ask(task_rows, self._show, name="tasks")
        else:
            self.ask(lambda: task_rows(named_tasks()), self._show_first, name="tasks")

    def _show_first(self, rows: Sequence[dict[str, Any]]) -> None:
        self._show([row | _UNCOUNTED for row in rows])
        self.ask(task_rows, self._show, name="counted tasks")

    def _show(self, rows: Sequence[dict[str, Any]]) -> None:
        self._rows = {_key(row): row for row in rows}
        shown = {
            key: _cells(row)
            for key, row in self._rows.items()
            if _fits(row, self._filter) and (not self._only or _is_task_of(row, self._only))
        }
        self.query_one(Rows).fill(_HEADINGS, shown)
        self.tell()

    @on(FilterBar.Changed)
    def filtered(self, event: FilterBar.Changed) -> None:
        """Show what the filter fits."""
        self._filter = event.text
        self._show(list(self._rows.values()))

    @property
    def _current(self) -> dict[str, Any] | None:
        return self._rows.get(self.query_one(Rows).current)

    @on(DataTable.RowHighlighted)
    def tell(self) -> None:
        """Say what the task under the cursor measures."""
        row = self._current
        said = _described(row) if row else "no task fits the filter"
        self.query_one("#what", Static).update(said)

    @on(DataTable.RowSelected)
    def open(self) -> None:
        """Show a task's questions, or the tasks of a group or tag."""
        row = self._current
        if row is None:
            return
        if row["kind"] == "task":
            self.app.push_screen(QuestionsScreen(row["name"]))
        else:
            self.ask(lambda: expand([row["name"]]), self._show_only, name="members")

    def _show_only(self, tasks: tuple[str, ...]) -> None:
        self._only = tasks
        self._show(list(self._rows.values()))

    def action_back(self) -> None:
        """Close what was found, then the group that is shown alone, then the screen."""
        found = self.query_one("#found")
        if found.has_class("-open"):
            found.remove_class("-open")
            self.query_one(Rows).focus()
        elif self._only:
            self._show_only(())
        else:
            super().action_back()

    def action_sweep(self) -> None:
        """Plan a sweep of the task or group under the cursor."""
        row = self._current
        if row:
            name = row["name"]
            self.llprobe.open_new(f"models: [{default_model()}]\ntasks: [{name}]\nlimit: 20\n")

    # --- questions on the hub ---------------------------------------------------------------

    def action_pull(self) -> None:
        """Download the questions of the task under the cursor."""
        row = self._current
        if row is None:
            return
        if row["kind"] != "task":
            self.trouble(f"{row['name']} is a {row['kind']}: Enter shows its tasks, p pulls one")
            return
        self.trouble("")
        try:
            start(self.app, pulling_task(row["name"]))
        except UsageError as problem:
            self.trouble(problem)
        self.query_one(JobLines).look()

    def action_stop(self) -> None:
        """Stop what is being downloaded for the task under the cursor, else what began last."""
        row = self._current
        stop_one(self.app, row["name"] if row else "")

    @on(JobLines.Ended)
    def ended(self, event: JobLines.Ended) -> None:
        """List what is here now; say what went wrong."""
        if event.job.problem:
            self.trouble(event.job.problem)
        self.refresh_data()

    # --- task files -------------------------------------------------------------------------

    def action_validate(self) -> None:
        """Ask for a file, and list its mistakes."""
        question = AskLine("Validate which file?", "a task's or a group's YAML file")
        self.app.push_screen(question, self._validate)

    def _validate(self, path: str | None) -> None:
        if path:
            file = Path(path).expanduser()
            self.ask(lambda: _findings(file), self._found, name="validate")

    def _found(self, text: Text) -> None:
        self.query_one("#mistakes", Static).update(text)
        found = self.query_one("#found")
        found.add_class("-open")
        found.scroll_home(animate=False)
        found.focus()


def _findings(file: Path) -> Text:
    """Return every mistake in a file, a line each, or what is in one without any."""
    found = validate(str(file))
    said = [Text(f"✗ {mistake}") for mistake in found.mistakes]
    n = len(said)
    head = f"{file}: {n} mistake{'s' * (n != 1)}" if n else f"✓ {no_mistakes(file, found)}"
    notes = [Text(f"note: {note}", "dim") for note in found.notes]
    return Text("\n").join([Text(head, "bold"), *said, *notes])


def _key(row: Mapping[str, Any]) -> str:
    """Tell a task from a tag of the same name."""
    return f"{row['kind']} {row['name']}"


def _cells(row: Mapping[str, Any]) -> tuple[Text | str, ...]:
    chance = row["chance"]
    shown = f"{100 * chance:.1f}%" if isinstance(chance, float) else _or_dash(chance)
    numbers = _or_dash(row["questions"]), shown, _or_dash(row["worked_examples"])
    about = Text(row["about"])
    about.truncate(_ABOUT, overflow="ellipsis")  # the whole of it stands below the list
    return row["name"], row["kind"], *numbers, about, row["data"]


def _or_dash(value: object) -> str:
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _fits(row: Mapping[str, Any], wanted: str) -> bool:
    text = " ".join((row["name"], row["kind"], row["about"], row["data"], *row["tags"])).lower()
    return all(word in text for word in wanted.lower().split())


def _is_task_of(row: Mapping[str, Any], tasks: Sequence[str]) -> bool:
    return row["kind"] == "task" and row["name"] in tasks


def _described(row: Mapping[str, Any]) -> str:
    tags = f"; tags: {', '.join(row['tags'])}" if row["tags"] else ""
    return f"{row['name']}: {row['about'] or 'a tag'}; questions: {row['data'] or '–'}{tags}"
