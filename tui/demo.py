"""The bundled example: a database of a small sweep, opened from a copy.

It was made with tests/makedemo.py. This module knows a file. It does not know what is in it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path

from llprobe.errors import StoreError

__all__ = ["demo_database"]


@contextmanager
def demo_database() -> Iterator[Path]:
    """Give a copy of the example in a folder that is deleted at the end.

    Raises StoreError where there is no room for it.
    """
    with tempfile.TemporaryDirectory(prefix="llprobe-demo-") as folder:
        copy = Path(folder) / "demo.db"
        try:
            with as_file(files(__package__).joinpath("demo.db")) as bundled:
                shutil.copyfile(bundled, copy)
        except OSError as error:
            raise StoreError(f"cannot copy the example to {copy}: {error.strerror}") from error
        yield copy
