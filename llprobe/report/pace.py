"""How fast something goes that counts items, and how long the rest takes; times for people.

This module knows counts and the clock. It does not know what is counted, nor where it is shown.
"""

from __future__ import annotations

import time

__all__ = ["Whole", "duration"]


class Whole:
    """How far everything is that several meters count, one after the other, or another process."""

    def __init__(self, done: int, total: int) -> None:
        self.done, self.total = done, total
        self._at_start, self._started = done, time.monotonic()

    @property
    def rate(self) -> float | None:
        """Items a second since the start; None before there is one."""
        made, spent = self.done - self._at_start, time.monotonic() - self._started
        return made / spent if made > 0 and spent > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """What the rest takes at the pace so far; None before there is one."""
        rate = self.rate
        return (self.total - self.done) / rate if rate else None

    @property
    def pace(self) -> str:
        """Items a second or minute, and the time left; empty before there is a pace."""
        rate, left = self.rate, self.seconds_left
        if rate is None or left is None:
            return ""
        speed = f"{rate:,.1f} items/s" if rate >= 1 else f"{60 * rate:.1f} items/min"
        return f"{speed}, about {duration(left)} left"

    def __str__(self) -> str:
        left = self.seconds_left
        more = "" if left is None else f", about {duration(left)} left"
        return f"{self.done}/{self.total} in all{more}"


def duration(seconds: float) -> str:
    """Return a time for people: 42 s, 3 min, 2 h 05 min, 3 d 04 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02} min"
    return f"{hours // 24} d {hours % 24:02} h"
