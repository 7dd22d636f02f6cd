"""Stored cells -> tables of their options, the form in which they are analysed.

This module knows which scores make up a table. It does not know metrics.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from llprobe.analysis.options import OptionTable
from llprobe.store import CellRecord, OptionRow, Store
from llprobe.task.prior import PRIOR

__all__ = ["option_table", "repeated_questions", "tables"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

_LETTER: Final = re.compile(r"^[A-Z]\. ")
"""What stands before an option that a prompt lists."""


def tables(store: Store, run: str) -> Iterator[tuple[CellRecord, OptionTable]]:
    """Yield a run's cells that have scores, in its order, each with its options.

    Cells that hold priors are not yielded by themselves: their scores are `prior` of those they
    belong to. Nor are cells to which the model wrote answers.
    """
    for cell in store.cells(run):
        if cell.answer not in {PRIOR, "generate"} and cell.n_done:
            yield cell, option_table(store, cell)


def option_table(store: Store, cell: CellRecord, priors: bool = True) -> OptionTable:
    """Return all that is scored of a cell, in the task's order; no items where nothing is.

    `prior` is there where `priors` is asked for and every item has one. It is looked for in the
    whole store: the same model, lens, layers and settings decide it, not the run.
    """
    rows = store.option_rows(cell.id, priors=priors)
    choices = _parsed([row.choices for row in rows])
    questions = _questions(rows, choices, letters=cell.answer == "letter")
    sizes = np.array([len(each) for each in choices], np.int64)
    start = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
    return OptionTable(
        layers=cell.layers,
        ids=tuple(row.id for row in rows),
        groups=tuple(row.group for row in rows),
        clusters=_clusters([row.cluster for row in rows], questions),
        start=start,
        true=_true([row.correct for row in rows], start),
        best=start[:-1] + np.array([row.best for row in rows], np.int64),
        n_tokens=_flat([row.n_tokens for row in rows]),
        n_bytes=np.array([len(c.strip().encode()) for c in chain(*choices)], np.int64),
        logprob=_floats([row.logprob for row in rows], cell),
        prior=_prior(rows, cell),
        whole=cell.whole,
        questions=questions,
    )


def repeated_questions(table: OptionTable) -> str:
    """Say how many items ask what others ask; empty where none does."""
    if not table.n_repeats:
        return ""
    some = f"{table.n_repeats} question{'s' * (table.n_repeats > 1)}"
    return (
        f"{some} repeated word for word: what is asked twice counts once, {table.n_clusters} in all"
    )


def _parsed(texts: Sequence[str]) -> list[list[Any]]:
    """Parse many JSON lists at once."""
    found: list[list[Any]] = json.loads(f"[{','.join(texts)}]")
    return found


def _flat(texts: Sequence[str]) -> IntArray:
    return np.fromiter(chain.from_iterable(_parsed(texts)), np.int64)


def _true(texts: Sequence[str], start: IntArray) -> npt.NDArray[np.bool_]:
    correct = _parsed(texts)
    true = np.zeros(start[-1], bool)
    rows = np.repeat(start[:-1], np.array([len(each) for each in correct], np.int64))
    true[rows + np.fromiter(chain.from_iterable(correct), np.int64)] = True
    return true


def _questions(
    rows: Sequence[OptionRow], choices: Sequence[Sequence[str]], *, letters: bool
) -> IntArray | None:
    """Number the questions that rows ask, told by their texts; None where no two ask the same.

    In whatever order options stand. Where letters are scored, the prompt lists the options.
    """
    asked: dict[tuple[object, ...], int] = {}
    numbers = []
    for row, texts in zip(rows, choices, strict=True):
        lines = sorted(_LETTER.sub("", line) for line in row.prompt.splitlines())
        key = tuple(lines) if letters else (row.prompt, frozenset(texts))
        numbers.append(asked.setdefault(key, len(asked)))
    return None if len(asked) == len(rows) else np.array(numbers, np.int64)


def _clusters(names: Sequence[str], questions: IntArray | None) -> IntArray:
    """Number the clusters from 0; an item without a name is a cluster of its own.

    Clusters that hold the same question are one.
    """
    known: dict[str, int] = {}
    named = [known.setdefault(name or f"\0{i}", len(known)) for i, name in enumerate(names)]
    numbers = np.array(named, np.int64)
    return numbers if questions is None else _joined(numbers, questions)


def _joined(clusters: IntArray, questions: IntArray) -> IntArray:
    """Put clusters together that hold the same question, and those that these are together with."""
    from scipy.sparse import coo_array  # noqa: PLC0415 - slow to import
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415 - as above

    n_clusters = int(clusters.max()) + 1
    size = n_clusters + int(questions.max()) + 1
    edges = np.ones(len(clusters)), (clusters, n_clusters + questions)
    _, labels = connected_components(coo_array(edges, shape=(size, size)), directed=False)
    return np.asarray(labels[clusters], np.int64)


def _floats(blobs: Sequence[bytes], cell: CellRecord) -> FloatArray:
    return np.frombuffer(b"".join(blobs), "<f8").reshape(-1, len(cell.layers))


def _prior(rows: Sequence[OptionRow], cell: CellRecord) -> FloatArray | None:
    blobs = [row.prior for row in rows if row.prior and len(row.prior) == len(row.logprob)]
    return _floats(blobs, cell) if rows and len(blobs) == len(rows) else None
