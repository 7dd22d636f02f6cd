"""Watching a sweep that another process carries out, and asking that one to pause or go on.

look (what is stored) -> words, curve (what is said of it) -> page
"""

from __future__ import annotations

from .page import MonitorScreen

__all__ = ["MonitorScreen"]
