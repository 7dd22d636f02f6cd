"""What is shown below the list of the run under the cursor: its note, and every curve.

This module knows lines. It does not know widgets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from .itemtable import one_line
from .runcolumns import cut, spark
from .runlist import Row

if TYPE_CHECKING:
    from llprobe.store import Store

__all__ = ["curve_lines", "note_lines"]

_NOTE: Final = 3
"""Lines of a note that are shown."""


def note_lines(note: str, width: int) -> list[Text]:
    """Return a note's first lines, each cut at `width` characters; nothing for none."""
    lines = [one_line(line) for line in note.splitlines() if line.strip()]
    shown = [Text(cut(line, width), "italic") for line in lines[:_NOTE]]
    left = len(lines) - _NOTE
    more = f"… {left} more line{'s' * (left != 1)}: e shows the whole note"
    return [*shown, *([Text(cut(more, width), "dim")] if left > 0 else [])]


def curve_lines(store: Store, run: str, width: int) -> list[Text]:
    """Return a line for every curve of a run: accuracy at its best and its last layer, and all."""
    from llprobe.report import summaries  # noqa: PLC0415 - in a thread, after the first screen

    rows = [summary.row() for summary in summaries(store, run)]
    if not rows:
        return [Text("nothing is scored of it yet", "dim")]
    names = [_name(row, rows) for row in rows]
    room = min(max(map(cell_len, names)), max(width // 3, 16))
    head = f"{'':{room}} chance  best     last  over layers, 0 to 100%"
    return [
        Text(head, "bold"),
        *(_line(n, row, room, width) for n, row in zip(names, rows, strict=True)),
    ]


def _name(row: Row, rows: Sequence[Row]) -> str:
    """Name a curve by its task, and by what differs between the curves."""
    keys = ("model", "task", "lens", "answer", "ablation", "shots", "seed")
    telling = [key for key in keys if key == "task" or len({r[key] for r in rows}) > 1]
    return " ".join(str(row[key]) for key in telling)


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def _line(name: str, row: Row, room: int, width: int) -> Text:
    best = f"{_percent(row['best_held_out']):>4} L{row['best_layer']:<3}"
    numbers = f"{row['chance']:6.0%}  {best} {row['last']:4.0%}  "
    name = set_cell_size(cut(name, room), room)
    curve = spark(row["mc1_by_layer"], max(width - room - len(numbers) - 2, 8))
    return Text.assemble((name, "bold"), f" {numbers}", curve)
