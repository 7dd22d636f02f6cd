"""What shows the interface to a traveller, and waiting for words on it.

A driver sends keys and clicks to a running `llprobe tui` and reads its screen. This module knows
neither tmux nor browsers, and no screen of llprobe's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

__all__ = ["Driver", "Lost", "Traveller"]

_EVERY: Final = 0.1
"""Seconds between two looks at the screen."""
_STILL: Final = 4
"""Looks without a change after which a screen is taken to be drawn."""
_RESTLESS: Final = 30
"""Looks after which one is taken that goes on changing, as that of a running sweep does."""


class Lost(Exception):
    """Something did not come in time; the message shows the screen."""


class Driver(Protocol):
    """Shows the interface; keys are named as Textual names them (`enter`, `ctrl+r`, `q`)."""

    def open(self) -> None:
        """Start the interface, the first time or again."""

    def press(self, key: str) -> None:
        """Press a key."""

    def click(self, column: int, row: int) -> None:
        """Click on a character, counted from 0."""

    def lines(self) -> list[str]:
        """Return the screen, a text for each of its rows."""

    def ended(self) -> bool:
        """Say whether the interface has ended."""

    def picture(self) -> bytes | None:
        """Return the screen as a PNG; None where it has no pixels."""

    def close(self) -> None:
        """Leave nothing running."""


class Traveller:
    """Presses keys, and goes on when the words that should come are on the screen."""

    def __init__(self, driver: Driver, patience: float) -> None:
        self.driver = driver
        self.patience = patience
        """Seconds that words are waited for, where no other time is given."""

    def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        for key in keys:
            self.driver.press(key)

    def type(self, text: str) -> None:
        """Type a text into the field that has the focus; each character must show."""
        for n, char in enumerate(text):
            self.driver.press("space" if char == " " else char)
            self.see(text[: n + 1].rstrip())

    def click(self, word: str, beyond: int = 0) -> None:
        """Click on a word, or so many characters right of where it begins."""
        self.see(word)
        for row, line in enumerate(self.driver.lines()):
            if word in line:
                self.driver.click(line.index(word) + beyond, row)
                return
        raise Lost(f"{word!r} is gone again\n{self._screen()}")

    def see(self, *words: str, within: float | None = None) -> None:
        """Wait until all words are on the screen."""
        self._wait(lambda text: all(word in text for word in words), words, "come", within)

    def see_no(self, *words: str, within: float | None = None) -> None:
        """Wait until none of the words is on the screen."""
        self._wait(lambda text: not any(word in text for word in words), words, "go", within)

    def see_end(self) -> None:
        """Wait until the interface has ended."""
        self.until(self.driver.ended, "the interface does not end")

    def until(self, reached: Callable[[], bool], what: str, within: float | None = None) -> None:
        """Wait until something is reached; Lost says `what` where it is not."""
        end = time.monotonic() + (within or self.patience)
        while not reached():
            if time.monotonic() > end:
                raise Lost(f"{what} within {within or self.patience:.0f} s\n{self._screen()}")
            time.sleep(_EVERY)

    def _wait(
        self, there: Callable[[str], bool], words: Sequence[str], verb: str, within: float | None
    ) -> None:
        said = ", ".join(map(repr, words))
        self.until(
            lambda: there("\n".join(self.driver.lines())), f"{said} did not {verb}", within
        )  # fmt: skip

    def screen(self) -> list[str]:
        """Return the screen when it is drawn."""
        before, same = self.driver.lines(), 0
        for _ in range(_RESTLESS):
            time.sleep(_EVERY)
            now = self.driver.lines()
            same = same + 1 if now == before else 0
            before = now
            if same == _STILL:
                break
        return before

    def _screen(self) -> str:
        return "\n".join(f"| {line}" for line in self.driver.lines())
