"""The tab of findings: what each cell's curve says, in sentences, and what is to be known beside.

This module knows the order of sentences. They are `llprobe.page.findings`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from rich.text import Text
from textual.app import ComposeResult
from textual.widgets import Static

from llprobe.analysis.paired import Comparison
from llprobe.page.data import CellView
from llprobe.page.findings import sentences
from llprobe.page.rows import between
from llprobe.report.remarks import remarks
from llprobe.store import CellRecord

from .board import Board
from .data import Found, NamedCell, RunData, nothing_scored
from .tab import RunTab, Scroll
from .written import Written, read_written, written_words

__all__ = ["FindingsTab", "last_two_words", "said_of"]


class FindingsTab(RunTab):
    """Onset, peak, the last two layers, in words with numbers."""

    DEFAULT_CSS = """
    FindingsTab Scroll { height: 1fr; }
    """

    def __init__(self, board: Board) -> None:
        super().__init__(board)
        self._written: tuple[Written, ...] = ()

    def compose(self) -> ComposeResult:
        """Yield the place of the texts."""
        with Scroll(can_focus=True):
            yield Static(classes="said")
            yield Static(id="missing", markup=False)

    def enter(self) -> None:
        """Put the focus where the arrows scroll."""
        self.query_one(Scroll).focus()

    def draw(self, told: RunData) -> None:
        """Have every cell analysed; what is there is shown."""
        self.board.need([each.cell for each in told.scored], "mc1", self._more)
        self._more()
        if told.written:
            run, cells = told.record.id, told.written
            self.page.stored(
                lambda store: read_written(store, run, cells), self._got_written, name="written"
            )

    def _got_written(self, found: tuple[Written, ...]) -> None:
        self._written = found
        self._more()

    def _more(self) -> None:
        """Write what is there, in the run's order.

        One text is written anew, so that what is read stays where it is on the screen.
        """
        if self.told is None:
            return
        cells = self.told.scored
        found = [self.board.get(each.cell, "mc1") for each in cells]
        lines = [_cell_lines(each, one) for each, one in zip(cells, found, strict=True)]
        own = _listed("Written answers", [written_words(each) for each in self._written])
        listed = [*lines, own, _listed("Remarks", remarks(self.told.cells))]
        self.query_one(".said", Static).update(Text("\n").join(chain(*listed)))
        missing = sum(one is None for one in found)
        self.query_one("#missing", Static).update(
            f"computing: {len(cells) - missing} of {len(cells)} cells" if missing
            else nothing_scored(self.told)
        )  # fmt: skip


def _cell_lines(each: NamedCell, found: Found | None) -> list[Text]:
    """Say what is found in a cell; of one that is not analysed yet, that it will be."""
    if found is None:
        return _listed(each.name, ["computing ..."])
    n = f" (n = {found.evidence.n_items})" if found.evidence else ""
    return _listed(f"{each.name}{n}", list(said_of(each.cell, found)))


def _listed(title: str, sentences_: Sequence[str]) -> list[Text]:
    if not sentences_:
        return []
    return [Text(title, "bold underline"), *(Text(f"• {each}") for each in sentences_), Text()]


def said_of(cell: CellRecord, found: Found) -> Iterator[str]:
    """Yield what is found in a cell, a sentence each."""
    if found.evidence is None:
        yield f"No findings: {found.error}"
        return
    view = CellView(
        cell, "", "", cell.task, cell.task, {"mc1": found.evidence}, stars_best="", stars_last="",
        items=None,
    )  # fmt: skip
    yield from sentences(view)
    if found.last_two is not None:
        yield last_two_words(found.last_two)


def last_two_words(found: Comparison) -> str:
    """Say how the layer before the last (b) stands to the last (a), on the same items."""
    points = 100 * found.difference
    p = "p < 0.001" if found.p < 0.001 else f"p = {found.p:.3f}"
    said = (
        f"The layer before the last has {100 * found.b:.1f}%, the last {100 * found.a:.1f}%: "
        f"{points:+.1f} points{between(found.low, found.high, sign='+')}, {p}; "
        f"{found.wins} items are right only before, {found.losses} only at the last."
    )
    if found.p < 0.05:
        return said
    return f"{said} No difference is shown: {100 * found.detectable:.1f} points could have been."
