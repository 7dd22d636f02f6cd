"""Stored runs -> rows to be printed: summaries, layers, items. Plain values, no formatting.

This package knows what a reader of a run wants to see. It does not know terminals or files.
"""

from llprobe.report.cells import cell_rows, progress_line, progress_of
from llprobe.report.evidence import CurveEvidence, curve_evidence
from llprobe.report.grouping import grouping
from llprobe.report.items import all_items, items
from llprobe.report.runs import run_rows, tagged
from llprobe.report.summaries import Summary, layers_table, sparkline, summaries
from llprobe.report.tables import option_table, tables
from llprobe.report.written import WrittenSummary, written, written_items

__all__ = [
    "CurveEvidence",
    "Summary",
    "WrittenSummary",
    "all_items",
    "cell_rows",
    "curve_evidence",
    "grouping",
    "items",
    "layers_table",
    "option_table",
    "progress_line",
    "progress_of",
    "run_rows",
    "sparkline",
    "summaries",
    "tables",
    "tagged",
    "written",
    "written_items",
]
