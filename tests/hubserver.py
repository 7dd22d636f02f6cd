"""A Hugging Face hub of our own on 127.0.0.1, for the real `huggingface_hub` client.

A data set's repository is named with `datasets/` in front, as in its address.

It speaks what a download needs: a repository's listing with checksums, HEAD and GET of a file
through a redirect to another path, ETag, X-Repo-Commit, Content-Length, Range, 401 for gated and
404 for missing. It can cut a download off, and serve other bytes than it announces.

A `Client` is a process with that client in it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NAME = "(?:datasets/)?[^/]+/[^/]+"


@dataclass
class Repo:
    files: dict[str, bytes]
    gated: bool = False
    token: str = "hf_right"  # noqa: S105  # a made-up one
    served: dict[str, bytes] = field(default_factory=dict)
    """Where what is sent differs from what is announced."""


class Hub:
    """A running server: `with Hub({"owner/name": Repo({...})}) as hub: ... hub.url`."""

    def __init__(self, repos: dict[str, Repo]) -> None:
        self.repos = repos
        self.log: list[tuple[str, str, str | None]] = []  # method, path, Range
        self.cut_after: int | None = None  # bytes after which the next GET of a file is cut off
        self.fail_with: int | None = None  # a status that every listing is answered with
        self.page: bytes | None = None  # what every address is answered with
        self.headers = dict[str, str]()  # of answers to files, in place of the right ones
        handler = type("Bound", (_Handler,), {"hub": self})
        # Two ports: the client takes files from another host than the hub, as in life.
        self._servers = [ThreadingHTTPServer(("127.0.0.1", 0), handler) for _ in range(2)]
        self.url, self.cdn = (f"http://127.0.0.1:{s.server_address[1]}" for s in self._servers)
        self._threads = [
            threading.Thread(target=s.serve_forever, args=(0.01,)) for s in self._servers
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        for server, thread in zip(self._servers, self._threads, strict=True):
            server.shutdown()
            server.server_close()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: ClassVar[Hub]
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        """Stay silent; the hub keeps its own log."""

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        path = self.path.split("?", 1)[0]
        self.hub.log.append((self.command, path, self.headers.get("Range")))
        if self.hub.page is not None:
            self.send(200, self.hub.page, {"Content-Type": "application/json"})
        elif match := re.fullmatch(rf"/api/(?:models/)?({NAME})(?:/revision/[^/]+)?", path):
            self.listing(match[1])
        elif match := re.fullmatch(rf"/({NAME})/resolve/[^/]+/(.+)", path):
            self.file(match[1], match[2])
        elif match := re.fullmatch(rf"/cdn/({NAME})/(.+)", path):
            self.content(match[1], match[2], body=body)
        else:
            self.refuse(404, "EntryNotFound")

    def repo(self, name: str, *, listing: bool = False) -> Repo | None:
        """Return the repository, or refuse; a gated one can be listed by anybody."""
        repo = self.hub.repos.get(name)
        if repo is None:
            self.refuse(401, "RepoNotFound")  # as the hub does, lest names of private ones leak
            return None
        sent = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if repo.gated and not listing and sent != repo.token:
            self.refuse(403 if sent else 401, "GatedRepo")
            return None
        return repo

    def listing(self, name: str) -> None:
        if self.hub.fail_with:
            self.refuse(self.hub.fail_with, "Broken")
            return
        repo = self.repo(name, listing=True)
        if repo is None:
            return
        siblings = [
            {
                "rfilename": file,
                "size": len(data),
                "blobId": hashlib.sha1(data, usedforsecurity=False).hexdigest(),
                "lfs": {"sha256": _sha(data), "size": len(data), "pointerSize": 134},
            }
            for file, data in repo.files.items()
        ]
        reply = {"id": name, "modelId": name, "sha": COMMIT, "private": False, "siblings": siblings}
        self.send(200, json.dumps(reply).encode(), {"Content-Type": "application/json"})

    def file(self, name: str, file: str) -> None:
        repo = self.repo(name)
        if repo is None:
            return
        if file not in repo.files:
            self.refuse(404, "EntryNotFound")
            return
        data = repo.files[file]
        headers = {
            "Location": f"{self.hub.cdn}/cdn/{name}/{file}",
            "X-Repo-Commit": COMMIT,
            "X-Linked-Etag": f'"{_sha(data)}"',
            "X-Linked-Size": str(len(data)),
            "ETag": f'"{_sha(data)}"',
        }
        self.send(302, b"", headers | self.hub.headers)

    def content(self, name: str, file: str, *, body: bool) -> None:
        repo = self.hub.repos[name]
        data = repo.served.get(file, repo.files[file])
        headers = {"ETag": f'"{_sha(data)}"', "Accept-Ranges": "bytes"}
        start, status = 0, 200
        if match := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or ""):
            start, status = int(match[1]), 206
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        cut, self.hub.cut_after = (self.hub.cut_after, None) if body else (None, self.hub.cut_after)
        self.send(status, data[start:], headers, cut=cut)

    def refuse(self, status: int, code: str) -> None:
        self.send(status, b"", {"X-Error-Code": code, "X-Error-Message": f"{code} (test)"})

    def send(
        self, status: int, data: bytes, headers: dict[str, str], cut: int | None = None
    ) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data[:cut])
        if cut is not None:
            self.close_connection = True


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


CLIENT = """
import json, os, sys
from llprobe.errors import LlprobeError
from llprobe.fetch import fetch
from llprobe.model import remove, resolve
for line in sys.stdin:
    code, env = json.loads(line)
    os.environ.update(env)
    seen, out = [], {}
    note = lambda done, total: seen.append((done, total))
    try:
        exec(code)
    except LlprobeError as error:
        out["error"] = f"{type(error).__name__}: {error}"
    for key in env:
        del os.environ[key]
    print(json.dumps({**out, "seen": seen}, default=str), flush=True)
"""


class Client:
    """A process whose hub is `url`: huggingface_hub reads its settings once, at import."""

    def __init__(self, folder: Path, url: str, **env: str) -> None:
        settings = {
            "HF_ENDPOINT": url,
            "HF_HOME": str(folder / "hf"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_IMPLICIT_TOKEN": "0",
            "LLPROBE_CACHE": str(folder / "cache"),
            "NO_PROXY": "127.0.0.1",
        }
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
        log = folder / f"stderr-{len(list(folder.glob('stderr-*')))}"
        with log.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "error", "-c", CLIENT],
                env={**clean, **settings, **env},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self.errors = log.open()  # opened anew: a shared one would stand behind what is written

    def run(self, code: str, **env: str) -> dict[str, Any]:
        """Run code and return what it put into `out` and `seen`, and what went to stderr."""
        process = self.process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps([code, env]) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        said = self.errors.read()
        assert line, said
        return {**json.loads(line), "stderr": said}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.process.communicate()
        self.errors.close()
        assert self.process.returncode == 0
