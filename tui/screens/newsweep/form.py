"""The left side: tabs with lists and fields, and the text of the file, kept the same.

It shows a draft and posts what a person changes. It does not know what a sweep comes to.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.message import Message
from textual.widgets import Static, Tab, Tabs, TextArea

from ...widgets import FilterBar
from .choices import Choices
from .draft import Draft, differ, ladder, names_of
from .fields import FIELDS, Field, FieldLine
from .labels import MODEL_HEAD, TASK_HEAD, model_picks, task_picks
from .picks import Picks

__all__ = ["TABS", "Form"]

TABS: Final = ("models", "tasks", "settings", "yaml")

_MODELS: Final = Field("models", "models", "names, paths, patterns, hf:OWNER/REPO:QUANT")
_DIFFER: Final = "not the same of all models: see the line below their list"
_TASKS: Final = Field("tasks", "tasks", "names, groups, tags, FILE.yaml")


class Form(Vertical):
    """Tabs of lists and fields; the file's text beside them, or as the last tab."""

    DEFAULT_CSS = """
    Form { height: 1fr; }
    Form Tabs { height: 2; }
    Form #panes { height: 1fr; }
    Form .pane { display: none; width: 1fr; height: 1fr; }
    Form.-models #pane-models, Form.-tasks #pane-tasks, Form.-settings #pane-settings,
    Form.-yaml #pane-yaml { display: block; }
    Form #mistakes { height: auto; max-height: 5; color: $text-error; padding: 0 1; }
    Form TextArea { height: 1fr; }
    Form .pane { padding: 0 1; }
    Form #pane-yaml { padding: 0; }
    Form .heading { height: 1; text-style: bold; text-wrap: nowrap; text-overflow: ellipsis; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "cursor_into", "Into the tab", show=False)
    ]

    class Typed(Message):
        """The file's text was edited."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self) -> None:
        super().__init__()
        self._choices: Choices | None = None
        self._draft: Draft = {}
        self._wanted = ""

    def compose(self) -> ComposeResult:
        """Lay the tabs out."""
        yield Tabs(*(Tab(name.capitalize() if name != "yaml" else "YAML", id=f"tab-{name}")
                     for name in TABS))  # fmt: skip
        yield FilterBar("models or tasks")
        with Horizontal(id="panes"):
            with Vertical(id="pane-models", classes="pane"):
                yield Static(MODEL_HEAD, classes="heading", markup=False)
                yield Picks(id="models")
                yield FieldLine(_MODELS)
            with Vertical(id="pane-tasks", classes="pane"):
                yield Static(TASK_HEAD, classes="heading", markup=False)
                yield Picks(id="tasks")
                yield FieldLine(_TASKS)
            with VerticalScroll(id="pane-settings", classes="pane", can_focus=False):
                yield from (FieldLine(field) for field in FIELDS)
            with Vertical(id="pane-yaml", classes="pane"):
                yield TextArea(soft_wrap=False, show_line_numbers=True, compact=True)
                yield Static(id="mistakes", markup=False)

    # --- what is shown ---------------------------------------------------------------------------

    def offer(self, choices: Choices) -> None:
        """Show what there is to choose from."""
        self._choices = choices
        self._fill()

    def show(self, draft: Draft) -> None:
        """Show a draft in lists and fields."""
        self._draft = draft
        quants, keep = ladder(draft)
        laddered = {"quantize": quants.split(", ") if quants else None, "keep": keep}
        for line in self.query(FieldLine):
            line.show((draft | laddered).get(line.field.key))
        self.query_one("#field-quantize", FieldLine).hint(_DIFFER if differ(draft) else "")
        self._fill()

    def _fill(self) -> None:
        if self._choices is None:
            return
        models, tasks = names_of(self._draft, "models"), names_of(self._draft, "tasks")
        picks = model_picks(self._choices.models, models, self._wanted)
        self.query_one("#models", Picks).fill(picks, models)
        self.query_one("#tasks", Picks).fill(task_picks(self._choices, tasks, self._wanted), tasks)

    @property
    def text(self) -> str:
        """The file's text."""
        return self.query_one(TextArea).text

    def write(self, text: str) -> None:
        """Put another text in the place of the file's; undo brings the former one back."""
        area = self.query_one(TextArea)
        if area.text != text:
            with self.prevent(TextArea.Changed):
                area.replace(text, (0, 0), area.document.end)
                area.move_cursor((0, 0))

    def blame(self, mistakes: Iterable[str]) -> None:
        """Show mistakes under the text."""
        self.query_one("#mistakes", Static).update("\n".join(f"✗ {each}" for each in mistakes))

    @property
    def task_here(self) -> str:
        """The task under the cursor, where that is in the list of tasks; empty elsewhere."""
        tasks = self.query_one("#tasks", Picks)
        return tasks.current if tasks.has_focus else ""

    # --- what a person does ----------------------------------------------------------------------

    def turn(self, by: int) -> None:
        """Go to another tab, and into it."""
        tabs = self.query_one(Tabs)
        tab = TABS[(TABS.index(self._tab()) + by) % len(TABS)]
        tabs.active = f"tab-{tab}"
        self.call_after_refresh(self._enter, tab)

    def _enter(self, tab: str) -> None:
        """Focus the tab's list; where there are texts only, keys h and l go on turning tabs."""
        lists = self.query_one(f"#pane-{tab}").query(Picks)
        (lists.first() if lists else self.query_one(Tabs)).focus()

    def action_cursor_into(self) -> None:
        """Go from the tabs down to the first thing in the tab."""
        if self.query_one(Tabs).has_focus:
            pane = self.query_one(f"#pane-{self._tab()}")
            pane.query("Picks, Input, Checkbox, TextArea").first().focus()

    def _tab(self) -> str:
        return self.query_one(Tabs).active.removeprefix("tab-") or TABS[0]

    @on(Tabs.TabActivated)
    def _turned(self, event: Tabs.TabActivated) -> None:
        event.stop()
        tab = self._tab()
        wide = self.screen.has_class("-wide")
        for each in TABS:
            # where the text has room beside it, the last other tab stays
            stays = wide and tab == "yaml" and each != "yaml" and self.has_class(f"-{each}")
            self.set_class(each == tab or stays, f"-{each}")

    @on(FilterBar.Changed)
    def _filtered(self, event: FilterBar.Changed) -> None:
        event.stop()
        self._wanted = event.text
        self._fill()

    @on(TextArea.Changed)
    def _typed(self, event: TextArea.Changed) -> None:
        event.stop()
        self.post_message(self.Typed(event.text_area.text))
