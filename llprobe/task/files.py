"""Data files as rows, each of which knows its line: JSON Lines, JSON, CSV and TSV.

Knows nothing of what the fields mean. Every way in which a file can be broken ends in one
DataError that names the file and, where there is one, the line.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from llprobe.errors import DataError, TaskError
from llprobe.task.parquet import parquet_rows
from llprobe.task.plainfile import open_plain
from llprobe.task.records import Row

__all__ = [
    "data_rows",
    "delimited",
    "json_array",
    "json_field",
    "json_lines",
    "read_text",
    "suffix_of",
]

_GZIP = b"\x1f\x8b"
_BLANK = " \t\r\n"
# The csv module's own limit, which a passage or a long solution may well pass.
_LONGEST_CELL = 16 * 1024 * 1024


def read_text(path: str, error: type[TaskError] = DataError) -> str:
    """Return a file's text, without a byte-order mark; `error` if that cannot be done.

    A file that is compressed by gzip is its content.
    """
    with open_plain(path, error) as file:
        try:
            raw = file.read()
            raw = gzip.decompress(raw) if raw.startswith(_GZIP) else raw
        except (EOFError, zlib.error, gzip.BadGzipFile) as problem:
            raise error(f"{path}: is compressed, and damaged or cut off ({problem})") from problem
        except OSError as problem:
            raise error(f"{path}: cannot be read ({problem.strerror})") from problem
        except MemoryError as problem:
            raise error(f"{path}: cannot be read (it is larger than the memory)") from problem
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = raw.count(b"\n", 0, problem.start) + 1
        raise error(
            f"{path}, line {line}: not UTF-8 (byte {raw[problem.start]:#04x}); save it as UTF-8"
        ) from problem


def data_rows(path: str) -> Iterator[Row]:
    """Yield a data file's rows, read as its suffix says."""
    match suffix_of(path):
        case ".jsonl" | ".ndjson":
            return json_lines(path)
        case ".json":
            return json_array(path)
        case ".csv":
            return delimited(path, ",")
        case ".tsv":
            return delimited(path, "\t")
        case ".parquet":
            return parquet_rows(path)
        case suffix:
            known = ".jsonl, .json, .csv, .tsv or .parquet"
            raise DataError(f"{path}: cannot tell its format from {suffix!r}; name it {known}")


def suffix_of(path: str) -> str:
    """Return a file's suffix in lower case; of a compressed one that of its content."""
    name = Path(path).name.lower()
    return Path(name.removesuffix(".gz")).suffix


def json_field(path: str, field: str) -> Iterator[Row]:
    """Yield the objects of the list that a field of a JSON file holds."""
    return _at_least_one(_json_field(path, field), path)


def json_lines(path: str) -> Iterator[Row]:
    """Yield the objects of a JSON Lines file; blank lines are passed over."""
    return _at_least_one(_json_lines(path), path)


def json_array(path: str) -> Iterator[Row]:
    """Yield the objects of a file that holds one JSON list of objects."""
    return _at_least_one(_json_array(path), path)


def delimited(
    path: str, delimiter: str, columns: Sequence[str] = (), *, quoted: bool = True
) -> Iterator[Row]:
    """Yield the rows of a file whose first line names its columns.

    `columns` must be among them. `quoted` says that a cell may stand in double quotes.
    """
    return _at_least_one(_delimited(path, delimiter, columns, quoted=quoted), path)


def _at_least_one(rows: Iterable[Row], path: str) -> Iterator[Row]:
    """Yield `rows`; DataError where there is none."""
    empty = True
    for row in rows:
        empty = False
        yield row
    if empty:
        raise DataError(f"{path}: the file holds no rows")


def _json_lines(path: str) -> Iterator[Row]:
    # Not splitlines: JSON texts may hold U+2028 and the like as they are.
    lines = enumerate(read_text(path).split("\n"), start=1)
    filled = ((line, text) for line, text in lines if text.strip(_BLANK))
    for number, (line, text) in enumerate(filled):
        where = f"{path}, line {line}"
        yield Row(number, where, _object(_parsed(text, where), where))


def _parsed(text: str, where: str) -> Any:
    """Parse the JSON of one line."""
    try:
        return json.loads(text, object_pairs_hook=_once)
    except _RepeatedKeyError as problem:
        raise DataError(f"{where}: {problem}") from problem
    except json.JSONDecodeError as problem:
        raise DataError(f"{where}, column {problem.colno}: not JSON ({problem.msg})") from problem
    except (ValueError, RecursionError) as problem:
        raise DataError(f"{where}: JSON that cannot be read ({problem})") from problem


