"""A report as Markdown for a repository: the same tables and findings, without single questions.

All texts from models, tasks and commands are escaped. This module knows Markdown. It does not
know where numbers came from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from llprobe.page.data import CellView, Page
from llprobe.page.findings import findings
from llprobe.page.rows import common, headings, summary_rows
from llprobe.page.words import READING, methods
from llprobe.printable import printable

__all__ = ["code_block", "escape", "table", "to_markdown"]

_SPECIAL = re.compile(r"([\\`*\[\]<>|~&$#!]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|:(?=//)|@(?=\w))")
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;", "@": "&#64;", "|": "&#124;"}
_LINE_START = re.compile(r"^(\s*)([-+=]|\d+(?=[.)]))")
_RIGHT = ("items", "chance", "baseline", "best", "at layer", "last", "onset")


def to_markdown(page: Page) -> str:
    """Return the report as a Markdown document."""
    parts = [
        f"# {escape(page.title)}\n",
        f"llprobe {escape(page.version)}, {page.made[:16].replace('T', ' ')} UTC.\n",
        *_notes(page),
        *_summary(page),
        *_written(page),
        "## How to read it\n",
        *(f"{paragraph}\n" for paragraph in map(_prose, READING)),
        "## Methods\n",
        *(f"{paragraph}\n" for paragraph in map(_prose, _methods(page))),
        *_made(page),
    ]
    return printable("\n".join(parts))


def escape(text: str) -> str:
    """Return a text that reads as itself in Markdown, in a table too, on one line."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    line = _SPECIAL.sub(lambda found: _ENTITIES.get(found[0], "\\" + found[0]), line)
    return _LINE_START.sub(r"\1\\\2", line) if not line[:1].isdigit() else _numbered(line)


def _numbered(line: str) -> str:
    """Keep `1. text` from becoming a list."""
    return re.sub(r"^(\d+)([.)])(?=\s|$)", r"\1\\\2", line)


def _prose(text: str) -> str:
    """Return a paragraph of our own, in which only commands are marked."""
    return text.replace("*", r"\*").replace("<", "&lt;")


def code_block(text: str) -> str:
    """Return a text as a code block, between a fence that is longer than any in it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text.rstrip()}\n{fence}\n"


def table(names: Sequence[str], right: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; the texts are escaped here."""
    chosen = set(right)
    lines = [names, *rows]
    ruled = ["| " + " | ".join(escape(text) for text in line) + " |" for line in lines]
    ruled.insert(1, "|" + "|".join(" ---: " if n in chosen else " --- " for n in names) + "|")
    return "\n".join(ruled) + "\n"


def _notes(page: Page) -> Iterator[str]:
    """What a person says of the runs: tags, and the note as a quotation."""
    for run in (view.record for view in page.runs if view.record.marked):
        tags = f" ({escape(', '.join(run.tags))})" if run.tags else ""
        yield f"**{escape(run.name or run.id[:8])}**{tags}\n"
        if run.note:
            # two spaces break a line
            yield "".join(f"> {escape(line)}  \n" for line in run.note.splitlines())


def _summary(page: Page) -> Iterator[str]:
    if not page.cells:
        return
    names = headings(page)
    yield "## Summary\n"
    of = f" of {escape(common(page))}" if common(page) else ""
    yield f"Accuracy (MC1){of} in %; the curve from the first layer to the last, 0 to 100%.\n"
    rows = summary_rows(page)
    yield table(names, _RIGHT, [[row[name].text for name in names] for row in rows])
    yield "## Findings\n"
    for name, said in findings(page):
        yield f"**{escape(name)}**\n"
        yield "".join(f"- {escape(one)}\n" for one in said)
    yield "## Layer by layer\n"
    yield "<details><summary>Accuracy (MC1) in % at every layer</summary>\n"
    yield _layers(page.cells)
    yield "</details>\n"


def _layers(views: Sequence[CellView]) -> str:
    """Every curve, a column each and a row per layer."""
    names = ["layer", *(view.full for view in views)]
    known = [_by_layer(view) for view in views]
    rows = [
        [str(layer), *(of.get(layer, "–") for of in known)]
        for layer in sorted({layer for view in views for layer in view.cell.layers})
    ]
    return table(names, names, rows)


def _by_layer(view: CellView) -> dict[int, str]:
    means = view.curves["mc1"].mean
    return {
        layer: f"{100 * float(mean):.1f}"
        for layer, mean in zip(view.cell.layers, means, strict=True)
    }


def _written(page: Page) -> Iterator[str]:
    if not page.written:
        return
    names = ("task", "model", "items", "exact", "number", "tokens each", "cut off")
    yield "## Written answers\n"
    yield "Greedy decoding from the last layer, right in %.\n"
    yield table(names, names[2:], [
        [
            view.task, view.model, str(view.items), f"{100 * view.exact:.1f}",
            "–" if view.numeric is None else f"{100 * view.numeric:.1f}",
            f"{view.tokens:.1f}", str(view.unfinished),
        ]
        for view in page.written
    ])  # fmt: skip


def _methods(page: Page) -> tuple[str, ...]:
    return methods(
        (view.cell.lens for view in page.cells),
        (name for view in page.cells[:1] for name in view.curves if name == "mc1"),
    )


def _made(page: Page) -> Iterator[str]:
    yield "## How it was made\n"
    for run in page.runs:
        record = run.record
        name = escape(record.name or record.id[:8])
        yield f"**{name}** ({record.id}, {record.status}, {record.created[:10]}):\n"
        yield code_block(record.command)
        if run.spec:
            yield code_block(run.spec)
    names = ("model", "architecture", "quantisation", "bits per weight", "layers", "fingerprint")
    yield table(names, names[3:5], [
        [
            model.name, model.architecture, model.quant, f"{model.bits_per_weight:.2f}",
            str(model.n_layers), model.fingerprint[:12],
        ]
        for model in page.models
    ])  # fmt: skip
    yield table(("setting", "value"), (), [*page.versions.items(), *page.settings.items()])
    if page.remarks:
        yield "## Remarks\n"
        yield "".join(f"- {escape(remark)}\n" for remark in page.remarks)
