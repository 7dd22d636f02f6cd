"""Print data: as a table for people, or as JSON, JSON lines, CSV or Markdown for programs.

Data go to stdout or a file, everything else to stderr. This module knows rows and formats. It
does not know what the rows are about.
"""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from llprobe.cli.console import PrintableConsole, is_unicode, to_stdout
from llprobe.cli.options import Format
from llprobe.errors import UsageError
from llprobe.files import whole_file
from llprobe.printable import printable

__all__ = [
    "Column",
    "draw",
    "drawn",
    "emit",
    "emit_json",
    "emit_lines",
    "escape_md",
    "percent",
    "write",
]

_UNBOUNDED = 10_000
# the rest of JSON's texts that a terminal obeys; JSON escapes what is below the space itself
_RAW = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_COLOUR = re.compile("(\x1b\\[[0-9;]*m)")
_FORMULA = re.compile(r"[=+\-@\t\r]")
_NARROWEST = {True: 12, False: 8}
"""Characters that a folded column keeps, if it says what a row is, and if not."""


def _plain(value: Any) -> str:
    return "" if value is None else str(value)


def percent(value: float | None) -> str:
    """An accuracy in percent with one decimal, a dash where there is none."""
    return "–" if value is None else f"{100 * value:.1f}"


@dataclass(frozen=True)
class Column:
    """A column: the row's key, its heading, how a value reads for people, whether it may wrap.

    Where the screen is too narrow for all, the `head` columns, which say what a row is, and those
    that may wrap are folded; what still does not fit goes to tables of their own, each with the
    `head` columns: those that stand `apart` first. Figures are never cut.
    """

    key: str
    heading: str
    show: Callable[[Any], str] = _plain
    right: bool = False
    wraps: bool = False
    head: bool = False
    apart: bool = False


def write(text: str, output: Path | None) -> None:
    """Write text for people to a file, or to stdout; of escapes only colours for a screen stay."""
    screen = output is None and sys.stdout.isatty()
    parts = _COLOUR.split(text) if screen else [text]
    _write_all(
        ["".join(part if n % 2 else printable(part) for n, part in enumerate(parts))], output
    )


def _write_all(parts: Iterable[str], output: Path | None) -> None:
    if output is None:
        to_stdout(parts)
        return
    try:
        # line by line: what comes is as long as the run
        with whole_file(output) as part, part.open("w", encoding="utf-8") as file:
            file.writelines(parts)
    except OSError as error:
        raise UsageError(f"cannot write {output}: {error.strerror}") from error


def emit(
    rows: Sequence[dict[str, Any]],
    columns: Sequence[Column],
    form: Format,
    output: Path | None,
    title: str = "",
) -> None:
    """Print rows in a format; `columns` choose and order what a table shows."""
    if form in {Format.TABLE, Format.MD}:
        write(drawn(rows, columns, form, output, title), output)
    elif form is Format.JSON:
        emit_json(list(rows), output)
    elif form is Format.JSONL:
        emit_lines(rows, output)
    else:
        _write_all([_csv(rows)], output)


def drawn(
    rows: Sequence[dict[str, Any]],
    columns: Sequence[Column],
    form: Format,
    output: Path | None,
    title: str = "",
) -> str:
    """Return rows as a table for people or for Markdown, which has no title."""
    if form is Format.MD:
        return _markdown(rows, columns)
    return _table(rows, columns, title, plain=output is not None)


def emit_json(value: Any, output: Path | None) -> None:
    """Print one JSON document."""
    _write_all([_dumps(value, indent=2) + "\n"], output)


def emit_lines(rows: Iterable[dict[str, Any]], output: Path | None) -> None:
    """Print one JSON object a line, as they come."""
    _write_all((_dumps(row) + "\n" for row in rows), output)


def _dumps(value: Any, indent: int | None = None) -> str:
    # NaN and infinity are no JSON; scores never hold them, and this would say so
    text = json.dumps(value, ensure_ascii=not is_unicode(), allow_nan=False, indent=indent)
    return _RAW.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _table(
    rows: Sequence[dict[str, Any]], columns: Sequence[Column], title: str, *, plain: bool
) -> str:
    console = _console(plain=plain)

    def fits(some: Sequence[Column]) -> bool:
        return _width(console, _grid(rows, some, folded=True)) <= console.width

    whole = _width(console, _grid(rows, columns)) <= console.width
    parts = [columns] if whole or not any(c.head for c in columns) else _parts(columns, fits)
    room = None if whole else console.width
    tables = [draw(_grid(rows, part, room=room), plain=plain) for part in parts]
    # Rich would wrap a title of its own to the table's width
    heading = draw(Text(title, style="bold"), plain=plain) if title else ""
    return heading + "\n".join(tables)


