"""The paper's open questions as ready analyses: a verdict in words with the numbers behind it.

This package knows which questions there are. Each module answers one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
from llprobe.report.pairing import Side, sides
from llprobe.store import Store

__all__ = ["QUESTIONS", "Verdict", "ask_runs"]

QUESTIONS: Final[Mapping[str, Callable[[Sequence[Side]], Verdict]]] = MappingProxyType(
    {
        "penultimate": penultimate.ask,
        "onset": onset.ask,
        "lower-layers": lower_layers.ask,
        "int-vs-float": int_vs_float.ask,
        "cross-lingual": cross_lingual.ask,
        "threshold": threshold.ask,
    }
)


def ask_runs(store: Store, question: str, names: Sequence[str]) -> Verdict:
    """Answer one of `QUESTIONS` from all cells of the runs named.

    Raises UnknownName for another question or run, and UsageError where the runs lack what it
    needs; the message says which command makes it.
    """
    if question not in QUESTIONS:
        raise UnknownName("question", question, QUESTIONS)
    if any(map(is_published, names)):
        raise UsageError("published tables have no items to ask; see `llprobe compare`")
    found = {s.cell.id: s for name in names for s in sides(store, store.find_run(name))}
    if not found:
        raise UsageError(f"{' and '.join(names)}: nothing is scored yet")
    return QUESTIONS[question](list(found.values()))
