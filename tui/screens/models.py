"""The models there are: pull, inspect, quantise and remove them, or look through one.

Pulling and quantising go on as jobs while other screens are looked at. This module knows the
screen. What is done to models is `modelwork`'s and `llprobe.model`'s to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.widgets import DataTable, Static

from llprobe.errors import UsageError
from llprobe.model import Removed, remove, resolve
from llprobe.report.models import model_facts, model_rows, size

from ..asking import AskLine, AskQuants
from ..joblines import JobLines
from ..jobs import Job, start, stop_one
from ..modelwork import making, pulling
from ..page import Page
from ..tilde import short
from ..widgets import Confirm, FilterBar, Rows

__all__ = ["ModelsScreen"]

_HELP = """
The models of the catalog and those that were quantised here; *here* says which lie on this machine.
**Enter** shows what a model's file says of itself. **p** pulls the model under the cursor, **a**
another one by its name on the Hugging Face hub (`hf:OWNER/REPO:QUANT`). **z** makes quants of it,
each then known as `NAME:QUANT`. **d** removes its files from llprobe's cache or the hub's; files of
your own are never touched. **o** opens the lens on it. **x** stops what is being pulled or made;
leaving this screen does not, leaving llprobe does.
"""
_HEADINGS = ("name", "quant", "size", "here", "good for", "licence")


class ModelsScreen(Page):
    """The list of models, the cursor on `model`, with what one is beside or below it."""

    TITLE = "Models"
    HELP = _HELP
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide")]  # noqa: RUF012  # as in Textual
    DEFAULT_CSS = """
    ModelsScreen #main { height: 1fr; }
    ModelsScreen.-wide #main { layout: horizontal; }
    ModelsScreen Rows { height: 1fr; width: 1fr; }
    ModelsScreen #about { display: none; height: 60%; border-top: solid $primary; padding: 0 1; }
    ModelsScreen.-wide #about {
        height: 1fr; width: 60; border-top: none; border-left: solid $primary;
    }
    ModelsScreen #about.-open { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "pull", "Pull"),
        Binding("a", "pull_other", "Pull other"),
        Binding("z", "quantise", "Quantise"),
        Binding("d", "remove", "Remove"),
        Binding("o", "lens", "Lens"),
        Binding("x", "stop", "Stop"),
    ]

    def __init__(self, model: str = "") -> None:
        super().__init__()
        self._wanted = model
        self._rows: dict[str, dict[str, Any]] = {}
        self._filter = ""

    def body(self) -> ComposeResult:
        """Yield the list, what a model is, and what is being done."""
        yield FilterBar("name, quant, licence, use")
        with Container(id="main"):
            yield Rows(id="models")
            with VerticalScroll(id="about"):
                yield Static(id="facts", markup=False)
        yield JobLines()

    def on_mount(self) -> None:
        """Begin with the list."""
        self.query_one(Rows).focus()

    def refresh_data(self) -> None:
        """List the models anew."""
        self.ask(model_rows, self._show, name="models")

    def _show(self, rows: Sequence[dict[str, Any]]) -> None:
        self._rows = {row["name"]: row for row in rows}
        shown = {name: _cells(row) for name, row in self._rows.items() if _fits(row, self._filter)}
        table = self.query_one(Rows)
        table.fill(_HEADINGS, shown)
        if self._wanted in shown:
            table.move_cursor(row=table.get_row_index(self._wanted))
            self._wanted = ""

    @on(FilterBar.Changed)
    def filtered(self, event: FilterBar.Changed) -> None:
        """Show the models that the filter fits."""
        self._filter = event.text
        self._show(list(self._rows.values()))

    # --- one model --------------------------------------------------------------------------

    @property
    def _current(self) -> dict[str, Any] | None:
        return self._rows.get(self.query_one(Rows).current)

    @on(DataTable.RowSelected)
    def inspect(self) -> None:
        """Show what a model is: by its file where that is here, else by the catalog."""
        row = self._current
        if row is None:
            return
        if row["here"]:
            self.ask(lambda: model_facts(resolve(row["name"])), self._tell, name="inspect")
        else:
            self._tell(_known(row))

    def _tell(self, facts: Mapping[str, Any]) -> None:
        self.query_one("#facts", Static).update(_fact_lines(facts))
        self.query_one("#about").add_class("-open")
        self.query_one("#about").scroll_home(animate=False)
        rows = self.query_one(Rows)  # which has less room now
        self.call_after_refresh(rows.move_cursor, row=rows.cursor_row)

    def action_back(self) -> None:
        """Close what is told of a model, then the trouble panel, then the screen."""
        about = self.query_one("#about")
        if about.has_class("-open"):
            about.remove_class("-open")
            self.query_one(Rows).focus()
        else:
            super().action_back()

    def action_lens(self) -> None:
        """Open the lens on the model under the cursor."""
        row = self._current
        if row and row["here"]:
            self.llprobe.open_lens("", row["name"])
        elif row:
            self.trouble(f"{row['name']} is not here yet: p pulls it")

    # --- doing something to one -------------------------------------------------------------

    def action_pull(self) -> None:
        """Download the model under the cursor."""
        row = self._current
        if row:
            self._pull(row["name"])

    def action_pull_other(self) -> None:
        """Ask for a model's name, and download it."""
        question = AskLine("Pull which model?", "hf:OWNER/REPO:QUANT, or NAME:QUANT")
        self.app.push_screen(question, self._pull)

    def _pull(self, ref: str | None) -> None:
        if ref:
            self._begin(pulling(ref))

    def action_quantise(self) -> None:
        """Ask for quants, and make them."""
        row = self._current
        if row is None:
            return
        if not row["here"]:
            self.trouble(f"{row['name']} is not here yet: p pulls it, then z makes quants of it")
            return
        name = row["name"]
        self.app.push_screen(AskQuants(name), lambda chosen: self._quantise(name, chosen))

    def _quantise(self, name: str, chosen: str | None) -> None:
        if chosen:
            self._begin(making(name, chosen.split(",")))

    def _begin(self, job: Job) -> None:
        self.trouble("")
        try:
            start(self.app, job)
        except UsageError as problem:
            self.trouble(problem)
        self.query_one(JobLines).look()

    def action_remove(self) -> None:
        """Ask whether to delete the model's files, and do."""
        row = self._current
        if row is None:
            return
        name = row["name"]
        question = (
            f"Remove {name} ({size(row['bytes'])}) from this machine?\n{short(str(row['path']))}"
        )
        if not row["here"]:
            self.trouble(f"{name} is not here: there is nothing to remove")
            return
        self.app.push_screen(
            Confirm(question, "Remove"), lambda yes: self._remove(name) if yes else None
        )

    def _remove(self, name: str) -> None:
        self.ask(lambda: remove(name), self._removed, name="remove")

    def _removed(self, removed: Removed) -> None:
        self.notify(f"{size(removed.freed_bytes)} freed")
        self.refresh_data()

    # --- jobs -------------------------------------------------------------------------------

    def action_stop(self) -> None:
        """Stop the job on the model under the cursor, else the one that began last."""
        stop_one(self.app, self.query_one(Rows).current)

    @on(JobLines.Ended)
    def ended(self, event: JobLines.Ended) -> None:
        """List what is here now; say what went wrong."""
        if event.job.problem:
            self.trouble(event.job.problem)
        self.refresh_data()


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    here = "✓" if row["here"] else ""
    return row["name"], row["quant"], size(row["bytes"]), here, row["good_for"], row["licence"]


def _fits(row: Mapping[str, Any], wanted: str) -> bool:
    text = " ".join((*_cells(row), "here" if row["here"] else "")).lower()
    return all(word in text for word in wanted.lower().split())


def _known(row: Mapping[str, Any]) -> dict[str, Any]:
    """Say what the catalog knows of a model that is not here."""
    keys = ("name", "quant", "licence", "good_for")
    known = {key: row[key] for key in keys}
    return known | {"file_size": f"about {size(row['bytes'])}", "here": "no: p pulls it"}


def _fact_lines(facts: Mapping[str, Any]) -> Text:
    lines = [
        Text.assemble((f"{key.replace('_', ' ')}: ", "bold"), short(str(value)))
        for key, value in facts.items()
        if value not in {"", None}
    ]
    return Text("\n").join(lines)
