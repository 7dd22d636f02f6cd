"""Reader of MGSM: grade school problems with a number as the answer; wrong options are made.

The hub's TSV files have no header and two columns (question, number), its other forms the fields
question and answer_number. The three wrong options are near misses, drawn by the question itself:
the same file gives the same options on every machine. All options stand in order of size.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from llprobe.task import Row, file_form, read_text, rows

from .draw import Draw
from .near_misses import near_misses

__all__ = ["read"]

_FIELDS = ("question", "answer_number")
_WHOLE = re.compile(r"-?[0-9]{1,3}(?:,?[0-9]{3})*(?:\.0*)?|-?[0-9]+(?:\.0*)?")


def read(path: str) -> Iterator[Row]:
    """Yield rows with question, choices (numbers as texts, ascending) and answer (one of them)."""
    for row in _rows(path):
        question, number = row.text("question").strip(), _number(row)
        wrong = near_misses(Draw(f"mgsm {question}"), number, "int")
        answer = str(number)
        yield row.having(
            question=question, choices=sorted([answer, *wrong], key=int), answer=answer
        )


def _rows(path: str) -> Iterator[Row]:
    bare = file_form(path) == "tsv" and not read_text(path).startswith("question\t")
    return _without_header(path) if bare else rows(path)


def _without_header(path: str) -> Iterator[Row]:
    lines = enumerate(read_text(path).split("\n"), start=1)
    filled = ((line, text.rstrip("\r")) for line, text in lines if text.strip())
    for number, (line, text) in enumerate(filled):
        row = Row(number, f"{path}, line {line}", {})
        cells = text.split("\t")
        if len(cells) != len(_FIELDS):
            raise row.error(f"{len(cells)} cells, a question and a number are needed")
        yield row.having(**dict(zip(_FIELDS, cells, strict=True)))


def _number(row: Row) -> Decimal:
    """Return the answer, a whole number that may be written as 1,080 or 18.0."""
    value = row.value("answer_number")
    text = "" if isinstance(value, bool) else str(value).strip()
    if not _WHOLE.fullmatch(text):
        raise row.error(f"the field 'answer_number' must be a whole number, not {value!r}")
    return Decimal(text.partition(".")[0].replace(",", ""))
