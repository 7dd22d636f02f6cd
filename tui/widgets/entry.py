"""A line to type into whose keys take effect in the order in which they were typed.

It knows nothing of what is typed.
"""

from __future__ import annotations

from textual.events import Key
from textual.widgets import Input

__all__ = ["Entry"]


class Entry(Input):
    """An Input that deletes and moves at once.

    Textual asks what such a key is for only after it went through all widgets up to the app: by
    then letters typed after it are written, and are deleted with the rest.
    """

    async def _on_key(self, event: Key) -> None:
        if event.is_printable:
            return
        for binding in self._bindings.key_to_bindings.get(event.key, ()):
            # some it has only to scroll, which it cannot: these are for what is around it
            if await self.app.run_action(binding.action, self):
                event.stop()
                event.prevent_default()
                return
