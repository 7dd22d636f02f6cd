"""llprobe from Python: open a model in this process, score questions, read stored runs.

The command line keeps models in child processes; a notebook wants one at hand, so here a model is
loaded in the caller's own. This module knows how the parts are offered. It computes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self
from weakref import finalize

# before numpy: a CUDA build may bring C++ symbols of its own, and crash where numpy's came first
import llama_cpp  # noqa: F401
import numpy as np
import numpy.typing as npt

from llprobe.analysis import OF_WHOLE_OPTIONS, Curve, item_curves, mc1
from llprobe.errors import UsageError
from llprobe.model import resolve
from llprobe.report import frames
from llprobe.settings import EngineSettings, parse_layers
from llprobe.store import CellRecord, CellScores, Store, default_path
from llprobe.task import Item, Skipped

if TYPE_CHECKING:
    import pandas as pd

    from llprobe.engine.probe import Probe

__all__ = [
    "OpenModel",
    "Scores",
    "StoredCell",
    "StoredRun",
    "curves_frame",
    "items_frame",
    "open_model",
    "read_run",
]

FloatArray = npt.NDArray[np.float64]
_WIDTH: Final = 60


@dataclass(frozen=True)
class Scores:
    """One item's scores through one lens.

    `logprob` float64 (n_options, n_layers): natural-log probabilities summed over an option's
    tokens. `n_tokens` (n_options,): how many they are. `layers`: their numbers, 1..n.
    """

    item: Item
    lens: str
    layers: tuple[int, ...]
    n_tokens: tuple[int, ...]
    logprob: FloatArray

    def __repr__(self) -> str:
        """Say what was scored, in a line."""
        shape = "{} options, {} layers".format(*self.logprob.shape)
        return f"<Scores of {_short(self.item.id)}, {self.lens}: {shape}>"

    @property
    def correct(self) -> tuple[int, ...]:
        """Indices of the true options."""
        return self.item.correct

    @property
    def best(self) -> int:
        """Index of the designated best option."""
        return self.item.best

    @property
    def mc1(self) -> npt.NDArray[np.bool_]:
        """Whether the best option strictly beats every false one, (n_layers,)."""
        return mc1(self.logprob, self.item.correct, self.item.best)


class OpenModel:
    """A model in this process; made by `open_model`.

    It is freed by `close`, at the end of a ``with``, when nothing refers to it any more, and when
    Python ends. `remarks` are sentences that a reader of its numbers must know, none as a rule.
    """

    def __init__(self, probe: Probe) -> None:
        self._loaded: Probe | None = probe
        # the finaliser must not hold on to this object
        self._free = finalize(self, probe.close)
        self.name: str = probe.model.info.name
        self.n_layers: int = probe.model.n_layers
        self.self_check: float = probe.check.difference
        self.remarks: tuple[str, ...] = probe.remarks

    @property
    def _probe(self) -> Probe:
        if self._loaded is None:
            raise UsageError(f"{self.name} is closed: open it again with llprobe.open_model")
        return self._loaded

    def close(self) -> None:
        """Free the model; safe to call twice."""
        self._loaded = None
        self._free()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        """Say which model it is, and whether it is still there."""
        state = "closed" if self._loaded is None else f"{self.n_layers} layers"
        return f"<OpenModel {self.name}: {state}>"

    def score(
        self,
        items: Sequence[Item],
        *,
        preamble: str = "",
        lens: str = "norm",
        layers: str | None = None,
    ) -> tuple[list[Scores], list[Skipped]]:
        """Score every option of `items` at every layer, all of them packed together.

        An item's full prompt is ``preamble + item.prompt``; choices are appended as they stand.
        `layers` as on the command line. Returns scores in the items' order, and the items that
        cannot be scored, such as those that do not fit the context, with the reason.
        """
        from llprobe.engine.score import Scorer  # noqa: PLC0415 - loads llama.cpp
        from llprobe.engine.tokens import tokenize_items  # noqa: PLC0415 - loads llama.cpp

        probe, chosen = self._probe, parse_layers(layers, self.n_layers)
        task = tokenize_items(probe, preamble, items)
        with Scorer(probe, task, chosen, (lens,)) as scorer:
            found = [(s, scorer.fault(s, lens)) for _, group in scorer.groups() for s in group]
        scores = [
            Scores(items[s.index], lens, chosen, s.n_tokens, s.logprob[lens])
            for s, fault in found
            if not fault
        ]
        faults = [Skipped(items[s.index].id, fault) for s, fault in found if fault]
        return scores, [*task.skipped, *faults]

    def option_logprobs(
        self, prompt: str, choices: Sequence[str], *, lens: str = "norm", layers: str | None = None
    ) -> FloatArray:
        """Summed log-probs (n_options, n_layers) of `choices` after `prompt`."""
        if len(choices) < 1:
            raise UsageError("no choices are given")
        item = Item("prompt", prompt, tuple(choices), (0,), 0)
        scores, skipped = self.score([item], lens=lens, layers=layers)
        if skipped:
            raise UsageError(f"the prompt cannot be scored: {skipped[0].reason}")
        return scores[0].logprob


def open_model(
    name: str | Path,
    settings: EngineSettings | None = None,
    *,
    fetch: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> OpenModel:
    """Load a model by catalog name, name:quant, path or hub reference.

    It stays loaded until it is closed: `m.close()`, or the end of ``with open_model(...) as m``.
    `fetch` downloads one that is not here. Raises UnknownName, ModelError and its kinds, and
    FetchError. A crash of llama.cpp ends this process; the command line does not run that risk.
    """
    from llprobe.engine.probe import Probe  # noqa: PLC0415 - loads llama.cpp

    info = resolve(name, fetch=fetch, progress=progress)
    return OpenModel(Probe(info, settings or EngineSettings()))


@dataclass(frozen=True)
class StoredCell:
    """A stored cell: `record` says what decided its numbers, `items` are its scores in order."""

    record: CellRecord
    items: tuple[CellScores, ...]

    def __repr__(self) -> str:
        """Say which cell it is, in a line."""
        cell = self.record
        return (
            f"<StoredCell {_short(cell.task)} on {_short(cell.model)}, {cell.lens}: "
            f"{len(self.items)} items, {len(cell.layers)} layers>"
        )

    def curve(self) -> Curve:
        """Metrics by item and layer, with baselines; UsageError where nothing is scored."""
        if not self.items:
            raise UsageError(f"nothing of {self.record.task} is scored yet")
        curve = item_curves(self.items, self.record.layers)
        return curve if self.record.whole else curve.without(OF_WHOLE_OPTIONS)

    def logprob(self, item_id: str) -> FloatArray:
        """Summed log-probs (n_options, n_layers) of one item."""
        for score in self.items:
            if score.item.id == item_id:
                return score.logprob
        raise UsageError(f"no item {item_id!r} of {self.record.task} is scored")


@dataclass(frozen=True)
class StoredRun:
    """A stored run; made by `read_run`. `cells` are one per task and lens, in the run's order."""

    id: str
    cells: tuple[StoredCell, ...]

    def __repr__(self) -> str:
        """Say which run it is, in a line."""
        return f"<StoredRun {self.id[:8]}: {len(self.cells)} cells>"

    def frame(self) -> pd.DataFrame:
        """One row per item, option and layer.

        Columns: model, task, lens, group, item, option, choice, correct, best, n_tokens, layer,
        logprob.
        """
        import pandas as pd  # noqa: PLC0415 - slow to import, and only wanted here

        parts = [_frame(cell, score) for cell in self.cells for score in cell.items]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _short(text: str) -> str:
    """Return a name for a line that others stand in too."""
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"


