"""What a `LensGrid` says, as rows and as the texts of its cells.

This module knows what the worker found. It does not know how a grid is drawn.
"""

from __future__ import annotations

from typing import Any, Final

from llprobe.events import LensGrid

__all__ = ["lens_rows", "visible"]

_PICTURES: Final = {chr(code): chr(0x2400 + code) for code in range(32)}


def lens_rows(grid: LensGrid) -> list[dict[str, Any]]:
    """Return a record of every cell: layer by layer, token by token."""
    return [
        {
            "layer": layer,
            "position": position,
            "token": token,
            "top": [{"token": text, "p": p} for text, p in grid.top[i][position]],
            "entropy_bits": float(grid.entropy[i, position]),
            "rank": {word: int(ranks[i, position]) for word, ranks in grid.ranks.items()},
        }
        for i, layer in enumerate(grid.layers)
        for position, token in enumerate(grid.tokens)
    ]


def visible(text: str, width: int) -> str:
    """Return a token's text in one line of at most `width` characters.

    Its spaces and control characters are to be seen.
    """
    shown = text.replace("\n", "⏎").replace("\t", "⇥").replace(" ", "·")
    shown = "".join(c if c.isprintable() else _PICTURES.get(c, "\ufffd") for c in shown)
    return shown if len(shown) <= width else shown[: width - 1] + "…"
