"""The screen on which a sweep is planned, and started.

Whatever is changed, in form or text, becomes a draft, which is checked, shown on the other side,
and planned, in threads. This module knows the order of these steps, those beside it what they do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.timer import Timer
from textual.widgets import Button, Static

from llprobe.runner import Cancel
from llprobe.store import Store
from llprobe.sweep import SweepSpec

from ...page import Page
from .choices import Choices, choices, first_choices, taken_names
from .doing import run_now, save_as, show_prompt
from .draft import Checked, Draft, checked, edited, first_draft, text_of, toggled
from .fields import FieldLine
from .form import Form
from .picks import Picks
from .planning import Planned, in_words, plan_of

__all__ = ["NewSweepScreen"]

_WIDE: Final = 110
"""Columns from which on things stand side by side."""

_MISTAKES: Final = 3
"""As many are said where the plan stands; all of them stand below the YAML."""

_HELP: Final = """\
Choose **models**, **tasks** and **settings**; the YAML beside them is the same sweep, and can be
edited too. Mistakes are named below it, and where the plan stands. What is changed in the form
writes the YAML anew, so comments in it are lost then.

Fields take what stands in the YAML: lists with commas, `model: x, task: y` in braces.

The lines above the button say what the sweep comes to. `e` loads each model to say how long it
takes and how much memory; running a sweep again continues it, and computes only what is new.

