"""Serves the interface to browsers on this machine, with textual-serve's page and protocol.

The page's address has a key in it, for others who use this machine can reach the port as well.
This module knows addresses and the processes behind tabs. It does not know what these show.
"""

from __future__ import annotations

import asyncio
import errno
import secrets
import socket
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Final
from urllib.parse import quote

import jinja2
import textual_serve
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from textual_serve.download_manager import DownloadManager

from llprobe.errors import UsageError

from ..themes import DARK, THEMES
from .door import ADDRESS, Door
from .tab import Tab

__all__ = ["Server", "listen", "serve"]

_STATIC: Final = Path(textual_serve.__file__).with_name("static")
_HEARTBEAT: Final = 15.0
"""Seconds after which a browser that has gone without a word is noticed."""
_CLOSING: Final = 2.0
"""Seconds that a browser has for closing a WebSocket."""
_KEY_BYTES: Final = 16
_LARGEST: Final = 1000
"""Columns or rows of a terminal."""


def listen(port: int) -> socket.socket:
    """Take a port of this machine, any free one for 0; raises UsageError where it cannot be had."""
    try:
        return socket.create_server((ADDRESS, port))
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        why = "is taken by another program" if taken else f"cannot be used: {error.strerror}"
        raise UsageError(f"port {port} {why}; choose another one with --port") from error


def serve(argv: Sequence[str], port: int, theme: str, say: Callable[[str], None]) -> None:
    """Serve until Ctrl-C; each tab of a browser is a process that carries `argv` out.

    `say` is told the address once it answers. Raises UsageError for a port that cannot be had.
    """
    with listen(port) as sock:
        server = Server(argv, sock.getsockname()[1], theme)
        say(server.address)
        web.run_app(server.application(), sock=sock, print=None, access_log=None)


class Server:
    """What is answered to which request on a port."""

    def __init__(self, argv: Sequence[str], port: int, theme: str = "") -> None:
        self.argv = tuple(argv)
        self.door = Door(port)
        self.key = secrets.token_urlsafe(_KEY_BYTES)
        self._theme = THEMES[theme or DARK.name]
        self._downloads = DownloadManager()
        self._tabs: set[Tab] = set()
        text = files(__package__).joinpath("page.html").read_text(encoding="utf-8")
        self._page = jinja2.Environment(autoescape=True).from_string(text)

    @property
    def address(self) -> str:
        """What to open in a browser."""
        return f"http://{ADDRESS}:{self.door.port}/{self.key}/"

    def application(self) -> web.Application:
        """Return the routes, behind the door."""
        app = web.Application(middlewares=[self._guard()])
        app.add_routes([
            web.get("/", self._keyless),
            web.get(f"/{self.key}/", self._index),
            web.get(f"/{self.key}/ws", self._socket),
            web.get("/download/{key}", self._download),
            web.static("/static", _STATIC),
        ])  # fmt: skip
        app.on_response_prepare.append(self._protect)
        app.on_shutdown.append(self._close_tabs)
        return app

    def _guard(self) -> Middleware:
        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            drives = request.path.endswith("/ws")
            why = self.door.refusal(request.host, request.headers.get("Origin"), drives=drives)
            if why:
                raise web.HTTPForbidden(text=why)
            return await handler(request)

        return guard

    async def _protect(self, _: web.Request, response: web.StreamResponse) -> None:
        for name, value in self.door.headers().items():
            response.headers.setdefault(name, value)

    async def _keyless(self, _: web.Request) -> web.StreamResponse:
        raise web.HTTPForbidden(text="open the whole address that `llprobe tui --web` has printed")

    async def _index(self, request: web.Request) -> web.StreamResponse:
        nonce = secrets.token_urlsafe(_KEY_BYTES)
        text = self._page.render(
            title="llprobe",
            background=self._theme.background,
            foreground=self._theme.foreground,
            socket=f"ws://{request.host}/{self.key}/ws",
            font_size=_number(request.query.get("fontsize", ""), 16, 6, 60),
            nonce=nonce,
        )
        headers = {**self.door.headers(nonce), "Cache-Control": "no-store"}
        return web.Response(text=text, content_type="text/html", headers=headers)

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        sock = web.WebSocketResponse(heartbeat=_HEARTBEAT, timeout=_CLOSING)
        await sock.prepare(request)
        tab = Tab(self.argv, sock, self._downloads)
        self._tabs.add(tab)
        try:
            size = (request.query.get(name, "") for name in ("width", "height"))
            width, height = (_number(text, 80, 1, _LARGEST) for text in size)
            await tab.serve(width, height)
        finally:
            self._tabs.discard(tab)
        return sock

    async def _close_tabs(self, _: web.Application) -> None:
        await asyncio.gather(*(tab.close() for tab in self._tabs))

    async def _download(self, request: web.Request) -> web.StreamResponse:
        """Give a file that the interface delivers; never to be opened as a page of this server."""
        key = request.match_info["key"]
        try:
            told = await self._downloads.get_download_metadata(key)
        except KeyError:
            raise web.HTTPNotFound(text="there is no such file any more") from None
        name = f"attachment; filename*=UTF-8''{quote(told.file_name)}"
        kind = told.mime_type or "application/octet-stream"
        response = web.StreamResponse(headers={"Content-Disposition": name, "Content-Type": kind})
        await response.prepare(request)
        async for chunk in self._downloads.download(key):
            await response.write(chunk)
        await response.write_eof()
        return response


def _number(text: str, default: int, least: int, most: int) -> int:
    """Read a number from an address, within bounds."""
    return max(least, min(int(text), most)) if text.isdecimal() else default
