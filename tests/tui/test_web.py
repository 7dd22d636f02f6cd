"""`llprobe tui --web`: a real server, asked by hand and by a real headless Chromium."""

import http.client
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from clihelp import Cli

from llprobe.errors import UsageError
from llprobe.tui.web.door import Door
from llprobe.tui.web.server import listen

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
_UPGRADE = {
    "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}  # fmt: skip
_PATIENCE = 60
"""Seconds after which a test has failed."""

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


@dataclass(frozen=True)
class Answer:
    """What the server answered."""

    status: int
    headers: dict[str, str]
    text: str


class Served:
    """A server that runs, on the bundled example."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path) -> None:
        assert process.stdout is not None
        self.process, self.folder = process, folder
        self.line = process.stdout.readline()
        (self.address,) = re.findall(r"http://\S+/", self.line) or [""]
        self.at = urlsplit(self.address)
        self.host = self.at.netloc

    def ask(self, path: str = "", **headers: str) -> Answer:
        """Ask for a path, by default the page."""
        connection = http.client.HTTPConnection(
            "127.0.0.1", int(self.at.port or 0), timeout=_PATIENCE
        )
        with closing(connection):
            connection.request("GET", path or self.at.path, headers={"Host": self.host} | headers)
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read().decode())

    @contextmanager
    def tab(self, until: str = "calculation") -> Iterator[None]:
        """Open a tab as a browser does, and wait for a word on it."""
        with socket.create_connection(("127.0.0.1", int(self.at.port or 0)), _PATIENCE) as sock:
            lines = [f"GET {self.at.path}ws?width=80&height=24 HTTP/1.1", f"Host: {self.host}"]
            own = {"Origin": f"http://{self.host}"} | _UPGRADE
            lines += [f"{name}: {value}" for name, value in own.items()]
            sock.sendall("\r\n".join([*lines, "", ""]).encode())
            seen = b""
            while until.encode() not in seen:
                got = sock.recv(65536)
                assert got, seen
                seen += got
            yield

    def children(self) -> list[psutil.Process]:
        """Give the processes behind tabs."""
        return psutil.Process(self.process.pid).children()

    def left(self) -> list[str]:
        """Give what lies in the folder for temporary files."""
        return [each.name for each in self.folder.iterdir()]

    def end(self) -> tuple[int, str]:
        """Press Ctrl-C; return the exit code and what was printed after the first line."""
        self.process.send_signal(signal.SIGINT)
        said, also = self.process.communicate(timeout=_PATIENCE)
        return self.process.returncode, said + also


@contextmanager
def _serving(folder: Path, *more: str, **env: str) -> Iterator[Served]:
    folder.mkdir(parents=True)
    own = Cli(folder).env | {"TMPDIR": str(folder)} | env
    words = [sys.executable, "-m", "llprobe", "tui", "--web", "--port", "0", *(more or ["--demo"])]
    with subprocess.Popen(
        words, env=own, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Served(process, folder)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve the example; what is wished for in the environment must not reach a tab."""
    folder = tmp_path_factory.mktemp("web") / "a folder"
    with _serving(folder, LLPROBE_WEB="1", LLPROBE_PORT="1") as serving:
        yield serving


# --- who is let in --------------------------------------------------------------------------


def test_the_page_is_given_by_both_names_of_this_machine(served: Served) -> None:
    for name in ("127.0.0.1", "localhost", "LocalHost"):
        host = f"{name}:{served.at.port}"
        answer = served.ask(Host=host, Origin=f"http://{host}")
        assert answer.status == 200
        assert f"ws://{host}{served.at.path}ws" in answer.text


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{}", "127.0.0.1:1", "127.0.0.1"])
def test_other_names_are_refused(served: Served, host: str) -> None:
    for path in ("", "/static/js/textual.js"):
        answer = served.ask(path, Host=host.format(served.at.port))
        assert answer.status == 403
        assert f"ssh -L {served.at.port}:127.0.0.1" in answer.text


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://{}", "http://{}.evil.example", ""]
)
def test_pages_of_others_cannot_drive_the_interface(served: Served, origin: str) -> None:
    own = {"Origin": origin.format(served.host)} if origin else {}
    answer = served.ask(f"{served.at.path}ws", **own, **_UPGRADE)
    assert answer.status == 403
    assert "its own page only" in answer.text
    assert served.children() == []


