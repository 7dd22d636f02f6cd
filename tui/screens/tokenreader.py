"""The tokens of a page's items: read one after the other by a child process, kept while it is open.

This module knows threads and what is wanted. It does not know how tokens are read or shown.
"""

from __future__ import annotations

from collections.abc import Callable

from llprobe.children import Cancel
from llprobe.errors import LlprobeError
from llprobe.report.itemtokens import StoredTokens, stored_tokens
from llprobe.store import CellRecord

from ..page import Page

__all__ = ["TokenReader"]

Then = Callable[[LlprobeError | None], None]
"""Is told that what was wanted is there, or why it is not."""


class TokenReader:
    """Tokens by cell and item, for one page; the one that is wanted now is read."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._known: dict[tuple[str, str], StoredTokens] = {}
        self._wanted: tuple[str, str] | None = None
        self._cancel = Cancel()

    def get(self, cell: CellRecord, item: str, then: Then) -> StoredTokens | None:
        """Return an item's tokens; None where they are not known, and `then` is called later."""
        key = cell.id, item
        if key in self._known or key == self._wanted:
            return self._known.get(key)
        self.stop()
        self._wanted, self._cancel = key, Cancel()
        cancel, db = self._cancel, self._page.llprobe.db

        def read() -> StoredTokens | LlprobeError:
            try:
                return stored_tokens(db, cell, item, cancel)
            except LlprobeError as error:
                return error

        def got(found: StoredTokens | LlprobeError) -> None:
            if key != self._wanted:
                return  # another item is looked at by now
            self._wanted = None
            if isinstance(found, LlprobeError):
                then(found)
            else:
                self._known[key] = found
                then(None)

        self._page.ask(read, got, name="tokens")
        return None

    def stop(self) -> None:
        """End the child that reads for nobody any more."""
        self._wanted = None
        while self._cancel.requests < 2:  # the second time ends it at once
            self._cancel.request()
