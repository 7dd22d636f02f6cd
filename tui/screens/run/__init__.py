"""A stored run: curves, heat maps, groups, items, findings, settings; a module per tab."""

from .screen import RunScreen

__all__ = ["RunScreen"]
