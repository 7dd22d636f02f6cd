"""Widgets that several screens use; each knows how it looks and nothing of runs or models."""

from .chart import Chart
from .confirm import Confirm
from .filterbar import FilterBar
from .rows import Rows
from .small import Small
from .tick import Tick, mark
from .trouble import Trouble

__all__ = ["Chart", "Confirm", "FilterBar", "Rows", "Small", "Tick", "Trouble", "mark"]
