"""The questions of a task, each exactly as a model gets it, with its options.

This module knows the screen. What a question looks like is `llprobe.report.itemview`'s to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.widgets import Input, Select, Static

from llprobe.report.itemview import ItemView, as_text
from llprobe.task import Questions, TaskRequest, load_definition, load_questions

from ..itemtable import Field, ItemTable, one_line
from ..page import Page
from ..taskform import TaskForm
from ..widgets import FilterBar

__all__ = ["QuestionsScreen"]

_HELP = """
The questions of a task. Below (or beside) the list stands the one under the cursor, exactly as a
model gets it: instruction, worked examples, question, and the options as they follow the prompt;
`*` marks the best true option, `+` other true ones. The fields above change how the task is asked:
how many worked examples are shown, how it is answered, another data file, and the task's settings,
such as its languages. **Enter** in a field applies them. **J** and **K** scroll the prompt,
**Enter** in the list gives it the whole screen.
"""
_FIELDS: Final = (
    Field("no.", 6, right=True),
    Field("id", 16),
    Field("group", 18),
    Field("question"),
)
_TRUE: Final = ("* ", "+ ")


class QuestionsScreen(Page):
    """Questions of one task, with the exact prompt of the one under the cursor."""

    TITLE = "Questions"
    HELP = _HELP
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide")]  # noqa: RUF012  # as in Textual
    DEFAULT_CSS = """
    QuestionsScreen #main { height: 1fr; }
    QuestionsScreen.-wide #main { layout: horizontal; }
    QuestionsScreen #prompt { height: 3fr; border-top: solid $primary; padding: 0 1; }
    QuestionsScreen ItemTable { height: 2fr; width: 1fr; }
    QuestionsScreen.-wide ItemTable { height: 1fr; }
    QuestionsScreen.-wide #prompt {
        height: 1fr; width: 1fr; border-top: none; border-left: solid $primary;
    }
    QuestionsScreen.-whole ItemTable { display: none; }
    QuestionsScreen #state { height: auto; padding: 0 1; color: $text-muted; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("J,j", "scroll(1)", "Prompt down", show=False),
        Binding("K,k", "scroll(-1)", "Prompt up", show=False),
        Binding("e", "edit", "How it is asked"),
    ]

    def __init__(self, task: str) -> None:
        super().__init__()
        self.of = task
        self._asked: TaskRequest | None = None
        self._failed_to_read = False
        self._questions: Questions | None = None
        self._shown: Sequence[int] = ()

    def body(self) -> ComposeResult:
        """Yield the fields, the list, and the question."""
        yield TaskForm(self.of)
        yield FilterBar("id, group, text")
        with Container(id="main"):
            yield ItemTable(id="questions")
            with VerticalScroll(id="prompt"):
                yield Static(id="text", markup=False)
        yield Static("reading the questions ...", id="state", markup=False)

    def on_mount(self) -> None:
        """Find out what the task can be told."""
        self.query_one(ItemTable).focus()
        self.ask(lambda: load_definition(self.of), self.query_one(TaskForm).offer, name="task")

    def refresh_data(self) -> None:
        """Read the questions where they are asked for in another way than those shown."""
        wanted = self.query_one(TaskForm).request()
        if wanted != self._asked:
            self._asked, self._failed_to_read = wanted, False
            self.trouble("")
            self.ask(lambda: load_questions(wanted), self._show, name="questions")

    @on(Input.Submitted, "TaskForm Input")
    @on(Select.Changed)
    def apply(self) -> None:
        """Read the questions anew, with what the fields say now; again where that failed."""
        if self._failed_to_read:
            self._asked = None
        self.refresh_data()

    def trouble(self, what: str | Exception) -> None:
        """Say what is wrong, and no longer show the questions of other fields."""
        if str(what):
            self._failed_to_read, self._questions = True, None
            self._list(())
            self.query_one("#state", Static).update("no questions; see what is wrong above")
        super().trouble(what)

    def _show(self, questions: Questions) -> None:
        self._questions = questions
        self._filter(self.query_one(FilterBar).text)

    @on(FilterBar.Changed)
    def filtered(self, event: FilterBar.Changed) -> None:
        """Show the questions that the filter fits."""
        self._filter(event.text)

    def _filter(self, wanted: str) -> None:
        if self._questions is None:
            return
        self._list(_fitting(self._questions, wanted))
        self.query_one("#state", Static).update(_said(self._questions, len(self._shown)))

    def _list(self, shown: Sequence[int]) -> None:
        self._shown = shown
        table = self.query_one(ItemTable)
        table.show(_FIELDS, len(shown), self._row, empty="no question fits the filter")
        self._look(table.cursor)

    def _row(self, row: int) -> tuple[str, str, str, str]:
        index = self._shown[row]
        item = self._questions.items[index] if self._questions else None
        if item is None:
            return str(index + 1), "", "", ""
        return str(index + 1), item.id, item.group, one_line(item.prompt)

    @on(ItemTable.Moved)
    def moved(self, event: ItemTable.Moved) -> None:
        """Show the question under the cursor."""
        self._look(event.row)

    def _look(self, row: int) -> None:
        text = Text()
        if self._questions and row < len(self._shown):
            index = self._shown[row]
            view = ItemView(self._questions, self._questions.items[index], index + 1)
            text = _marked(as_text(view))
        self.query_one("#text", Static).update(text)
        self.call_after_refresh(self.query_one("#prompt").scroll_end, animate=False)

    @on(ItemTable.Opened)
    def open(self) -> None:
        """Give the question the whole screen."""
        self.add_class("-whole")
        self.query_one("#prompt").focus()

    def action_scroll(self, by: int) -> None:
        """Scroll the question."""
        self.query_one("#prompt").scroll_relative(y=3 * by, animate=False)

    def action_edit(self) -> None:
        """Go to the fields."""
        self.query_one("#shots").focus()

    def action_back(self) -> None:
        """Go from the fields or the whole question to the list; else leave."""
        if self.has_class("-whole") or self.query_one(TaskForm).has_focus_within:
            self.remove_class("-whole")
            self.query_one(ItemTable).focus()
        else:
            super().action_back()


def _fitting(questions: Questions, wanted: str) -> tuple[int, ...]:
    words = wanted.lower().split()
    texts = (f"{item.id} {item.group} {item.prompt}".lower() for item in questions.items)
    return tuple(n for n, text in enumerate(texts) if all(word in text for word in words))


def _said(questions: Questions, shown: int) -> str:
    total = len(questions.items)
    parts = [f"{questions.task}: {total} questions", f"version {questions.version}"]
    parts += [f"{shown} fit the filter"] * (shown != total)
    parts += [f"{len(questions.skipped)} skipped"] * bool(questions.skipped)
    return "; ".join([*parts, *questions.notes[:2]])


def _marked(text: str) -> Text:
    """Return a question with its headings and true options standing out."""
    head, sign, options = text.rpartition("── options")
    marked = Text(head)
    for line in (sign + options).splitlines():
        bold = line.startswith((*_TRUE, "──"))
        marked.append(f"{line}\n", "bold" if bold else "")
    return marked
