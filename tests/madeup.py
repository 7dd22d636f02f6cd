"""Runs with made-up scores, for tests of what is done with scores: no model computes anything."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tinygguf import write_tiny

from llprobe.events import GroupScored, ItemResult
from llprobe.model import ModelInfo, read_model
from llprobe.plan import Cell, Plan, Sweep, make_plan
from llprobe.settings import EngineSettings
from llprobe.store import Store
from llprobe.task import Item, TaskRequest

__all__ = ["Right", "always", "fill", "made_up_model", "made_up_run", "noisy"]

Right = Callable[[Cell, Item], npt.NDArray[np.bool_]]
"""Whether an item is answered rightly at each scored layer, (n_layers,)."""


def made_up_model(folder: Path, name: str, n_layers: int = 6, **more: Any) -> ModelInfo:
    """Give a model that is only known by what is said of it."""
    path = folder / "tiny.gguf"
    info = read_model(path if path.exists() else write_tiny(path))
    return replace(info, name=name, fingerprint=f"{name:0<64}"[:64], n_layers=n_layers, **more)


def made_up_run(
    store: Store,
    models: Sequence[ModelInfo],
    tasks: Sequence[TaskRequest],
    right: Right,
    *,
    name: str = "",
    **sweep: Any,
) -> str:
    """Store a run whose answers are right where `right` says so; return its id."""
    settings = EngineSettings(n_threads=1)
    plan = make_plan(Sweep(tuple(models), tuple(tasks), settings=settings, **sweep), name)
    store.begin(plan, "llprobe run")
    fill(store, plan, right)
    store.end(plan.id, "done")
    return plan.id


def fill(store: Store, plan: Plan, right: Right) -> None:
    """Store scores of every item: the best option is 2 nats above the others, or below them."""
    for cell in plan.cells:
        items = []
        for index, item in enumerate(cell.questions.items):
            logprob = np.full((len(item.choices), len(cell.layers)), -10.0)
            logprob -= 0.1 * np.arange(len(item.choices))[:, None]
            logprob[list(item.correct)] = -14.0
            logprob[item.best] = np.where(right(cell, item), -8.0, -12.0)
            items.append(ItemResult(index, (2,) * len(item.choices), logprob))
        store.add_group(GroupScored(cell.id, 0, tuple(items), len(items)))


def always(share_by_layer: Sequence[float]) -> Right:
    """Answer rightly with these probabilities by layer, alike for one item in every run."""
    return noisy(lambda _: share_by_layer)


def noisy(share: Callable[[Item], Sequence[float]], seed: int = 0) -> Right:
    """Answer rightly with probabilities (n_layers,) that depend on the item; drawn by its id."""

    def right(cell: Cell, item: Item) -> npt.NDArray[np.bool_]:
        words = [seed, *cell.model.name.encode(), *item.id.encode()]
        draw = np.random.default_rng(words).random()
        return np.asarray(draw < np.asarray(share(item))[: len(cell.layers)])

    return right
