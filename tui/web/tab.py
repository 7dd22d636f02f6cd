"""The process behind a tab of a browser: started when the tab opens, ended when it is closed.

textual-serve knows what goes through the pipes. This module knows how the process begins and that
it ends. It does not know HTTP.
"""

from __future__ import annotations

import asyncio
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from typing import Any, Final

from aiohttp import WSMsgType, web
from textual_serve.app_service import AppService
from textual_serve.download_manager import DownloadManager

__all__ = ["Tab"]

_DRIVER: Final = "llprobe.tui.web.driver:TabDriver"
_OF_THE_SERVER: Final = ("LLPROBE_WEB", "LLPROBE_PORT")
"""What would make a tab's process another server."""
_PATIENCE: Final = 5.0
"""Seconds that a process has for ending before it is ended."""


class Tab(AppService):
    """A tab: its WebSocket, and the process that carries `argv` out for it."""

    def __init__(
        self, argv: Sequence[str], socket: web.WebSocketResponse, downloads: DownloadManager
    ) -> None:
        super().__init__(
            "",
            write_bytes=socket.send_bytes,
            write_str=socket.send_str,
            close=self.close,
            download_manager=downloads,
        )
        self._argv = tuple(argv)
        self._socket = socket

    async def close(self) -> None:
        """Close the WebSocket: the page says that the interface has ended."""
        await self._socket.close()

    def _build_environment(self, width: int = 80, height: int = 24) -> dict[str, str]:
        environment = super()._build_environment(width, height)
        environment["TEXTUAL_DRIVER"] = _DRIVER
        return {name: v for name, v in environment.items() if name not in _OF_THE_SERVER}

    async def _open_app_process(self, width: int = 80, height: int = 24) -> Process:
        """Start the process without a shell, and where Ctrl-C in the server's terminal is unheard.

        The server hears it, and asks the process to end.
        """
        self._process = await asyncio.create_subprocess_exec(
            *self._argv,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=self._build_environment(width, height),
            start_new_session=True,
        )
        self._stdin = self._process.stdin
        return self._process

    async def run(self) -> None:
        """Pass on what the process draws until it ends, of itself or not."""
        await super().run()
        await self.close()

    async def serve(self, width: int, height: int) -> None:
        """Begin with so many columns and rows, and do what the page asks for until it is closed."""
        await self.start(width, height)
        try:
            async for message in self._socket:
                if message.type == WSMsgType.TEXT:
                    await self._heard(message.json())
        finally:
            await self.stop()

    async def _heard(self, said: Any) -> None:
        match said:
            case ["stdin", str(keys)]:
                await self.send_bytes(keys.encode())
            case ["resize", {"width": int(width), "height": int(height)}]:
                await self.set_terminal_size(width, height)
            case ["ping", str(sent)]:
                await self._socket.send_json(["pong", sent])
            case ["focus"]:
                await self.focus()
            case ["blur"]:
                await self.blur()
            case _:
                pass  # a later textual-serve may say more

    async def stop(self) -> None:
        """Ask the process to end, and end it where it does not."""
        process, self._process = self._process, None
        if process is None:
            return
        try:
            async with asyncio.timeout(_PATIENCE):
                await super().stop()
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