def _frame(cell: StoredCell, score: CellScores) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415 - slow to import, and only wanted here

    n_options, n_layers = score.logprob.shape
    options = np.repeat(np.arange(n_options), n_layers)
    record, item = cell.record, score.item
    return pd.DataFrame(
        {
            "model": record.model,
            "task": record.task,
            "lens": record.lens,
            "group": item.group,
            "item": item.id,
            "option": options,
            "choice": [item.choices[o] for o in options],
            "correct": np.isin(options, item.correct),
            "best": options == item.best,
            "n_tokens": np.repeat(score.n_tokens, n_layers),
            "layer": np.tile(record.layers, n_options),
            "logprob": score.logprob.ravel(),
        }
    )


def read_run(run: str = "last", db: Path | None = None) -> StoredRun:
    """Read a stored run, named by its id, the beginning of it, or ``last``.

    `db` is the database, by default the one that `llprobe locate` prints. Raises UnknownName and
    StoreError.
    """
    with Store(db or default_path(), create=False) as store:
        found = store.find_run(run)
        cells = tuple(StoredCell(cell, tuple(scores)) for cell, scores in store.probed(found))
    return StoredRun(found, cells)


def curves_frame(run: str = "last", db: Path | None = None) -> pd.DataFrame:
    """One row per cell, metric and layer of a stored run, named as for `read_run`.

    Its columns are `llprobe.report.frames.CURVE_COLUMNS`.
    """
    with Store(db or default_path(), create=False) as store:
        return frames.curves_frame(store, run)


def items_frame(run: str = "last", db: Path | None = None) -> pd.DataFrame:
    """One row per cell, item and layer of a stored run, named as for `read_run`.

    Its columns are `llprobe.report.frames.ITEM_COLUMNS`; single options are in `StoredRun.frame`.
    """
    with Store(db or default_path(), create=False) as store:
        return frames.items_frame(store, run)
