"""Pictures of screens as small SVG files, and what has changed between two of them, in words.

Rich writes an element for every few characters, with a frame around them; here those that continue
each other are one, and nothing refers to a font of the network. This module knows Rich's SVG. It
does not know what is pictured.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import unified_diff
from html import unescape
from typing import Any, Final

from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

__all__ = ["Picture", "lean", "lines_of", "told_apart"]

_TEXT: Final = re.compile(
    r'<text class="(?P<kind>[^"]+)" x="(?P<x>[\d.]+)" y="(?P<y>[\d.]+)" '
    r'textLength="(?P<width>[\d.]+)" clip-path="[^"]+">(?P<said>[^<]*)</text>'
)
_RECT: Final = re.compile(
    r'<rect fill="(?P<kind>[^"]+)" x="(?P<x>[\d.]+)" y="(?P<y>[\d.]+)" '
    r'width="(?P<width>[\d.]+)" height="(?P<height>[\d.]+)" shape-rendering="crispEdges"/>'
)
_FONTS: Final = re.compile(r"@font-face \{.*?\n    \}\n", re.DOTALL)
_LINE_CLIPS: Final = re.compile(r'<clipPath id="[^"]*-line-\d+">.*?</clipPath>\n?', re.DOTALL)
_UNIQUE: Final = re.compile(r"\bterminal-\d+-([\w-]+)")
_WIDTH: Final = 12.2
"""Of a character."""


@dataclass
class _Run:
    """Neighbours of one kind on one line."""

    kind: str
    x: float
    y: str
    width: float
    said: str = ""
    height: str = ""

    def joins(self, other: "_Run") -> bool:
        """Whether the other one continues this one."""
        return (self.kind, self.y) == (other.kind, other.y) and (
            abs(self.x + self.width - other.x) < 0.1
        )


class Picture(SingleFileSnapshotExtension):
    """Keeps each picture in a file of its own that a browser shows."""

    _file_extension = "svg"
    _write_mode = WriteMode.TEXT


def lean(svg: str) -> str:
    """Return an SVG of Rich's with the same look, the same in every process, and much smaller."""
    svg = _UNIQUE.sub(r"terminal-\1", _LINE_CLIPS.sub("", _FONTS.sub("", svg)))
    svg = svg.replace("Fira Code, monospace", "monospace")
    for pattern, write in ((_RECT, _rect), (_TEXT, _text)):
        found = list(pattern.finditer(svg))
        if found:
            start, end = found[0].start(), found[-1].end()
            runs = "\n".join(write(run) for run in _joined(found))
            svg = f"{svg[:start]}{runs}\n{pattern.sub('', svg[start:end]).strip()}{svg[end:]}"
    lines = (line.strip() for line in svg.splitlines())
    return "\n".join(filter(None, lines)) + "\n"


def _joined(found: list[re.Match[str]]) -> Iterator[_Run]:
    """Yield runs of neighbours of one kind."""
    before: _Run | None = None
    for match in found:
        of: dict[str, Any] = match.groupdict()
        run = _Run(**of | {"x": float(of["x"]), "width": float(of["width"])})
        if before is not None and before.joins(run):
            before.width += run.width
            before.said += run.said
            continue
        if before is not None:
            yield before
        before = run
    if before is not None:
        yield before


def _rect(run: _Run) -> str:
    return (
        f'<rect fill="{run.kind}" x="{run.x:g}" y="{run.y}" width="{run.width:g}" '
        f'height="{run.height}" shape-rendering="crispEdges"/>'
    )


def _text(run: _Run) -> str:
    return (
        f'<text class="{run.kind}" x="{run.x:g}" y="{run.y}" textLength="{run.width:g}">'
        f"{run.said}</text>"
    )


def lines_of(svg: str) -> list[str]:
    """Return what can be read in a lean picture, line by line."""
    rows: dict[float, str] = {}
    pattern = re.compile(
        r'<text class="[^"]+" x="([\d.]+)" y="([\d.]+)" textLength="[\d.]+">([^<]*)<'
    )
    for x, y, said in pattern.findall(svg):
        row = rows.get(float(y), "")
        rows[float(y)] = f"{row:<{round(float(x) / _WIDTH)}}{unescape(said)}"
    return [rows[y].replace("\xa0", " ").rstrip() for y in sorted(rows)]


def told_apart(name: str, before: str | None, now: str, kept: str) -> str:
    """Say how the picture of `name` differs from the one before, and what to do."""
    again = "look at it, and take it over with: pytest tests/tui/test_gallery.py --snapshot-update"
    if before is None:
        return f"{name}: there is no picture yet; {kept} is how it looks now: {again}"
    changes = list(unified_diff(lines_of(before), lines_of(now), "before", "now", lineterm="", n=0))
    said = "\n".join(changes) or "all texts are the same: colours, styles or places differ"
    return f"{name} looks different; {kept} is how it looks now: {again}\n{said}"
