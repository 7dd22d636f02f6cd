"""Colours: a dark and a light theme, one for the colour-blind, one without colours.

Meaning is never in a colour alone, so every theme shows the same. This module knows colours only.
"""

from __future__ import annotations

from typing import Final

from textual.theme import Theme

__all__ = ["DARK", "LIGHT", "MONO", "SAFE", "THEMES"]


def _marked(background: str, text: str) -> dict[str, str]:
    """Return what shows where the cursor is: the same on tables, lists and buttons."""
    return {
        "block-cursor-background": background,
        "block-cursor-foreground": text,
        "block-cursor-text-style": "bold",
    }


DARK: Final = Theme(
    name="dark",
    primary="#5fafd7",
    secondary="#8787d7",
    accent="#ffaf5f",
    foreground="#e4e4e4",
    background="#121417",
    surface="#1a1d21",
    panel="#262b31",
    success="#5fd787",
    warning="#ffd75f",
    error="#ff6b6b",
    dark=True,
    variables=_marked("#5fafd7", "#000000"),
)
LIGHT: Final = Theme(
    name="light",
    primary="#005f87",
    secondary="#5f3b8c",
    accent="#9a4a00",
    foreground="#1c1c1c",
    background="#fbfbf8",
    surface="#f2f2ec",
    panel="#dfe3e6",
    success="#00692a",
    warning="#7a5600",
    error="#b3001b",
    dark=False,
    variables=_marked("#005f87", "#ffffff"),
)
SAFE: Final = Theme(  # the palette of Okabe and Ito (2008), which no common blindness confuses
    name="colour-blind",
    primary="#56b4e9",
    secondary="#cc79a7",
    accent="#e69f00",
    foreground="#f0f0f0",
    background="#101010",
    surface="#1a1a1a",
    panel="#2a2a2a",
    success="#009e73",
    warning="#f0e442",
    error="#d55e00",
    dark=True,
    variables=_marked("#56b4e9", "#000000"),
)
MONO: Final = Theme(
    name="mono",
    primary="#c8c8c8",
    secondary="#a8a8a8",
    accent="#ffffff",
    foreground="#e8e8e8",
    background="#000000",
    surface="#101010",
    panel="#303030",
    success="#d8d8d8",
    warning="#d8d8d8",
    error="#ffffff",
    dark=True,
    variables=_marked("#e0e0e0", "#000000"),
)

THEMES: Final = {theme.name: theme for theme in (DARK, LIGHT, SAFE, MONO)}
"""The themes by name; the first is the default."""
