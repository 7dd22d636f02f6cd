"""The tab of settings: all that decides the numbers, and the command that makes them again.

This module knows records of cells. It does not know what they mean to the engine.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from llprobe.paths import default_path
from llprobe.store import CellRecord

from ...tilde import short
from .data import RunData
from .tab import RunTab, Scroll

__all__ = ["SettingsTab", "repeated", "settings_lines"]

Pairs = Sequence[tuple[str, str]]


class SettingsTab(RunTab):
    """Settings as text, which can be copied."""

    DEFAULT_CSS = """
    SettingsTab Scroll { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "copy('command')", "Copy command"),
        Binding("Y", "copy('sweep')", "Copy YAML"),
    ]

    def compose(self) -> ComposeResult:
        """Yield one long text."""
        with Scroll(can_focus=True):
            yield Static(id="all")

    def enter(self) -> None:
        """Put the focus where the arrows scroll."""
        self.query_one(Scroll).focus()

    def draw(self, told: RunData) -> None:
        """Show the settings."""
        self.query_one("#all", Static).update(Text("\n").join(settings_lines(told)))

    def action_copy(self, what: str) -> None:
        """Give the terminal's clipboard the command or the sweep."""
        if self.told is None:
            return
        text = repeated(self.told.record.command) if what == "command" else self.told.spec
        if not text:
            self.page.trouble(f"this run has no {what}: it was stored by an older version")
            return
        self.app.copy_to_clipboard(text)
        self.app.notify(f"the {what} is in the clipboard, if the terminal allows that")


def settings_lines(told: RunData) -> Iterator[Text]:
    """Say how the run is made again, and with what it was made."""
    record = told.record
    yield from _block("How to make it again", [short(repeated(record.command))])
    if told.spec:
        yield from _block("The sweep", short(told.spec).rstrip().splitlines())
    yield from _table("Run", [
        ("id", record.id), ("status", record.status),
        ("items", f"{record.n_done} of {record.n_items} scored"),
        ("cells", f"{record.cells_done} of {record.n_cells} done"),
    ])  # fmt: skip
    for model in {cell.fingerprint: cell for cell in told.cells}.values():
        yield from _table(f"Model {model.model}", _model(model))
    yield from _table("Questions", _questions(told.cells))
    yield from _table("Readings", [
        ("lens", _values(cell.lens for cell in told.cells)),
        ("layers", _values(_ranged(cell.layers) for cell in told.cells)),
        ("answers", _values(cell.answer for cell in told.cells)),
        ("left out", _values(cell.ablation for cell in told.cells)),
    ])  # fmt: skip
    yield from _table("Engine", _joined(cell.settings for cell in told.cells))
    yield from _table("Versions", _joined(cell.versions for cell in told.cells))
    yield from _table("Computed with", _joined(map(_computed_with, told.cells)))


def _computed_with(cell: CellRecord) -> dict[str, str]:
    """Return a cell's build and devices.

    Remarks on its model stand among the findings, what its template writes in its items.
    """
    return {k: value for k, value in cell.record.items() if k not in {"remarks", "chat"}}


def repeated(command: str) -> str:
    """Return the command that made a run, without a `--db` that names the default database."""
    try:
        words = shlex.split(command)
    except ValueError:  # written by another program
        return command
    pairs = [*pairwise(words)]
    at = next((n for n, (key, value) in enumerate(pairs) if _is_default(key, value)), None)
    return command if at is None else shlex.join([*words[:at], *words[at + 2 :]])


def _is_default(key: str, value: str) -> bool:
    return key == "--db" and Path(value) == default_path()


def _block(title: str, lines: Sequence[str]) -> Iterator[Text]:
    yield Text(title, "bold underline")
    yield from (Text(line) for line in lines)
    yield Text()


def _table(title: str, pairs: Pairs) -> Iterator[Text]:
    if not pairs:
        return
    yield Text(title, "bold underline")
    room = max(len(name) for name, _ in pairs)
    for name, value in pairs:
        yield Text.assemble((f"{name:<{room}}  ", "dim"), short(value))
    yield Text()


def _model(cell: CellRecord) -> Pairs:
    info = cell.model_info
    return [
        ("fingerprint", cell.fingerprint), ("architecture", str(info["architecture"])),
        ("quant", f"{info['quant']}, {info['bits_per_weight']:.2f} bits per weight"),
        ("layers", str(info["n_layers"])), ("parameters", f"{info['n_params']:,}"),
    ]  # fmt: skip


def _questions(cells: Iterable[CellRecord]) -> Pairs:
    """Return a line for every set of questions."""
    found = {cell.questions: cell for cell in cells}
    return [
        (
            cell.task,
            ", ".join([
                f"version {cell.task_version}", f"{cell.n_items} items", f"{cell.shots} shots",
                f"seed {cell.seed}", f"hash {cell.questions[:12]}",
            ]),
        )
        for cell in found.values()
    ]  # fmt: skip


def _ranged(layers: Sequence[int]) -> str:
    whole = list(layers) == list(range(layers[0], layers[-1] + 1)) if layers else False
    return f"{layers[0]} to {layers[-1]}" if whole else " ".join(map(str, layers))


def _values(values: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(values))


def _joined(records: Iterable[Mapping[str, Any]]) -> Pairs:
    """Values by name; where cells differ, all of them."""
    found: dict[str, dict[str, None]] = {}
    for record in records:
        for name, value in record.items():
            found.setdefault(name, {})["default" if value is None else str(value)] = None
    return [(name, ", ".join(values)) for name, values in found.items()]
