"""The interface in headless Chromium. It knows playwright and xterm.js, and no screen of llprobe's.

xterm.js draws on a canvas, so the text is read from the terminal's own buffer. The page does not
give the terminal away: a script that runs before its own notes the object as it is made.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack
from typing import IO, Any, Final

from journeydriver import Lost
from journeyplace import Place

__all__ = ["WebDriver"]

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS: Final = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
_KEYS: Final = {
    "enter": "Enter", "escape": "Escape", "tab": "Tab", "space": " ", "up": "ArrowUp",
    "down": "ArrowDown", "left": "ArrowLeft", "right": "ArrowRight", "end": "End", "home": "Home",
    "backspace": "Backspace",
}  # fmt: skip
_NOTE_TERMINALS: Final = """
window.seen = [];
Object.defineProperty(Object.prototype, "_core", {
  configurable: true,
  set(value) {
    const own = {value, writable: true, enumerable: true, configurable: true};
    Object.defineProperty(this, "_core", own);
    window.seen.push(this);
  },
});
"""
_TERMINAL: Final = "window.seen.findLast((each) => each.loadAddon && each.buffer)"
_LINES: Final = f"""() => {{
  const terminal = {_TERMINAL};
  if (!terminal) return [];
  const shown = terminal.buffer.active;
  const row = (_, n) => shown.getLine(shown.viewportY + n)?.translateToString(true) ?? "";
  return Array.from({{length: terminal.rows}}, row);
}}"""
_SIZE: Final = f"() => [{_TERMINAL}.cols, {_TERMINAL}.rows]"


class WebDriver:
    """`llprobe tui --web` and a page of a browser that shows it."""

    def __init__(self, place: Place, width: int, height: int, patience: float) -> None:
        try:
            from playwright.sync_api import sync_playwright
        except ModuleNotFoundError:
            sys.exit("no playwright is installed: `pip install playwright`")
        found = next((path for name in _NAMES if (path := shutil.which(name))), None)
        if found is None:
            sys.exit("no Chromium is installed: `apt-get install chromium`")
        self._patience = patience
        with ExitStack() as stack:
            self._server = stack.enter_context(_served(place))
            stack.callback(self._server.send_signal, signal.SIGINT)
            self._address = self._printed()
            playwright = stack.enter_context(sync_playwright())
            browser = playwright.chromium.launch(executable_path=found, args=list(_FLAGS))
            stack.callback(browser.close)
            context = browser.new_context(viewport={"width": width, "height": height})
            self._page: Any = context.new_page()
            self._page.add_init_script(_NOTE_TERMINALS)
            self._open = stack.pop_all()

    def _printed(self) -> str:
        """Return the address that the server prints when it answers."""
        out: IO[str] | None = self._server.stdout
        line = out.readline() if out else ""
        found = re.search(r"http://127\.0\.0\.1:\d+/\S*", line)
        if found is None:
            raise Lost(f"`llprobe tui --web` gave no address: {line.strip() or 'it said nothing'}")
        return found[0]

    def open(self) -> None:
        """Open the page, or open it anew."""
        self._page.goto(self._address)
        self._page.wait_for_selector(
            "body.-first-byte", state="attached", timeout=1000 * self._patience
        )

    def press(self, key: str) -> None:
        """Press a key."""
        if key.startswith("ctrl+"):
            self._page.keyboard.press(f"Control+{key.removeprefix('ctrl+')}")
        elif key in _KEYS:
            self._page.keyboard.press(_KEYS[key])
        else:
            self._page.keyboard.type(key)

    def click(self, column: int, row: int) -> None:
        """Click into the middle of a character."""
        columns, rows = self._page.evaluate(_SIZE)
        box = self._page.locator(".xterm-screen").bounding_box()
        x = box["x"] + (column + 0.5) * box["width"] / columns
        y = box["y"] + (row + 0.5) * box["height"] / rows
        self._page.mouse.click(x, y)

    def lines(self) -> list[str]:
        """Return the rows of the terminal's buffer."""
        return [str(line) for line in self._page.evaluate(_LINES)]

    def ended(self) -> bool:
        """Say whether the page says so."""
        return bool(self._page.locator("body.-closed").count())

    def picture(self) -> bytes | None:
        """Return the page."""
        return bytes(self._page.screenshot())

    def close(self) -> None:
        """Close the browser, and end the server as Ctrl-C does."""
        self._open.close()


def _served(place: Place) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["llprobe", "tui", "--web", "--port", "0"], env=place.env, cwd=place.home, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
