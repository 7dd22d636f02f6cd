"""Results of a run's last layer in the shape of lm-evaluation-harness' results files.

What reads those files reads these: `results`, `configs`, `versions`, `n-shot`, `n-samples`,
`higher_is_better`, `config`. `acc`, `acc_norm` (per character) and `acc_bytes` (per byte) are the
harness' own (0.4.13, `ConfigurableTask.process_results`): the option with the highest log-prob is
one of the true ones. The standard errors are those of a mean of independent items. A task with
several true options has `mc2` and `mc3` beside them, under llprobe's names. This module knows that
shape. It does not know files.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from llprobe.analysis import OptionTable
from llprobe.analysis.measures import metric
from llprobe.errors import LlprobeError, UsageError
from llprobe.report.pairing import FEATURES, Side, feature, sides
from llprobe.store import CellRecord, Store
from llprobe.task import load_definition

__all__ = ["harness_results"]

_UNITS: Final[Mapping[str, Callable[[str], int]]] = MappingProxyType({
    "acc": lambda _: 1, "acc_norm": len, "acc_bytes": lambda text: len(text.encode()),
})  # fmt: skip
"""The harness' accuracies, and what a log-prob is divided by: a measure of the option's text."""
_OF_WHOLE_OPTIONS: Final = ("acc_norm", "acc_bytes")
_SEVERAL: Final = ("mc2", "mc3")


def harness_results(store: Store, run: str) -> dict[str, Any]:
    """Return the results of a run at each model's last layer, ready to be written as JSON.

    A file of the harness is about one model, so a run of several models is refused. Where a task
    stands in the run more than once, its name is followed by what tells its cells apart, as in
    `truth|paper`. Raises UsageError where the last layer was not scored.
    """
    found = [side for side in sides(store, run) if side.n_layers in side.table.layers]
    if not found:
        raise UsageError("nothing is scored at the last layer; run without --layers, or with -1")
    models = list(dict.fromkeys(side.cell.model for side in found))
    if len(models) > 1:
        raise UsageError(
            f"a harness file is about one model, this run about {', '.join(models)}: "
            "run each by itself, or export another format"
        )
    named = dict(zip(_names([side.cell for side in found]), found, strict=True))
    return _tasks(store, named) | _about(store, run, found[0].cell)


def _names(cells: Sequence[CellRecord]) -> list[str]:
    """Call every cell by its task, and by what else tells it from the task's other cells."""
    often = Counter(cell.task for cell in cells)
    found = []
    for cell in cells:
        same = [other for other in cells if other.task == cell.task]
        telling = [name for name in FEATURES if len({feature(c, name) for c in same}) > 1]
        told = [feature(cell, name) for name in telling] if often[cell.task] > 1 else []
        found.append("|".join([cell.task, *told]))
    return found


def _tasks(store: Store, named: dict[str, Side]) -> dict[str, Any]:
    shots = {name: _shots(side.cell) for name, side in named.items()}
    return {
        "results": {name: {"alias": name, **_scores(store, side)} for name, side in named.items()},
        "group_subtasks": {name: [] for name in named},
        "configs": {name: _config(side, shots[name]) for name, side in named.items()},
        "versions": {name: side.cell.task_version for name, side in named.items()},
        "n-shot": shots,
        "higher_is_better": {
            name: dict.fromkeys(_metrics(side), True) for name, side in named.items()
        },
        "n-samples": {
            name: {"original": side.cell.n_items, "effective": side.table.n_items}
            for name, side in named.items()
        },
    }


def _metrics(side: Side) -> tuple[str, ...]:
    """Return the names of what a cell's results hold."""
    true = np.add.reduceat(side.table.true.astype(np.int64), side.table.start[:-1])
    own = [name for name in _UNITS if side.table.whole or name not in _OF_WHOLE_OPTIONS]
    return (*own, *(_SEVERAL if (true > 1).any() else ()))


def _scores(store: Store, side: Side) -> dict[str, float | str]:
    last, found = side.table.at([side.n_layers]), dict[str, float | str]()
    stored = {row.id: json.loads(row.choices) for row in store.option_rows(side.cell.id)}
    texts = [text.strip() for id_ in last.ids for text in stored[id_]]
    for name in _metrics(side):
        if name in _UNITS:
            values = _any_gold(last, np.array([max(_UNITS[name](text), 1) for text in texts]))
        else:
            values = metric(last, name)[:, 0]
        found[f"{name},none"] = float(values.mean())
        # as the harness writes it where one item has no spread
        error = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else "N/A"
        found[f"{name}_stderr,none"] = error
    return found


def _any_gold(table: OptionTable, lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Whether each item's first option with the highest score is a true one, (n_items,)."""
    scores = table.logprob[:, 0] / lengths
    rows = [a + int(np.argmax(scores[a:b])) for a, b in pairwise(table.start.tolist())]
    return table.true[rows].astype(np.float64)


def _shots(cell: CellRecord) -> int | None:
    """Return the number of worked examples, None where only a file that may have changed tells."""
    asked: int | None = cell.request.get("num_fewshot")
    if asked is not None or cell.request.get("shots_file"):
        return asked
    try:
        task = load_definition(cell.request["name"])
    except LlprobeError:  # the task is not here any more
        return None
    return task.num_fewshot if task.version == cell.task_version else None


def _config(side: Side, shots: int | None) -> dict[str, Any]:
    cell = side.cell
    return {
        "task": cell.task,
        "output_type": "multiple_choice",
        "num_fewshot": shots,
        "metric_list": [
            {"metric": name, "aggregation": "mean", "higher_is_better": True}
            for name in _metrics(side)
        ],
        "metadata": {
            "version": cell.task_version,
            "questions": cell.questions,
            "answer": cell.answer,
            "lens": cell.lens,
            "layer": cell.model_info["n_layers"],
            "ablation": cell.ablation,
        },
    }


def _about(store: Store, run: str, cell: CellRecord) -> dict[str, Any]:
    record, info = store.run(run), cell.model_info
    return {
        "config": {
            "model": "llprobe",
            "model_args": f"pretrained={cell.model}",
            "model_num_parameters": info["n_params"],
            "model_dtype": info["quant"],
            "model_sha": cell.fingerprint,
            "batch_size": cell.settings["n_batch"],
            "batch_sizes": [],
            "device": cell.record.get("device") or cell.record.get("devices"),
            "use_cache": None,
            "limit": cell.request.get("limit"),
            "bootstrap_iters": 0,
            "gen_kwargs": None,
            "random_seed": cell.seed,
            "fewshot_seed": cell.seed,
        },
        "git_hash": None,
        "date": datetime.fromisoformat(record.created).timestamp(),
        "llprobe_version": version("llprobe"),
        "model_source": "llprobe",
        "model_name": cell.model,
        "model_name_sanitized": cell.model.replace("/", "__"),
        "command": record.command,
    }
