"""Data files by what they hold, whatever they are called.

Looks at a file's beginning only; what is wrong further on is said by the reader of its form.
Knows nothing of what the fields mean.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator

from llprobe.errors import DataError
from llprobe.task.files import delimited, json_array, json_lines
from llprobe.task.parquet import parquet_rows
from llprobe.task.plainfile import open_plain
from llprobe.task.records import Row

__all__ = ["file_form", "rows"]

_HEAD_BYTES = 1 << 16
_GZIP = b"\x1f\x8b"
_PARQUET = b"PAR1"
_BOM = b"\xef\xbb\xbf"


def file_form(path: str) -> str:
    """Return `parquet`, `json` (one list), `jsonl`, `tsv` or `csv`.

    A text that begins with neither `[` nor `{` is `tsv` where its first line has a tab, else
    `csv`. DataError where the file cannot be opened or holds nothing.
    """
    with open_plain(path) as file:
        try:
            head = file.read(_HEAD_BYTES)
            if head.startswith(_GZIP):
                file.seek(0)
                with gzip.open(file) as content:
                    head = content.read(_HEAD_BYTES)
        except (EOFError, zlib.error, gzip.BadGzipFile) as problem:
            raise DataError(f"{path}: is compressed, and damaged ({problem})") from problem
        except OSError as problem:
            raise DataError(f"{path}: cannot be read ({problem.strerror})") from problem
    if head.startswith(_PARQUET):
        return "parquet"
    text = head.removeprefix(_BOM).strip()
    if not text:
        raise DataError(f"{path}: the file is empty")
    if text[:1] in {b"[", b"{"}:
        return "json" if text[:1] == b"[" else "jsonl"
    return "tsv" if b"\t" in text.split(b"\n", 1)[0] else "csv"


def rows(path: str) -> Iterator[Row]:
    """Yield the rows of a JSON Lines, JSON, CSV, TSV or Parquet file, told by its content.

    Each row has its number from 0, its place in the file for messages, and its fields: those of
    CSV and TSV are texts, and their first line names the columns. DataError names file and line
    (of Parquet the row) of what is broken.
    """
    match file_form(path):
        case "parquet":
            return parquet_rows(path)
        case "json":
            return json_array(path)
        case "jsonl":
            return json_lines(path)
        case form:
            return delimited(path, "\t" if form == "tsv" else ",")
