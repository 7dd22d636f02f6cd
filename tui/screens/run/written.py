"""The tab of written answers: what the model wrote to every question, and whether it is right.

It is there only for runs in which a model wrote answers. This module knows keys and columns. What
is right is `llprobe.analysis`'s to say, shares are `report.written`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from llprobe.analysis import exact, numeric
from llprobe.report import WrittenSummary, written
from llprobe.store import CellAnswer, Store

from ...itemtable import Field, ItemTable, Row, one_line, printable
from .board import Board
from .data import NamedCell, RunData
from .tab import RunTab, Scroll

__all__ = ["Written", "WrittenTab", "read_written", "written_words"]


@dataclass(frozen=True)
class Written:
    """A cell's short name, and what the model wrote there."""

    name: str
    summary: WrittenSummary


def read_written(store: Store, run: str, cells: Sequence[NamedCell]) -> tuple[Written, ...]:
    """Read the answers of a run's cells, in its order."""
    names = {each.cell.id: each.name for each in cells}
    found = written(store, run)
    return tuple(Written(names.get(s.cell.id, s.cell.task), s) for s in found)


def written_words(found: Written) -> str:
    """Say how many answers of a cell are right."""
    row = found.summary.row()
    shares = [f"{100 * row['exact']:.1f}% as it is written"]
    if row["numeric"] is not None:
        shares.append(f"{100 * row['numeric']:.1f}% by its number")
    cut = f", {row['unfinished']} cut by the limit of tokens" if row["unfinished"] else ""
    return (
        f"{found.name}: of {row['items']} answers {' and '.join(shares)} right; "
        f"{row['tokens']:.1f} tokens on average{cut}"
    )


class WrittenTab(RunTab):
    """Answers as the model wrote them, the one under the cursor whole."""

    DEFAULT_CSS = """
    WrittenTab > #writtenby { height: auto; max-height: 3; }
    WrittenTab > Scroll { height: 40%; border-top: solid $panel; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "cell", "Next cell"),
        Binding("d", "scroll_answer(1)", "Scroll answer", key_display="d u"),
        Binding("u", "scroll_answer(-1)", "Scroll answer back", show=False),
    ]

    def __init__(self, board: Board) -> None:
        super().__init__(board)
        self.found: tuple[Written, ...] = ()
        self.at = 0

    def compose(self) -> ComposeResult:
        """Put the answers above the one that is looked at."""
        yield Static(id="writtenby", markup=False)
        yield ItemTable(id="writtenrows")
        # no focus: a tab that is left must not find a second place for it in itself
        with Scroll(can_focus=False):
            yield Static(id="answer", markup=False)

    def enter(self) -> None:
        """Put the focus on the answers."""
        self.query_one(ItemTable).focus()

    def draw(self, told: RunData) -> None:
        """Read the answers in a thread."""
        run, cells = told.record.id, told.written
        self.page.stored(lambda store: read_written(store, run, cells), self._got, name="answers")

    def _got(self, found: tuple[Written, ...]) -> None:
        self.found, self.at = found, min(self.at, max(len(found) - 1, 0))
        self._show(self.query_one(ItemTable).cursor)

    @property
    def answers(self) -> tuple[CellAnswer, ...]:
        """The answers that are listed."""
        return self.found[self.at].summary.answers if self.found else ()

    def _show(self, at: int) -> None:
        said = written_words(self.found[self.at]) if self.found else ""
        many = f" (cell {self.at + 1} of {len(self.found)})" if len(self.found) > 1 else ""
        self.query_one("#writtenby", Static).update(f"{said}{many}")
        ids = max((len(answer.item.id) for answer in self.answers), default=4)
        id_ = Field("item", min(max(ids, 4), 18))
        self.query_one(ItemTable).show(
            [Field("", 1), id_, Field("written"), Field("accepted")],
            len(self.answers), self._row, at=at, empty="no answer is written yet",
        )  # fmt: skip
        self._whole()

    def _row(self, n: int) -> Row:
        answer = self.answers[n]
        return [
            "✓" if _right(answer) else "✗", answer.item.id, one_line(answer.text),
            one_line(" or ".join(_accepted(answer))),
        ]  # fmt: skip

    @on(ItemTable.Moved)
    def _whole(self) -> None:
        """Show the question and the answer under the cursor."""
        at = self.query_one(ItemTable).cursor
        shown = _text(self.answers[at]) if at < len(self.answers) else Text()
        self.query_one("#answer", Static).update(shown)

    def action_scroll_answer(self, by: int) -> None:
        """Scroll the answer below the list by half of what is seen of it."""
        scroll = self.query_one(Scroll)
        scroll.scroll_relative(y=by * max(scroll.size.height // 2, 1), animate=False)

    def action_cell(self) -> None:
        """Go to the next cell to which answers were written."""
        if self.found:
            self.at = (self.at + 1) % len(self.found)
            self._show(0)


def _accepted(answer: CellAnswer) -> list[str]:
    return [answer.item.choices[n] for n in answer.item.correct]


def _right(answer: CellAnswer) -> bool:
    accepted = _accepted(answer)
    return exact(answer.text, accepted) or bool(numeric(answer.text, accepted))


def _text(answer: CellAnswer) -> Text:
    end = "" if answer.finished else ", cut by the limit"
    return Text("\n").join([
        Text(f"Written ({answer.n_tokens} tokens{end})", "bold underline"),
        Text(printable(answer.text)),
        Text(), Text("Accepted", "bold underline"),
        *(Text(printable(each)) for each in _accepted(answer)),
        Text(), Text("Prompt", "bold underline"), Text(printable(answer.item.prompt)),
    ])  # fmt: skip
