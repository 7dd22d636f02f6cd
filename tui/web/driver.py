"""How the process of a browser's tab is drawn and driven: through the pipes to its server.

This module knows the pipes. It does not know the interface.
"""

from __future__ import annotations

from contextlib import suppress

from textual.drivers.web_driver import WebDriver
from textual.events import AppFocus
from textual.messages import ExitApp

__all__ = ["TabDriver"]


class TabDriver(WebDriver):
    """Textual's driver for the web, with the manners of a terminal."""

    def start_application_mode(self) -> None:
        """Begin with the focus: the page gives it to the terminal, and says so too early."""
        super().start_application_mode()
        self._app.call_later(self._app.post_message, AppFocus())

    def stop_application_mode(self) -> None:
        """Say that this ends, unless the server has died: then there is nobody to say it to."""
        with suppress(BrokenPipeError):
            super().stop_application_mode()

    def run_input_thread(self) -> None:
        """Read what the browser sends; end with the server, which may die without a word."""
        super().run_input_thread()
        if not self.exit_event.is_set():
            self._app.post_message(ExitApp())
