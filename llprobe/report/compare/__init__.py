"""Runs, cells of one run, and published tables against each other: differences and their tests.

This package knows which curves are compared and how it is reported. It prints nothing.
"""

from __future__ import annotations

from llprobe.report.compare.difference import ADJUSTMENTS, LEVEL, STARS, Difference
from llprobe.report.compare.runs import Compared, Question, compare_cells, compare_runs
from llprobe.report.compare.where import BEST, LAST, PENULTIMATE, Where, parse_where

__all__ = [
    "ADJUSTMENTS",
    "BEST",
    "LAST",
    "LEVEL",
    "PENULTIMATE",
    "STARS",
    "Compared",
    "Difference",
    "Question",
    "Where",
    "compare_cells",
    "compare_runs",
    "parse_where",
]
