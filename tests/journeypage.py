"""A journey's stops as Markdown between two markers; nothing of this machine may be in it.

This module knows texts. It does not know how they came about.
"""

from __future__ import annotations

import re
import socket
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from journeydriver import Lost
from journeysteps import Stop

__all__ = ["END", "START", "cleaned", "leaks", "markdown", "private_words", "written"]

START: Final = "<!-- journey -->"
END: Final = "<!-- end journey -->"
_WIDTH: Final = 100
"""Characters of a line of text; screens keep theirs."""
_TOO_SHORT: Final = 2
"""Letters of a name that may be a word of its own, and tells nothing."""
_BLANK: Final = 2
"""Blank lines of a screen that are kept where more follow each other."""


def private_words(home: Path) -> list[str]:
    """Return what would tell of this machine and its user, besides the journey's own `home`."""
    root, own = Path(__file__).resolve().parents[1], Path.home()
    paths = [str(each) for each in (home, root, own, "/tmp")]  # noqa: S108 - it is looked for
    names = [each for each in (home.name, own.name, socket.gethostname()) if each != "root"]
    return [each for each in (*paths, *names) if len(each) > _TOO_SHORT]


def cleaned(lines: Iterable[str], home: Path) -> list[str]:
    """Return lines less trailing blanks and long gaps, with `~` for the home folder."""
    kept: list[str] = []
    gap = 0
    for line in lines:
        text = line.replace(str(home), "~").rstrip()
        gap = 0 if text else gap + 1
        if gap <= _BLANK:
            kept.append(text)
    while kept and not kept[-1]:
        kept.pop()
    return kept


def leaks(lines: Iterable[str], words: Sequence[str]) -> list[str]:
    """Return the lines in which one of the words stands, not as a part of another word."""
    found = [re.compile(rf"(?<!\w){re.escape(word)}(?!\w)") for word in words]
    return [line for line in lines if any(each.search(line) for each in found)]


def markdown(stops: Iterable[Stop], home: Path, words: Sequence[str]) -> str:
    """Return the stops as sections; raises Lost where a screen tells of this machine."""
    parts: list[str] = []
    for stop in stops:
        lines = cleaned(stop.lines, home)
        if told := leaks(lines, words):
            raise Lost(f"a screen tells of this machine ({stop.text}):\n" + "\n".join(told))
        title = [f"### {stop.title}"] if stop.title else []
        said = textwrap.fill(stop.text, _WIDTH, break_on_hyphens=False)
        parts += [*title, said, "\n".join(["```", *lines, "```"])]
    return "\n\n".join(parts)


def written(document: str, text: str) -> str:
    """Return a document with a text between its markers; raises Lost where it has none."""
    before, start, rest = document.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise Lost(f"no place for the journey: write {START} and {END} there")
    return f"{before}{START}\n\n{text}\n\n{END}{after}"
