"""Runs of made-up models with made-up scores, for tests of screens: no model computes anything.

Names, ids and numbers do not depend on the folder or the hour. This module knows what is stored. It
knows no screens.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from madeup import Right, fill, made_up_model, noisy

from llprobe.events import JobStarted
from llprobe.model import ModelInfo
from llprobe.plan import Plan, Sweep, make_plan
from llprobe.settings import EngineSettings
from llprobe.store import Store
from llprobe.task import Item, TaskRequest

__all__ = ["CALC", "FACTS", "LARGE", "SMALL", "begin", "finish", "model", "plan", "share"]

CALC: Final = TaskRequest("calculation", limit=24)
"""A generated task of several groups."""
FACTS: Final = TaskRequest("facts", limit=20)
"""A bundled task."""

SMALL: Final = (0.2, 0.25, 0.3, 0.35, 0.5, 0.45)
LARGE: Final = (0.2, 0.3, 0.5, 0.7, 0.85, 0.8)


def model(folder: Path, name: str, quant: str = "Q8_0", **more: Any) -> ModelInfo:
    """Give a made-up model of six layers; nothing of it names a folder."""
    return made_up_model(folder, name, quant=quant, paths=(Path(f"{name}.gguf"),), **more)


def plan(
    models: Sequence[ModelInfo], tasks: Sequence[TaskRequest], name: str = "", **sweep: Any
) -> Plan:
    """Plan tasks on made-up models."""
    settings = EngineSettings(n_threads=1)
    spec = f"name: {name}\nmodels: [{', '.join(m.name for m in models)}]\ntasks: [calculation]\n"
    return make_plan(Sweep(tuple(models), tuple(tasks), settings=settings, **sweep), name, spec)


def begin(store: Store, planned: Plan) -> None:
    """Store a run of which nothing is scored yet, as if its models were loaded."""
    store.begin(planned, f"llprobe sweep run {planned.name or 'sweep'}.yaml")
    for cell in planned.cells:
        n = len(cell.questions.items)
        store.start_job(JobStarted((cell.id,), n, 1, 10 * n, ()))


def finish(store: Store, planned: Plan, right: Right) -> str:
    """Store scores of everything that is planned; return the run's id."""
    fill(store, planned, right)
    store.finish_cells([cell.id for cell in planned.cells], {"seconds": 2.0, "tokens": 400.0})
    store.end(planned.id, "done")
    return planned.id


def share(curve: Sequence[float]) -> Right:
    """Answer rightly with these probabilities by layer."""

    def of(_: Item) -> Sequence[float]:
        return curve

    return noisy(of)
