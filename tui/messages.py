"""Messages that cross modules. This module knows what happened, not who listens."""

from __future__ import annotations

from textual.message import Message

__all__ = ["DatabaseChanged"]


class DatabaseChanged(Message):
    """The database is not what it was: something was written, it appeared, or it is gone."""
