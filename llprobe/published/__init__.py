"""Published tables of accuracy by layer, as data: what a run of one's own can be laid beside.

The tables are those of arXiv 2312.04333. This package knows numbers that were printed. It does not
know runs, and it shows the numbers as they were printed: where rows look copied it says so.
"""

from llprobe.published.beside import BESIDE, published_task
from llprobe.published.repeats import Repeat, repeats
from llprobe.published.tables import NAMES, PublishedRun, is_published, table

__all__ = [
    "BESIDE",
    "NAMES",
    "PublishedRun",
    "Repeat",
    "is_published",
    "published_task",
    "repeats",
    "table",
]
