"""Parquet files as rows, through pyarrow, which the `parquet` extra installs.

Knows nothing of what the columns mean. A row knows its number, counted from 1.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

from llprobe.errors import DataError
from llprobe.task.plainfile import open_plain
from llprobe.task.records import Row

__all__ = ["parquet_rows", "require_pyarrow"]

_BATCH_ROWS = 1024


def require_pyarrow(path: str) -> Any:
    """Return pyarrow with its Parquet module loaded; DataError says how to install it.

    `path` is the file or name that wants it, for the message.
    """
    try:
        importlib.import_module("pyarrow.parquet")
        return importlib.import_module("pyarrow")
    except ImportError as problem:
        raise DataError(
            f"{path}: Parquet files need pyarrow, which is not installed; "
            "pip install 'llprobe[parquet]'"
        ) from problem


def parquet_rows(path: str) -> Iterator[Row]:
    """Yield a Parquet file's rows: texts, numbers, lists and mappings as JSON would give them."""
    arrow = require_pyarrow(path)
    number = 0
    try:
        with open_plain(path) as source, arrow.parquet.ParquetFile(source) as file:
            names = file.schema_arrow.names
            if len(set(names)) < len(names):
                repeated = Counter(names).most_common(1)[0][0]
                raise DataError(f"{path}: the column {repeated!r} stands there twice")
            for batch in file.iter_batches(_BATCH_ROWS):
                for fields in batch.to_pylist():
                    yield Row(number, f"{path}, row {number + 1}", fields)
                    number += 1
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as problem:
        said = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        raise DataError(
            f"{path}: cannot be read as Parquet after row {number} ({said})"
        ) from problem
    if not number:
        raise DataError(f"{path}: the file holds no rows")