The sweep runs in a process of its own: leaving the interface does not end it.
"""


class NewSweepScreen(Page):
    """Plans a sweep; begins with a YAML text, or with a first sweep where it is empty."""

    TITLE = "new sweep"
    HELP = _HELP
    AUTO_FOCUS = "#run"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (_WIDE, "-wide")]  # noqa: RUF012 - as in Textual

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+r", "run", "Run now"),
        Binding("ctrl+s", "save", "Save"),
        Binding("e", "estimate", "Estimate"),
        Binding("p", "preview", "Prompt"),
        # a browser keeps ctrl+t to itself
        Binding("f8,ctrl+t", "turn(1)", "Next tab", key_display="F8"),
        Binding("l,right_square_bracket", "turn(1)", "Next tab", show=False),
        Binding("h,left_square_bracket", "turn(-1)", "Tab before", show=False),
    ]

    DEFAULT_CSS = """
    NewSweepScreen #body { layout: vertical; }
    NewSweepScreen.-wide #pane-yaml { display: block; width: 42%; }
    NewSweepScreen.-narrow .-yaml #pane-models, NewSweepScreen.-narrow .-yaml #pane-tasks,
    NewSweepScreen.-narrow .-yaml #pane-settings { display: none; }
    NewSweepScreen #plan { height: auto; max-height: 5; min-height: 1; padding: 0 1; }
    NewSweepScreen #start { height: 1; }
    NewSweepScreen #start Button { margin: 0 1; }
    """

    WAIT: ClassVar[float] = 0.3
    """Seconds without a change before a text is checked, and before a sweep is planned."""

    def __init__(self, spec: str = "") -> None:
        super().__init__()
        self._given = spec
        self._begun = ""
        self.draft: Draft = {}
        self.checked: Checked | None = None
        self.planned: Planned | None = None
        self._offered = False
        self._cancel = Cancel()
        self._checking: Timer | None = None
        self._planning: Timer | None = None

    def body(self) -> ComposeResult:
        """Form and text above what they come to."""
        yield Form()
        yield Static("reading models and tasks …", id="plan", markup=False)
        with Horizontal(id="start"):
            yield Button("Run now (ctrl+r)", id="run", variant="primary", compact=True)

    def on_mount(self) -> None:
        """Begin with what was given."""
        if self._given:
            self.query_one(Form).write(self._given)
            self._check_text()
            self._begun = self._given
        else:
            self.ask(self._first, self._begin, name="first")

    def on_screen_resume(self) -> None:
        """Read what there is to choose from: models may have come meanwhile.

        What is written to the database changes none of it, so `refresh_data` does nothing.
        """
        if self._offered:
            self._offer_all()
        else:
            self.ask(first_choices, self._offer_first, name="first choices")

    def on_unmount(self) -> None:
        """Stop a child that counts tokens."""
        self._stop_estimate()

    def _first(self) -> Draft:
        with Store(self.llprobe.db) as store:
            return first_draft(taken_names(store))

    def _begin(self, draft: Draft) -> None:
        if not self.draft:
            self._change(lambda _: draft)
            self._keep()

    @property
    def unsaved(self) -> str:
        """Ask before what was changed is lost."""
        same = self._begun in {"", self.query_one(Form).text}
        return "" if same else "Leave this sweep? It was changed; ctrl+s saves it as a file."

    def _offer_first(self, found: Choices) -> None:
        self._offered = True
        self.query_one(Form).offer(found)
        self._offer_all()

    def _offer_all(self) -> None:
        self.ask(choices, self.query_one(Form).offer, name="choices")

    # --- changes: from the form, from the text ---------------------------------------------------

    def _change(self, change: Callable[[Draft], Draft]) -> None:
        """Change the draft, and write the text that says so."""
        self._settle_text()
        self.draft = change(self.draft)
        found = checked(text_of(self.draft))
        form = self.query_one(Form)
        form.show(self.draft)
        form.write(found.text)
        self._settled(found)

    def _settle_text(self) -> None:
        """Take over at once what was typed into the text a moment ago."""
        if self._checking is not None:
            self._checking.stop()
        if self.checked is not None and self.checked.text != self.query_one(Form).text:
            self._check_text()

    def _check_text(self) -> None:
        """Take over what stands in the text, as far as it can be read."""
        self._checking = None
        found = checked(self.query_one(Form).text)
        if found.draft:
            self.draft = found.draft
            self.query_one(Form).show(found.draft)
        self._settled(found)

    def _settled(self, found: Checked) -> None:
        self.checked = found
        self.query_one(Form).blame(found.mistakes)
        if found.spec is None:
            self._stop_estimate()
            mistakes = [f"✗ {each}" for each in found.mistakes[:_MISTAKES]]
            self._say([*mistakes, "the YAML has mistakes: nothing can be planned yet"])
        elif self.planned is None or self.planned.spec != found.spec:
            self._stop_estimate()
            self._planning = self._later(self._planning, self._plan)

    def _later(self, timer: Timer | None, work: Callable[[], None]) -> Timer | None:
        """Do something when nothing has changed for a moment."""
        if timer is not None:
            timer.stop()
        if self.WAIT:
            return self.set_timer(self.WAIT, work)
        work()
        return None

    @on(Form.Typed)
    def _typed(self) -> None:
        self._checking = self._later(self._checking, self._check_text)

    @on(Picks.Toggled)
    def _toggled(self, event: Picks.Toggled) -> None:
        key, name = str(event.picks.id), event.name
        self._change(lambda draft: toggled(draft, key, name))

    @on(FieldLine.Edited)
    def _edited(self, event: FieldLine.Edited) -> None:
        event.line.heard()
        self._change(lambda draft: edited(draft, event.key, event.value))

    # --- what it comes to ------------------------------------------------------------------------

    def _plan(self, *, estimate: bool = False) -> None:
        spec = self.checked.spec if self.checked else None
        if spec is None:
            return
        self._stop_estimate()
        cancel, database = self._cancel, self.llprobe.db

        def read() -> Planned:
            with Store(database) as store:
                return plan_of(spec, store, cancel, estimate=estimate)

        self._say(["loading each model to count tokens …" if estimate else "planning …"])
        self.ask(read, self._show_plan, name="plan")

    def _stop_estimate(self) -> None:
        self._cancel.request()
        self._cancel.request()  # the second time ends the child now
        self._cancel = Cancel()

    def _show_plan(self, found: Planned) -> None:
        if self.checked and self.checked.spec == found.spec:
            self.planned = found
            self._say(in_words(found))

    def _say(self, lines: list[str]) -> None:
        self.query_one("#plan", Static).update("\n".join(lines))

    def action_estimate(self) -> None:
        """Say how long the sweep takes and what memory, by loading each model."""
        if self._spec():
            self._plan(estimate=True)

    def _spec(self) -> SweepSpec | None:
        """Return the sweep, after saying what is wrong where there is none."""
        self._settle_text()
        found = self.checked
        if found is not None and found.spec is None:
            self.trouble(f"the YAML has mistakes: {found.mistakes[0]}")
        return found.spec if found else None

    # --- prompts, files, running -----------------------------------------------------------------

    def action_turn(self, by: int) -> None:
        """Go to another tab."""
        self.query_one(Form).turn(by)

    def action_preview(self) -> None:
        """Show the exact prompt of the task under the cursor, or of the sweep's first one."""
        if spec := self._spec():
            show_prompt(self, spec, self.query_one(Form).task_here or spec.tasks[0])

    def action_save(self) -> None:
        """Ask where to save the file."""
        if self._spec() and self.checked:
            save_as(self, self.checked, self._keep)

    @on(Button.Pressed, "#run")
    def action_run(self) -> None:
        """Start the sweep in a process of its own, and watch it."""
        if spec := self._spec():
            run_now(self, spec, lambda: self._watch(spec.name))

    def _keep(self) -> None:
        """Take note that what is written now is kept: in a file, or with its run."""
        self._begun = self.query_one(Form).text

    def _watch(self, name: str) -> None:
        self._keep()
        self.llprobe.open_monitor(name)
