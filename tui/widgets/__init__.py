"""Widgets that several screens use; each knows how it looks and nothing of runs or models."""

from .chart import Chart
from .confirm import Confirm
from .entry import Entry
from .filterbar import FilterBar
from .rows import Rows
from .small import Small
from .tick import Tick, mark
from .trouble import Trouble

__all__ = ["Chart", "Confirm", "Entry", "FilterBar", "Rows", "Small", "Tick", "Trouble", "mark"]
