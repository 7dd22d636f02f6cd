"""`llprobe tui --web` in a real headless Chromium."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from webserver import PATIENCE, Served, serving_at

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip

_HANDLE = """Object.defineProperty(Object.prototype, "terminal", {
  configurable: true,
  set(made) {
    window.shown = made;
    Object.defineProperty(this, "terminal", { value: made, writable: true });
  },
});
window.lines = () => {
  if (!window.shown) return [];
  const { buffer, cols, rows } = window.shown;
  const at = (y) => buffer.active.getLine(y)?.translateToString(true, 0, cols) ?? "";
  return Array.from({ length: rows }, (_, y) => at(y));
};"""
"""Gives a test what the terminal of the page holds: it draws on a canvas, where no text is."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve the example; what is wished for in the environment must not reach a tab."""
    folder = tmp_path_factory.mktemp("web") / "a folder"
    with serving_at(folder, LLPROBE_WEB="1", LLPROBE_PORT="1") as serving:
        yield serving


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Give a browser that is there already: none is ever downloaded."""
    api = pytest.importorskip("playwright.sync_api", reason="needs `pip install playwright`")
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium is installed: `apt-get install chromium`")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=list(_FLAGS))
        yield started
        started.close()


class Opened:
    """The interface in a tab, with everything that the tab said or asked for."""

    def __init__(self, context: Any, served: Served) -> None:
        from playwright.sync_api import TimeoutError as TooLong

        self.timeout = TooLong
        self.page = context.new_page()
        self.page.set_default_timeout(1000 * PATIENCE)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.add_init_script(_HANDLE)
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("websocket", lambda opened: self.asked.append(opened.url))
        self.page.goto(served.address)

    def _console(self, message: Any) -> None:
        if message.type == "error":  # a slow machine makes xterm.js warn
            self.said.append(message.text)

    def lines(self) -> list[str]:
        return list(self.page.evaluate("() => window.lines()"))

    def sees(self, *words: str) -> None:
        """Wait until all these words are on the screen."""
        seen = "words => words.every(word => window.lines().join('\\n').includes(word))"
        self.wait(seen, list(words))

    def wait(self, holds: str, arg: list[Any]) -> None:
        """Wait until a function of the page holds; what is on the screen says why it does not."""
        try:
            self.page.wait_for_function(holds, arg=arg)
        except self.timeout as error:
            raise AssertionError("\n".join([f"no {holds} of {arg} on", *self.lines()])) from error

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def click(self, word: str) -> None:
        """Click on the first character of a word on the screen."""
        row, line = next((y, line) for y, line in enumerate(self.lines()) if word in line)
        box = self.page.locator(".xterm-screen").bounding_box()
        columns, rows = self.page.evaluate("() => [window.shown.cols, window.shown.rows]")
        x = box["x"] + box["width"] * (line.index(word) + 0.5) / columns
        self.page.mouse.click(x, box["y"] + box["height"] * (row + 0.5) / rows)


@pytest.fixture
def opened(browser: Any, served: Served) -> Iterator[Opened]:
    """Open the interface; at the end nothing may have been said, nor asked of anybody else."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 800}, permissions=["clipboard-read", "clipboard-write"]
    )
    tab = Opened(context, served)
    tab.sees("example", "144")
    yield tab
    context.close()
    assert tab.said == []
    assert {urlsplit(url).netloc for url in tab.asked if not url.startswith("data:")} == {
        served.host
    }


def test_a_journey_through_a_run(opened: Opened, served: Served) -> None:
    opened.press("Enter")
    opened.sees("Layers", "Heat map", "Findings", "144 of 144 items")
    opened.press("]")
    opened.sees("Accuracy (MC1) by layer", "mps_rea", "not scored")
    opened.click("Items")
    opened.sees("12 of 12 items", "int/1-2/add/0")
    opened.press("/")
    opened.sees("Clear filter")
    opened.page.keyboard.type("wrong sub")
    opened.sees("2 of 12 items; wrong sub")
    opened.press("Enter")
    opened.sees("Open", "Replay")
    opened.press("j", "Enter")
    opened.sees("probability among the options", "1.76 - 90.28 =")
    opened.press("1")
    opened.sees("newest first")
    opened.press("q")
    opened.page.get_by_text("The interface has ended").wait_for(state="visible")
    assert psutil.wait_procs(served.children(), PATIENCE)[1] == []
    opened.press("Enter")
    opened.wait("() => !document.body.classList.contains('-closed')", [])
    opened.sees("newest first", "example")


def test_the_mouse_works_and_what_is_copied_is_in_the_clipboard(opened: Opened) -> None:
    opened.click("example")
    opened.press("Enter")
    opened.sees("Settings", "144 of 144 items")
    opened.click("Settings")
    opened.sees("How to make it again")
    opened.press("y")
    opened.wait(
        "async ([text]) => (await navigator.clipboard.readText()) === text",
        ["llprobe sweep run docs/example/sweep.yaml"],
    )
    opened.press("Escape")
    opened.sees("newest first")


def test_it_follows_the_size_of_the_window(opened: Opened) -> None:
    def rightmost() -> int:
        return max(map(len, opened.lines()))

    before = rightmost()
    opened.page.set_viewport_size({"width": 900, "height": 600})
    opened.wait("([before]) => window.lines().every(line => line.length < before)", [before])
    opened.sees("^p commands", "example")
    assert rightmost() == opened.page.evaluate("() => window.shown.cols")


def test_a_file_is_delivered_to_the_browser(opened: Opened) -> None:
    opened.press("Control+p")
    opened.sees("Here: Filter")
    opened.page.keyboard.type("screenshot")
    opened.wait("() => !window.lines().some(line => line.includes('Here: Filter'))", [])
    opened.sees("Screenshot")
    with opened.page.expect_download() as download:
        opened.press("Enter")
    assert Path(download.value.path()).read_text("utf-8").startswith("<svg")


@pytest.mark.parametrize("how", ["socket", "frame"])
def test_a_page_of_another_site_gets_nowhere(browser: Any, served: Served, how: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.route("http://evil.example/**", lambda route: route.fulfill(body="<p>", status=200))
    page.goto("http://evil.example/")
    address = f"ws://{served.host}{served.at.path}ws?width=80&height=24"
    tries: dict[str, Callable[[], Any]] = {
        "socket": lambda: page.evaluate(
            """address => new Promise(done => {
              const socket = new WebSocket(address);
              socket.onopen = () => done("open");
              socket.onclose = () => done("refused");
            })""",
            address,
        ),
        "frame": lambda: page.evaluate(
            """address => new Promise(done => {
              const frame = document.createElement("iframe");
              frame.onload = () => done(frame.contentDocument ? "read" : "refused");
              frame.src = address;
              document.body.append(frame);
            })""",
            served.address,
        ),
    }
    assert tries[how]() == "refused"
    texts = [frame.content() for frame in page.frames if frame != page.main_frame]
    assert not any("textual-terminal" in text for text in texts)
    context.close()
