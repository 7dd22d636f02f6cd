"""A Hugging Face hub of our own on 127.0.0.1, for the real `huggingface_hub` client.

It speaks what a download needs: a repository's listing with checksums, HEAD and GET of a file
through a redirect to another path, ETag, X-Repo-Commit, Content-Length, Range, 401 for gated and
404 for missing. It can cut a download off, and serve other bytes than it announces.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, ClassVar, Self

if TYPE_CHECKING:
    from types import TracebackType

COMMIT = "0123456789abcdef0123456789abcdef01234567"


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
        handler = type("Bound", (_Handler,), {"hub": self})
        # Two ports: the client takes files from another host than the hub, as in life.
        self._servers = [ThreadingHTTPServer(("127.0.0.1", 0), handler) for _ in range(2)]
        self.url, self.cdn = (f"http://127.0.0.1:{s.server_address[1]}" for s in self._servers)
        self._threads = [threading.Thread(target=s.serve_forever) for s in self._servers]

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
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/[^/]+)?", path):
            self.listing(match[1])
        elif match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/[^/]+/(.+)", path):
            self.file(match[1], match[2])
        elif match := re.fullmatch(r"/cdn/([^/]+/[^/]+)/(.+)", path):
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
        self.send(302, b"", headers)

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
