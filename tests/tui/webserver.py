"""What the tests of the interface in a browser share: a real server on the bundled example."""

import http.client
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from clihelp import Cli

__all__ = ["PATIENCE", "UPGRADE", "Answer", "Served", "serving_at"]

UPGRADE = {
    "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}  # fmt: skip
PATIENCE = 60
"""Seconds after which a test has failed."""


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
            "127.0.0.1", int(self.at.port or 0), timeout=PATIENCE
        )
        with closing(connection):
            connection.request("GET", path or self.at.path, headers={"Host": self.host} | headers)
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read().decode())

    @contextmanager
    def tab(self, until: str = "calculation") -> Iterator[None]:
        """Open a tab as a browser does, and wait for a word on it."""
        with socket.create_connection(("127.0.0.1", int(self.at.port or 0)), PATIENCE) as sock:
            lines = [f"GET {self.at.path}ws?width=80&height=24 HTTP/1.1", f"Host: {self.host}"]
            own = {"Origin": f"http://{self.host}"} | UPGRADE
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
        said, also = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, said + also


@contextmanager
def serving_at(folder: Path, *more: str, **env: str) -> Iterator[Served]:
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
