"""Accuracy against size: one step, or a steady rise.

This module knows accuracies of models on the same items, at their last layers, by number of
parameters. It does not know how the answer is printed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from llprobe.analysis.finding import FEWEST
from llprobe.analysis.intervals import mean_evidence
from llprobe.analysis.measures import metric
from llprobe.analysis.resample import bootstrap_means
from llprobe.analysis.scale import ENOUGH, Sizes, Threshold, next_size, sizes, threshold, trend
from llprobe.errors import UsageError
from llprobe.report.ask.verdict import CANNOT, NO, YES, Verdict, features, listed
from llprobe.report.compare import LEVEL
from llprobe.report.missing import lacking
from llprobe.report.pairing import FEATURES, Side, feature
from llprobe.report.quants import above_source
from llprobe.report.sametests import adjusted_once, mark, repeated, sentence

__all__ = ["QUESTION", "ask"]

Row = dict[str, Any]
FloatArray = npt.NDArray[np.float64]

QUESTION: Final = "Does accuracy rise with size in one step?"
_STEP: Final = "threshold"
_LINE: Final = "straight line"


def ask(sides: Sequence[Side], seed: int = 0) -> Verdict:
    """Try a step against a straight line for every task; p adjusted over tasks (Holm 1979).

    Accuracies are those of the last layer; UsageError where no cell has it.

    Of several quants of a size the one of most bits per weight counts, but for those above their
    source. Below `ENOUGH` sizes the
    answer is that these data cannot tell.
    """
    whole = [side for side in sides if side.n_layers in side.table.layers]
    if not whole:
        raise UsageError("threshold needs scores at the last layer: run with --layers=-1")
    groups = _alike(whole)
    data = [_sizes(of, seed) for of in groups]
    marks = [mark(of, _last(of)) for of in groups]
    found = _adjusted([threshold(each, seed=seed) for each in data], marks)
    rows = [_row(of, d, t) for of, d, t in zip(groups, data, found, strict=True)]
    once = sentence(sum(repeated(marks))) if any(row["p_adjusted"] for row in rows) else ""
    without = [side for side in sides if side not in whole]
    words = f"{_words(rows, data)} {once}".strip() + lacking(without, sides, "the last layer was")
    return Verdict(QUESTION, _answer(rows), words, tuple(rows))


def _last(of: Sequence[Side]) -> list[FloatArray]:
    """Return every side's values at its model's last layer, (n_items,) each."""
    return [metric(side.table, "mc1")[:, -1] for side in of]


def _alike(sides: Sequence[Side]) -> list[list[Side]]:
    """Put cells together that differ in the model only, by rising size, one for each size."""
    rest = [name for name in FEATURES if name not in {"model", "quant"}]
    found: dict[tuple[str, ...], dict[int, Side]] = {}
    above = above_source([side.cell for side in sides])
    for side in (each for each in sides if each.cell.model not in above):
        key = (side.cell.task, *(feature(side.cell, name) for name in rest))
        by_size = found.setdefault(key, {})
        size = int(side.cell.model_info["n_params"])
        if size not in by_size or _bits(by_size[size]) < _bits(side):
            by_size[size] = side
    return [[of[size] for size in sorted(of)] for of in found.values()]


def _bits(side: Side) -> float:
    return float(side.cell.model_info["bits_per_weight"])


def _sizes(of: Sequence[Side], seed: int) -> Sizes:
    x = [float(np.log10(side.cell.model_info["n_params"])) for side in of]
    values = _last(of)
    if len({(side.cell.questions, side.keys) for side in of}) > 1:
        counts = [len(each) for each in values]
        return sizes(x, [each.mean() for each in values], n_items=counts)
    joined = np.stack(values, axis=1)
    drawn = bootstrap_means(joined, of[0].table.clusters, seed=seed)
    known = mean_evidence(joined, of[0].table.clusters)
    return sizes(x, known.mean, samples=drawn, errors=known.error)


def _adjusted(found: Sequence[Threshold], marks: Sequence[str]) -> list[Threshold]:
    """Take back a threshold that many tasks make likely by chance."""
    known = [(each.p, of) for each, of in zip(found, marks, strict=True) if each.p is not None]
    values = iter(adjusted_once([p for p, _ in known], [of for _, of in known]))
    return [each if each.p is None else _judged(each, next(values)) for each in found]


def _judged(found: Threshold, p: float) -> Threshold:
    if found.verdict == _STEP and p >= LEVEL:
        note = "a step fits better, but among so many tasks one does by chance"
        return replace(found, verdict="cannot tell", p=p, note=note)
    return replace(found, p=p)


def _row(of: Sequence[Side], data: Sizes, found: Threshold) -> Row:
    line = trend(data)
    few = min(side.table.n_clusters for side in of) < FEWEST
    told = features(of[0])
    del told["model"]
    ends = [None, None] if found.between is None else [round(10**end) for end in found.between]
    return told | {
        "models": [side.cell.model for side in of],
        "n_params": [int(side.cell.model_info["n_params"]) for side in of],
        "accuracy_by_size": data.accuracy.tolist(),
        "sizes": data.n_sizes,
        "slope": line.slope,
        "slope_low": None if few else line.low,
        "slope_high": None if few else line.high,
        "step": found.step,
        "step_after": ends[0],
        "step_before": ends[1],
        "p_adjusted": found.p,
        "power": found.power,
        "sizes_needed": found.needed,
        "verdict": found.verdict,
        "note": found.note,
    }


def _answer(rows: Sequence[Row]) -> str:
    verdicts = [row["verdict"] for row in rows]
    if _STEP in verdicts:
        return YES
    return NO if all(each == _LINE for each in verdicts) else CANNOT


def _words(rows: Sequence[Row], data: Sequence[Sizes]) -> str:
    parts = [
        f"{row['task']} rises by {100 * row['step']:.1f} points between "
        f"{_size(row['step_after'])} and {_size(row['step_before'])} parameters."
        for row in rows
        if row["verdict"] == _STEP
    ]
    lines = [row["task"] for row in rows if row["verdict"] == _LINE]
    parts += [f"{listed(lines)}: a straight line suffices."] if lines else []
    unclear = [row["task"] for row in rows if row["verdict"] not in {_STEP, _LINE}]
    most = max(row["sizes"] for row in rows)
    if most < ENOUGH:
        have = f"{most} size{'s' * (most > 1)}"
        parts.append(f"These data cannot tell: {have}, at least {ENOUGH} are needed.{_next(data)}")
    elif unclear:
        parts.append(f"These data cannot tell for {listed(unclear)}; the notes say what would.")
    return " ".join(parts)


def _next(data: Sequence[Sizes]) -> str:
    """Say which size would tell most, where there are two to choose between."""
    found = next_size(max(data, key=lambda each: each.n_sizes))
    return "" if found is None else f" Run one of about {_size(10**found.size)} parameters next."


def _size(parameters: float) -> str:
    """Write a number of parameters as models are called: 135M, 1.1B."""
    if parameters < 1e9:
        return f"{parameters / 1e6:.0f}M"
    return f"{parameters / 1e9:.1f}B".replace(".0B", "B")
