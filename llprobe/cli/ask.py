"""`llprobe ask`: the paper's open questions, answered from stored runs.

This module knows how a verdict is printed. What it is, is `report`'s to say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.text import Text

from llprobe.cli.compare import at_least, p_value, signed
from llprobe.cli.options import Db, Format, FormatOption, Output, database
from llprobe.cli.output import Column, draw, drawn, emit, escape_md, percent, write
from llprobe.store import Store

if TYPE_CHECKING:
    from llprobe.report.ask import Verdict

__all__ = ["ask"]

Asked = Annotated[
    str,
    typer.Argument(
        metavar="QUESTION",
        help="penultimate, onset, lower-layers, int-vs-float, cross-lingual or threshold.",
    ),
]
Runs = Annotated[
    list[str] | None, typer.Argument(metavar="[RUN]...", help="Runs; default: the last one.")
]


def ask(
    question: Asked,
    runs: Runs = None,
    db: Db = None,
    form: FormatOption = Format.TABLE,
    output: Output = None,
) -> None:
    """Answer one of the paper's questions: a verdict, and the numbers that carry it."""
    from llprobe.report.ask import ask_runs  # noqa: PLC0415 - slow to import

    with Store(database(db), create=False) as store:
        verdict = ask_runs(store, question, runs or ["last"])
    if form in {Format.TABLE, Format.MD}:
        write(_text(verdict, form, output), output)
    elif form is Format.JSON:
        record = {
            "question": verdict.question,
            "answer": verdict.answer,
            "words": verdict.words,
            "rows": list(verdict.rows),
        }
        emit([record], (), form, output)
    else:
        emit(verdict.rows, (), form, output)


def _text(verdict: Verdict, form: Format, output: Path | None) -> str:
    table = drawn(verdict.rows, _columns(verdict.rows), form, output)
    if form is Format.MD:
        return f"**{verdict.question}**\n\n{escape_md(_capital(verdict))}\n\n{table}"
    said = Text(verdict.question, style="bold"), Text(_capital(verdict))
    return f"{draw(*said, plain=output is not None)}\n{table}"


def _capital(verdict: Verdict) -> str:
    """Begin with the answer, unless the words do."""
    told = verdict.words.lower().startswith((verdict.answer, "these data cannot"))
    return verdict.words if told else f"{verdict.answer.capitalize()}. {verdict.words}"


_HEADS: Final = {
    "model": "model", "lens": "lens", "answer_format": "answer", "ablation": "left out",
    "shots": "shots", "seed": "seed",
}  # fmt: skip


def _ends(low: str, high: str, show: Callable[[Any], str]) -> Callable[[dict[str, Any]], str]:
    """Return how a row's interval reads."""

    def said(row: dict[str, Any]) -> str:
        ends = [row.get(low), row.get(high)]
        return (
            "–"
            if ends == [None, None]
            else " to ".join("?" if e is None else show(e) for e in ends)
        )

    return said


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,}"


def _depth(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


_SHOWN: Final[dict[str, tuple[str, Callable[[Any], str]]]] = {
    "pair": ("pair", str),
    "items": ("items", _number),
    "sizes": ("sizes", _number),
    "layer": ("layer", _number),
    "layers": ("layers", str),
    "onset": ("onset", _number),
    "penultimate": ("last-1", percent),
    "last": ("last", percent),
    "int": ("whole", percent),
    "float": ("decimal", percent),
    "accuracy_a": ("first", percent),
    "accuracy_b": ("second", percent),
    "accuracy": ("accuracy", percent),
    "baseline": ("baseline", percent),
    "difference": ("difference", signed),
    "interval": ("95% interval", str),
    "step": ("best step", lambda v: "–" if v is None else signed(v)),
    "depth": ("depth", _depth),
    "p_adjusted": ("p", p_value),
    "detectable": ("can see", at_least),
    "parts_at": ("apart from", _number),
}  # fmt: skip


_TESTS: Final = {"interval", "p_adjusted", "detectable", "parts_at"}
"""What goes together to a second table where the screen is too narrow."""


def _columns(rows: Sequence[dict[str, Any]]) -> list[Column]:
    """Columns that these rows have, those that are the same in all left out."""
    show = signed if any("difference" in row for row in rows) else str
    for row in rows:
        if "low" in row:
            row["interval"] = _ends("low", "high", show)(row)
    heads = [Column("task", "task", head=True)]
    heads += [
        Column(key, heading, head=True)
        for key, heading in _HEADS.items()
        if len({row.get(key) for row in rows}) > 1
    ]
    shown = [
        Column(key, heading, say, right=key != "pair", head=key == "pair", apart=key in _TESTS)
        for key, (heading, say) in _SHOWN.items()
        if any(key in row for row in rows)
    ]
    note = [Column("note", "note", wraps=True)] if any(row.get("note") for row in rows) else []
    return heads + shown + note