def test_without_the_key_nothing_is_given(served: Served) -> None:
    assert served.ask("/").status == 403
    assert served.ask("/no-such-key/").status == 404
    own = {"Origin": f"http://{served.host}"} | _UPGRADE
    assert served.ask("/ws", **own).status == 404
    assert served.ask("/download/none").status == 404


def test_other_sites_cannot_frame_or_read_the_page(served: Served) -> None:
    answer = served.ask()
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-eval" not in policy
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    (nonce,) = re.findall(r"'nonce-([^']+)'", policy)
    assert f'nonce="{nonce}"' in answer.text
    refused = served.ask(Host="evil.example")
    assert "script-src 'none'" in refused.headers["Content-Security-Policy"]


def test_only_this_machine_can_reach_it(served: Served) -> None:
    listening = [
        each.laddr.ip
        for each in psutil.Process(served.process.pid).net_connections()
        if each.status == psutil.CONN_LISTEN
    ]
    assert listening == ["127.0.0.1"]


def test_the_door_knows_the_port_that_names_leave_out() -> None:
    assert Door(80).refusal("localhost", "http://localhost", drives=True) == ""
    assert Door(80).refusal("localhost:80", None) == ""
    assert Door(8000).refusal("localhost", None)


# --- how it begins and ends -----------------------------------------------------------------


def test_ctrl_c_ends_it_and_its_tabs_without_a_word(tmp_path: Path) -> None:
    with _serving(tmp_path / "x") as serving, serving.tab():
        behind = serving.children()
        assert len(behind) == 1
        assert serving.line == f"llprobe is at {serving.address} until Ctrl-C\n"
        assert serving.end() == (0, "")
        gone, alive = psutil.wait_procs(behind, _PATIENCE)
        assert (len(gone), alive) == (1, [])
        assert serving.left() == []


def test_a_tab_that_is_closed_ends_its_process(served: Served) -> None:
    with served.tab():
        behind = served.children()
        assert [each.cmdline()[-2:] for each in behind] == [["tui", "--demo"]]
    assert psutil.wait_procs(behind, _PATIENCE)[1] == []
    assert served.left() == []


def test_tabs_end_with_a_server_that_was_killed(tmp_path: Path) -> None:
    with _serving(tmp_path / "x") as serving, serving.tab():
        behind = serving.children()
        serving.process.kill()
        assert psutil.wait_procs(behind, _PATIENCE)[1] == []
        assert serving.left() == []


def test_a_tab_opens_the_database_that_was_named(tmp_path: Path) -> None:
    wanted = tmp_path / "it's here $HOME.db"
    with _serving(tmp_path / "x", "--db", str(wanted), "--theme", "light") as serving:
        assert "#fbfbf8" in serving.ask().text
        with serving.tab("Runs"):
            (behind,) = serving.children()
            assert behind.cmdline()[-4:] == ["--db", str(wanted), "--theme", "light"]


def test_the_command_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cli = Cli(tmp_path)
    assert "--web only" in cli("tui", "--port", "8000").line
    assert "needs a terminal" in cli("tui", LLPROBE_PORT="8000").line
    assert "65535" in cli("tui", "--web", "--port", "65536").line
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = cli("tui", "--web", "--port", port)
    assert said.code == 2
    assert f"port {port} is taken" in said.line
    assert "--port" in said.line
    for name in ("server", "tab"):
        monkeypatch.delitem(sys.modules, f"llprobe.tui.web.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "textual_serve", None)
    assert "pip install 'llprobe[web]'" in cli("tui", "--web").line


def test_a_port_that_may_not_be_had_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: tuple[str, int]) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket, "create_server", refuse)
    with pytest.raises(UsageError, match=r"port 80 cannot be used: Permission denied; .*--port"):
        listen(80)


# --- in a browser ---------------------------------------------------------------------------


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
        self.page.set_default_timeout(1000 * _PATIENCE)
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
    assert psutil.wait_procs(served.children(), _PATIENCE)[1] == []
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
