"""What the tests of figures share: planted scores of two models, and the figures of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from clihelp import tiny_model

from llprobe import plots
from llprobe.events import GroupScored, ItemResult
from llprobe.model import read_model
from llprobe.plan import Plan, Sweep, make_plan
from llprobe.report.similarity import LayerCosines, Similarity
from llprobe.settings import EngineSettings
from llprobe.store import Store
from llprobe.task import TaskRequest

PAPER = ("paper:llama2-7b", "paper:llama2-13b", "paper:llama2-70b")
N_LAYERS = 3
ODD = "a $x_{2}^$ \\frac{1 <b> 中文 \x00\n\ud800 \u202e name"
"""A name with what means something to TeX, to HTML or to a terminal."""


def two_models(folder: Path) -> Plan:
    """Plan three tasks on a tiny model and, by its name, a quant of it."""
    model = read_model(tiny_model(folder))
    small = replace(model, quant="Q4_0", bits_per_weight=4.5, fingerprint="f" * 64)
    requests = (
        TaskRequest("calculation", limit=12),
        TaskRequest("xmps_cal", limit=1),
        TaskRequest("facts", limit=6),
    )
    settings = EngineSettings(n_threads=1)
    models = (replace(model, name="tiny"), replace(small, name="tiny:Q4_0"))
    return make_plan(Sweep(models, requests, ("norm",), None, settings))


@contextmanager
def planted(path: Path, plan: Plan) -> Iterator[Store]:
    """Give a store in which item i is right at all layers above i mod 4; 3 layers."""
    with Store(path) as store:
        store.begin(plan, "llprobe run")
        for cell in plan.cells:
            results = []
            for i, item in enumerate(cell.questions.items):
                logprob = np.zeros((len(item.choices), N_LAYERS))
                logprob[item.best] = [1.0 if layer > i % 4 else -1.0 for layer in (1, 2, 3)]
                results.append(ItemResult(i, (1,) * len(item.choices), logprob))
            store.add_group(GroupScored(cell.id, 0, tuple(results), 1))
        yield store


def gather(store: Store | None, kind: str, *runs: str, **wish: Any) -> Any:
    """Give the figure of a kind; of the last run where none is named."""
    return plots.gather(kind, store, runs or ("last",), plots.Wish(**wish))


def similarity(n_a: int, n_b: int) -> Similarity:
    """Draw a similarity of two models with so many layers; one value is missing."""
    rng = np.random.default_rng(0)
    layers_a, layers_b = tuple(range(1, n_a + 1)), tuple(range(1, n_b + 1))
    cosines = LayerCosines("tiny", layers_a, rng.random(n_a - 1), rng.random(n_a - 1),
                           rng.random(n_a), rng.random(n_a))  # fmt: skip
    values = rng.random((n_a, n_b))
    values[1, 2] = np.nan
    return Similarity(("tiny", "other"), "facts", "last", layers_a, layers_b, (n_a, n_b), values,
                      None, (cosines, cosines), 64, 32, 2, ("A note.",))  # fmt: skip