def _parts(
    columns: Sequence[Column], fits: Callable[[Sequence[Column]], bool]
) -> list[Sequence[Column]]:
    """Columns of each table where one does not fit; see `Column`."""
    heads = [column for column in columns if column.head]
    together = [column for column in columns if not column.head and not column.apart]
    apart = [column for column in columns if column.apart]
    if fits(columns):
        return [columns]
    parts: list[Sequence[Column]] = []
    for some in (together, apart):
        part = heads
        for column in some:
            if part != heads and not fits([*part, column]):
                parts.append(part)
                part = heads
            part = [*part, column]
        parts += [part] if part != heads else []
    return parts or [heads]


def _grid(
    rows: Sequence[dict[str, Any]],
    columns: Sequence[Column],
    *,
    room: int | None = None,
    folded: bool = False,
) -> Table:
    """A table whose head columns are as narrow as `room` asks, or as can be if `folded`.

    A head that is folded is not repeated in the rows below.
    """
    table = Table(box=None)
    table.pad_edge, table.show_header = False, any(column.heading for column in columns)
    cells = [[column.show(row.get(column.key)) for row in rows] for column in columns]
    natural = [_widest([column.heading, *of]) for column, of in zip(columns, cells, strict=True)]
    narrow = room is not None or folded
    widths = _narrowed(columns, natural, room or 0) if narrow else natural
    cells = [
        _once(of) if column.head and width < wide else of
        for column, of, width, wide in zip(columns, cells, widths, natural, strict=True)
    ]
    for column, width in zip(columns, widths, strict=True):
        justify: JustifyMethod = "right" if column.right else "left"
        table.add_column(
            column.heading, justify=justify, no_wrap=not (column.wraps or column.head),
            overflow="fold", header_style="bold", width=width if _folds(column) else None,
        )  # fmt: skip
    for row in zip(*cells, strict=True):
        table.add_row(*map(Text, row))
    return table


def _once(texts: Sequence[str]) -> list[str]:
    """Texts with those left out that are the same as the one before."""
    return ["" if n and text == texts[n - 1] else text for n, text in enumerate(texts)]


def _widest(texts: Sequence[str]) -> int:
    return max(cell_len(line) for text in texts for line in (text.splitlines() or [""]))


def _narrowed(columns: Sequence[Column], widths: Sequence[int], room: int) -> list[int]:
    """Widths with the widest columns folded that can be, until all fit into `room`."""
    found = list(widths)
    for _ in range(sum(widths) + 2 * (len(widths) - 1) - room):
        wide = [n for n, c in enumerate(columns) if _folds(c) and found[n] > _NARROWEST[c.head]]
        if not wide:
            break
        found[max(wide, key=lambda n: found[n])] -= 1
    return found


def _folds(column: Column) -> bool:
    return column.head or (column.wraps and not column.apart)


def _width(console: Console, table: Table) -> int:
    """Characters that a table would take without wrapping."""
    return console.measure(table, options=console.options.update(width=_UNBOUNDED)).maximum


def _console(*, plain: bool) -> Console:
    """A console to draw on: as wide as the screen, or without bounds for a file or a pipe."""
    screen = sys.stdout.isatty() and not plain
    console = PrintableConsole(file=io.StringIO(), force_terminal=screen, highlight=False)
    console.width = Console().width if screen else _UNBOUNDED
    return console


def draw(*parts: Table | Text, plain: bool = False) -> str:
    """Draw tables as text: as wide as the screen, or as they need to be in a file or a pipe."""
    console = _console(plain=plain)
    with console.capture() as captured:
        for part in parts:
            console.print(part)
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


def escape_md(text: str) -> str:
    """Text for a cell of a Markdown table."""
    line = printable(text.replace("\n", " "))
    return line.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


def _markdown(rows: Sequence[dict[str, Any]], columns: Sequence[Column]) -> str:
    lines = ["| " + " | ".join(c.heading for c in columns) + " |"]
    lines.append("|" + "|".join(" ---: " if c.right else " --- " for c in columns) + "|")
    for row in rows:
        cells = (escape_md(c.show(row.get(c.key))) for c in columns)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    keys = list(dict.fromkeys(key for row in rows for key in row))
    return "".join(map(_csv_line, [keys, *([_cell(row.get(key)) for key in keys] for row in rows)]))


def _csv_line(cells: Sequence[Any]) -> str:
    """One line of CSV; a carriage return in a cell is quoted as a line feed is."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerow(cells)
    return buffer.getvalue().removesuffix("\r\n") + "\n"


def _cell(value: Any) -> Any:
    """A value for CSV; a quote keeps spreadsheets from running what begins like a formula."""
    if isinstance(value, str) and _FORMULA.match(value):
        return f"'{value}"
    return _dumps(value) if isinstance(value, list | dict) else value
