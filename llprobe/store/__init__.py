"""All that is kept: runs, cells, questions and scores, in one SQLite file.

`Store` writes and reads; `default_path` says where the file is. Only this package knows SQL.
"""

from llprobe.paths import default_path
from llprobe.store.marks import LONGEST_TAG, checked_tags
from llprobe.store.options import OptionRow
from llprobe.store.read import CellAnswer, CellRecord, CellScores, RunRecord
from llprobe.store.store import Store

__all__ = [
    "LONGEST_TAG",
    "CellAnswer",
    "CellRecord",
    "CellScores",
    "OptionRow",
    "RunRecord",
    "Store",
    "checked_tags",
    "default_path",
]
