"""The paper's open questions as ready analyses: a verdict in words with the numbers behind it.

This package knows which questions there are. Each module answers one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from llprobe.errors import UnknownName, UsageError
from llprobe.published import is_published
from llprobe.report.ask import (
    cross_lingual,
    int_vs_float,
    lower_layers,
    onset,
    penultimate,
    threshold,
)
from llprobe.report.ask.verdict import Verdict
from llprobe.report.missing import unfinished, unscored, without_last_layer
from llprobe.report.pairing import Side, sides
from llprobe.report.tables import repeated_questions
from llprobe.store import CellRecord, Store

__all__ = ["QUESTIONS", "Verdict", "ask_runs"]


@dataclass(frozen=True, slots=True)
class Asking:
    """How a question is answered, and of which cells."""

    answer: Callable[[Sequence[Side]], Verdict]
    tasks: tuple[str, ...] = ()
    """The tasks that it is about; empty for all."""
    ends: bool = False
    """Whether it takes the last layer that was scored for the last one of the model."""


QUESTIONS: Final[Mapping[str, Asking]] = MappingProxyType({
    "penultimate": Asking(penultimate.ask),
    "onset": Asking(onset.ask, ends=True),
    "lower-layers": Asking(lower_layers.ask),
    "int-vs-float": Asking(int_vs_float.ask, int_vs_float.TASKS, ends=True),
    "cross-lingual": Asking(cross_lingual.ask, cross_lingual.TASKS, ends=True),
    "threshold": Asking(threshold.ask),
})  # fmt: skip


def ask_runs(store: Store, question: str, names: Sequence[str]) -> Verdict:
    """Answer one of `QUESTIONS` from all cells of the runs named; say which of them it lacks.

    Raises UnknownName for another question or run, and UsageError where the runs lack what it
    needs; the message says which command makes it.
    """
    if question not in QUESTIONS:
        raise UnknownName("question", question, QUESTIONS)
    if any(map(is_published, names)):
        raise UsageError("published tables have no items to ask; see `llprobe compare`")
    asking, runs = QUESTIONS[question], [store.find_run(name) for name in names]
    planned = {cell.id: cell for run in runs for cell in store.cells(run)}
    cells = [c for c in planned.values() if not asking.tasks or c.task in asking.tasks]
    scored = list({side.cell.id: side for run in runs for side in sides(store, run)}.values())
    asked = [side for side in scored if not asking.tasks or side.cell.task in asking.tasks]
    lacking = unscored(cells)
    if not scored or (lacking and not asked):
        why = f": {lacking}" if lacking else ""
        raise UsageError(f"{' and '.join(names)}: nothing is scored{why}")
    verdict = asking.answer(scored)
    words = [verdict.words, *_repeated(asked), *_missing(cells, asked if asking.ends else [])]
    return replace(verdict, words=" ".join(words))


def _repeated(asked: Sequence[Side]) -> Iterator[str]:
    """Yield sentences on the tasks in which questions are asked more than once."""
    tables = {side.cell.task: side.table for side in asked if side.table.n_repeats}
    yield from (f"{task}: {repeated_questions(table)}." for task, table in tables.items())


def _missing(cells: Sequence[CellRecord], ends: Sequence[Side]) -> Iterator[str]:
    """Yield sentences on what an answer does not speak of; `ends` are sides that must have ends."""
    for what, texts in (
        ("Not in this answer", unscored(cells)),
        ("Only partly in it", unfinished(cells)),
        ("Not scored up to the last layer", without_last_layer(ends)),
    ):
        if texts:
            yield f"{what}: {texts}."
