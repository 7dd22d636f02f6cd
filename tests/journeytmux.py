"""The interface in tmux, in a server of its own. It knows tmux, and no screen of llprobe's."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import Final

from journeydriver import Traveller
from journeyplace import Place

__all__ = ["TmuxDriver"]

_PROMPT: Final = "(ready)"
_SHELL: Final = f"while printf '{_PROMPT} ' && read -r line; do eval \"$line\"; done"
"""A shell that says when it waits for a command, whoever's it is."""
_KEYS: Final = {
    "enter": "Enter", "escape": "Escape", "tab": "Tab", "space": "Space", "up": "Up",
    "down": "Down", "left": "Left", "right": "Right", "end": "End", "home": "Home",
    "backspace": "BSpace",
}  # fmt: skip


class TmuxDriver:
    """A shell in tmux in which `llprobe tui` is typed."""

    def __init__(self, place: Place, columns: int, rows: int, patience: float) -> None:
        if shutil.which("tmux") is None:
            sys.exit("no tmux is installed: `apt-get install tmux`, or give --web")
        self._socket = str(place.home / ".tmux")  # goes with the folder
        self._patience = patience
        self._env = place.env
        size = ("-x", str(columns), "-y", str(rows))
        begin = ("new-session", "-d", *size, "-c", str(place.home), "/bin/sh", "-c", _SHELL)
        self._tmux("-f", "/dev/null", *begin)
        self._tmux("set-option", "-g", "status", "off")
        self._tmux("resize-window", *size)

    def _tmux(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", self._socket, *words], env=self._env, text=True, check=True,
            capture_output=True,
        )  # fmt: skip
        return done.stdout

    def open(self) -> None:
        """Type the command."""
        Traveller(self, self._patience).until(self.ended, "the shell does not answer")
        self._tmux("send-keys", "clear; llprobe tui", "Enter")

    def press(self, key: str) -> None:
        """Press a key."""
        if key.startswith("ctrl+"):
            self._tmux("send-keys", f"C-{key.removeprefix('ctrl+')}")
        elif key in _KEYS:
            self._tmux("send-keys", _KEYS[key])
        else:
            self._tmux("send-keys", "-l", "--", key)

    def click(self, column: int, row: int) -> None:
        """Send what a terminal sends when the left button is pressed and let go."""
        for end in "Mm":
            self._tmux("send-keys", "-l", f"\x1b[<0;{column + 1};{row + 1}{end}")

    def lines(self) -> list[str]:
        """Return the screen."""
        return self._tmux("capture-pane", "-p").split("\n")[:-1]

    def ended(self) -> bool:
        """Say whether the shell waits for a command."""
        said = [line for line in self.lines() if line.strip()]
        return bool(said) and said[-1].strip() == _PROMPT

    def picture(self) -> bytes | None:
        """Return None: tmux draws characters."""
        return None

    def close(self) -> None:
        """End the server, and with it all that runs in it."""
        self._tmux("kill-server")