class _RepeatedKeyError(Exception):
    """A JSON object that has a key twice."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its pairs, of which `json` would keep the last of several silently."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        repeated = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise _RepeatedKeyError(f"the key {repeated!r} stands there twice")
    return fields


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError(f'{where}: each row must be a JSON object, {{"field": value, ...}}')
    return value


def _json_array(path: str) -> Iterator[Row]:
    for number, (line, value) in enumerate(_elements(read_text(path), path)):
        where = f"{path}, line {line}"
        yield Row(number, where, _object(value, where))


def _json_field(path: str, field: str) -> Iterator[Row]:
    whole = _object(_parsed(read_text(path), path), path)
    rows = whole.get(field)
    if not isinstance(rows, list):
        found = ", ".join(key for key, value in whole.items() if isinstance(value, list)) or "none"
        raise DataError(f"{path}: no list of rows in the field {field!r}; lists are in: {found}")
    for number, value in enumerate(rows):
        where = f"{path}, {field}[{number}]"
        yield Row(number, where, _object(value, where))


def _elements(text: str, path: str) -> Iterator[tuple[int, Any]]:
    """Yield each element of a JSON list with the line on which it begins."""
    mark, at = _mark(text, 0, "[", path)
    line, counted = 1, 0
    while mark != "]":
        if mark == "[" and text[at : at + 1] == "]":
            return
        line, counted = line + text.count("\n", counted, at), at
        value, at = _decode(text, at, path)
        yield line, value
        mark, at = _mark(text, at, ",]", path)
    if at < len(text):
        raise DataError(f"{path}, line {_line(text, at)}: not JSON (text after the list's end)")


def _decode(text: str, at: int, path: str) -> tuple[Any, int]:
    """Parse the JSON value at `at`; return it with the position after it."""
    try:
        return json.JSONDecoder(object_pairs_hook=_once).raw_decode(text, at)
    except _RepeatedKeyError as problem:
        raise DataError(f"{path}, line {_line(text, at)}: {problem}") from problem
    except json.JSONDecodeError as problem:
        raise DataError(f"{path}, line {problem.lineno}: not JSON ({problem.msg})") from problem
    except (ValueError, RecursionError) as problem:
        line = _line(text, at)
        raise DataError(f"{path}, line {line}: JSON that cannot be read ({problem})") from problem


def _mark(text: str, at: int, marks: str, path: str) -> tuple[str, int]:
    """Step over one of `marks` and the blanks around it; return it and the new position."""
    at = _past_blanks(text, at)
    found = text[at : at + 1]
    if not found or found not in marks:
        wanted = " or ".join(repr(mark) for mark in marks)
        line = _line(text, at)
        raise DataError(f"{path}, line {line}: not a JSON list of objects ({wanted} expected)")
    return found, _past_blanks(text, at + 1)


def _past_blanks(text: str, at: int) -> int:
    while text[at : at + 1] and text[at] in _BLANK:
        at += 1
    return at


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def _delimited(path: str, delimiter: str, columns: Sequence[str], *, quoted: bool) -> Iterator[Row]:
    cells = _cells(path, delimiter, quoted=quoted)
    header = next(cells, (1, []))[1]
    _check_header(header, columns, path)
    for number, (line, row) in enumerate(cells):
        where = f"{path}, line {line}"
        if len(row) != len(header):
            raise DataError(f"{where}: {len(row)} cells where the first line has {len(header)}")
        yield Row(number, where, dict(zip(header, row, strict=True)))


def _cells(path: str, delimiter: str, *, quoted: bool) -> Iterator[tuple[int, list[str]]]:
    """Yield each filled row's cells with the line on which it begins."""
    csv.field_size_limit(_LONGEST_CELL)
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    source = io.StringIO(read_text(path), newline="")
    reader = csv.reader(source, delimiter=delimiter, quoting=quoting, strict=True)
    line = 1
    try:
        for row in reader:
            if row:
                yield line, row
            line = reader.line_num + 1
    except csv.Error as problem:
        raise DataError(f"{path}, line {line}: cannot be read ({problem})") from problem


def _check_header(header: Sequence[str], columns: Sequence[str], path: str) -> None:
    if not any(cell.strip() for cell in header):
        raise DataError(f"{path}: the file is empty; its first line must name the columns")
    for column in columns:
        if column not in header:
            raise DataError(f"{path}, line 1: no column {column!r}; found: {', '.join(header)}")
    repeated = {column for column in header if header.count(column) > 1}
    if repeated:
        raise DataError(f"{path}, line 1: the column {min(repeated)!r} stands there twice")
