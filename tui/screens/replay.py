"""The replay of a cell: its curve after more and more items, played, or gone through by keys.

This module knows keys, time and frames. What a frame says is `replaywords`'s, its numbers are
`llprobe.report.replay`'s.
"""

from __future__ import annotations

from typing import ClassVar, Final

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.timer import Timer
from textual.widgets import Static

from llprobe.errors import UnknownName
from llprobe.report.naming import told_apart
from llprobe.report.replay import Frame, Replay, frame_of, read_replay
from llprobe.store import Store

from ..itemtable import one_line
from ..page import Page
from .replaywords import figure_of, words
from .run.data import named
from .run.figureview import FigureView

__all__ = ["SPEEDS", "ReplayScreen"]

SPEEDS: Final = (1, 2, 5, 10, 20)
"""Frames a second."""
_BAR: Final = 30


class ReplayScreen(Page):
    """A cell's curve, growing as it did when its items were scored."""

    TITLE = "Replay"
    HELP = """
The curve of a cell after its first items, in the order in which they were stored, with its 95%
interval. Space plays and stops; `l` and `h` go a frame on and back, `g` and `G` to the first and
the last; `+` and `-` change the speed. The mark stands below the best layer so far. Below the
chart: how wide its interval is, which layers may be the best one, and whether what is found at the
end already holds.
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "play", "Play", key_display="space"),
        Binding("l,right", "step(1)", "Step", key_display="h l"),
        Binding("h,left", "step(-1)", "Step back", show=False),
        Binding("g,home", "edge(0)", "First", key_display="g G"),
        Binding("G,end", "edge(1)", "Last", show=False),
        Binding("plus,equals_sign", "speed(1)", "Speed", key_display="+ -"),
        Binding("minus,underscore", "speed(-1)", "Slower", show=False),
    ]
    DEFAULT_CSS = """
    ReplayScreen #head { text-wrap: nowrap; text-overflow: ellipsis; }
    ReplayScreen Vertical { height: 1fr; padding: 0 1; }
    ReplayScreen FigureView { height: 1fr; }
    ReplayScreen #where { height: 1; }
    ReplayScreen #words { height: auto; max-height: 7; }
    """

    def __init__(self, run: str, cell: str) -> None:
        super().__init__()
        self.of_run, self.of_cell = run, cell
        self.called = ""
        self.replay: Replay | None = None
        self.frames: dict[int, Frame] = {}
        self.at = 0
        self.playing, self.speed = False, SPEEDS.index(5)
        self._busy = False
        self._clock: Timer | None = None

    def body(self) -> ComposeResult:
        """Put the chart above the words."""
        with Vertical():
            yield FigureView(id="curve")
            yield Static(id="where", markup=False)
            yield Static(id="words")

    def refresh_data(self) -> None:
        """Read the cell, again where it has grown."""
        if not self.is_mounted:
            return
        if self.replay is None:
            self.query_one(FigureView).say("reading the items ...")
        run, cell, known = self.of_run, self.of_cell, self.replay
        self.stored(lambda store: _read(store, run, cell, known), self._got, name="replay")

    def _got(self, found: tuple[str, Replay]) -> None:
        self.called, replay = found
        if replay is not self.replay:
            self.replay, self.frames = replay, {}
            head = f"llprobe · replay · {self.called} · {replay.table.n_items:,} items"
            self.query_one("#head", Static).update(Text(one_line(head)))
            self.go(self.at)

    # --- frames -----------------------------------------------------------------------------

    def go(self, at: int) -> None:
        """Show a frame, when it is there; the nearest that there is."""
        if self.replay is None:
            return
        self.at = max(0, min(at, len(self.replay.steps) - 1))
        if self.at in self.frames:
            self._show(self.replay, self.frames[self.at])
        elif not self._busy:
            self._compute(self.replay, self.at)

    def _compute(self, replay: Replay, at: int) -> None:
        """Analyse a frame in a thread; one at a time, so that none waits for what is passed."""
        self._busy = True

        def got(frame: Frame) -> None:
            self._busy = False
            if replay is self.replay:
                self.frames[at] = frame
            self.go(self.at)

        # a name of its own: one of the same name would call off the worker that calls this
        self.ask(lambda: frame_of(replay, at), got, name=f"frame {at}")

    def _show(self, replay: Replay, frame: Frame) -> None:
        best = float(frame.peak.layer or replay.table.layers[0])
        self.query_one(FigureView).draw(figure_of(self.called, replay, frame), best)
        self.query_one("#where", Static).update(self._where(replay, frame))
        self.query_one("#words", Static).update(Text("\n").join(words(replay, frame)))

    def _where(self, replay: Replay, frame: Frame) -> str:
        n, last = frame.n_items, replay.table.n_items
        done = round(_BAR * n / last)
        sign = "▶" if self.playing else "‖"
        return (
            f"{sign} {'━' * done}{'─' * (_BAR - done)} {n:,} of {last:,} items, frame "
            f"{self.at + 1} of {len(replay.steps)}, {SPEEDS[self.speed]} a second"
        )

    # --- time -------------------------------------------------------------------------------

    def tick(self) -> None:
        """Go a frame on, once the one before is shown; stop at the last."""
        if self.replay is None or self.at not in self.frames:
            return
        if self.at == len(self.replay.steps) - 1:
            self._play(on=False)
        self.go(self.at + 1)

    def _play(self, *, on: bool) -> None:
        self.playing = on
        if self._clock is not None:
            self._clock.stop()
        self._clock = self.set_interval(1 / SPEEDS[self.speed], self.tick) if on else None

    def on_screen_suspend(self) -> None:
        """Let no time pass while another screen is looked at."""
        self._play(on=False)

    # --- keys -------------------------------------------------------------------------------

    def action_play(self) -> None:
        """Play, from the beginning where the end is reached; or stop."""
        if self.replay is None:
            return
        at_end = self.at == len(self.replay.steps) - 1
        self._play(on=not self.playing)
        self.go(0 if self.playing and at_end else self.at)

    def action_step(self, by: int) -> None:
        """Stop, and go some frames on."""
        self._play(on=False)
        self.go(self.at + by)

    def action_edge(self, last: int) -> None:
        """Stop at the first or the last frame."""
        self._play(on=False)
        self.go(len(self.replay.steps) - 1 if self.replay and last else 0)

    def action_speed(self, by: int) -> None:
        """Play faster or slower."""
        self.speed = max(0, min(self.speed + by, len(SPEEDS) - 1))
        self._play(on=self.playing)
        self.go(self.at)


def _read(store: Store, run: str, cell: str, known: Replay | None) -> tuple[str, Replay]:
    """Read a cell and its short name; what is known of it where it has not grown."""
    cells = named(told_apart(store.cells(store.find_run(run))))
    own = next((each for each in cells if each.cell.id == cell), None)
    if own is None:
        raise UnknownName("cell", cell, (), f"(run {run[:8]} was changed)")
    if known is not None and known.cell.n_done == own.cell.n_done:
        return own.name, known
    return own.name, read_replay(store, own.cell)
