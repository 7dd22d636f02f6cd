"""Reader of LAMA/mLAMA cloze facts: the paper's table, or mLAMA's triples, told by the content.

The paper's table is tab separated, with the candidates in one cell. Columns: Prompt, Ans,
Candidate Ans (comma separated, the answer among them, as a rule last). A wrong candidate with a
comma of its own cannot be told from two. mLAMA's own form (JSON Lines, JSON, TSV or Parquet) is
triples and a template, see triples.py.
"""

from __future__ import annotations

from collections.abc import Iterator

from llprobe.task import Row, delimited, file_form, read_text

from .triples import TRIPLE, triple_rows

__all__ = ["read"]

_COLUMNS = ("Prompt", "Ans", "Candidate Ans")


def read(path: str) -> Iterator[Row]:
    """Yield rows with question, answer, choices (the answer first), relation and predicate."""
    return triple_rows(path) if _holds_triples(path) else _table(path)


def _holds_triples(path: str) -> bool:
    if file_form(path) not in {"csv", "tsv"}:
        return True
    header = read_text(path).partition("\n")[0].rstrip("\r").split("\t")
    return set(TRIPLE) <= set(header)


def _table(path: str) -> Iterator[Row]:
    for row in delimited(path, "\t", _COLUMNS, quoted=False):
        question, answer, candidates = (row.text(column).strip() for column in _COLUMNS)
        choices = [answer, *_wrong(candidates, answer)]
        yield row.having(
            question=question, answer=answer, choices=choices, relation="", predicate=""
        )


def _wrong(candidates: str, answer: str) -> list[str]:
    """Return the candidates other than the answer, which may hold a comma itself."""
    others = candidates.removesuffix(answer) if answer else candidates
    pieces = (piece.strip() for piece in others.split(","))
    return [piece for piece in pieces if piece and piece != answer]
