"""A sweep as a person writes it: names, paths, patterns and lists, nothing looked up.

It knows neither how a sweep is written down (`parse`, `lists`, `write`) nor which models and
questions its names stand for (`expand`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from llprobe.errors import UsageError
from llprobe.plan import Exclusion
from llprobe.settings import EngineSettings

__all__ = ["ModelEntry", "SweepSpec"]


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model, or those that a pattern finds, and perhaps a ladder of quants made of each."""

    name: str
    """Catalog name, NAME:QUANT, hub reference, or an absolute path, which may be a pattern."""
    quantize: tuple[str, ...] = ()
    """Types to make of it, in upper case."""
    keep: bool = True
    """Whether what was made stays when the sweep is done."""

    def __post_init__(self) -> None:
        """Refuse to delete what was not made."""
        if not self.keep and not self.quantize:
            raise UsageError(
                "keep: false deletes the quants that are made; there are none: "
                "add e.g. quantize: [Q8_0, Q4_K_M]"
            )


@dataclass(frozen=True, slots=True)
class SweepSpec:
    """Everything that a sweep's file can say; every pair of values of its lists is a cell.

    Paths are absolute, so that a sweep means the same wherever it is read.
    """

    name: str
    """What commands call it; empty for a sweep that was never named."""
    models: tuple[ModelEntry, ...]
    tasks: tuple[str, ...]
    """Names of tasks, groups and tags, and paths of YAML files."""
    lenses: tuple[str, ...] = ("norm",)
    layers: str | None = None
    """As in `settings.parse_layers`; None for all."""
    limit: int | None = None
    """Questions of each task; None for all."""
    shots: tuple[int | None, ...] = (None,)
    """Numbers of worked examples; None for the task's own."""
    answers: tuple[str, ...] = ("",)
    """Of `task.ANSWERS`; empty for the task's own way."""
    seeds: tuple[int, ...] = (0,)
    ablations: tuple[str, ...] = ("none",)
    """As in ablation.py; a series stands for many."""
    chat: bool = False
    pmi: bool = False
    data: str | None = None
    shots_file: str | None = None
    instruction: str | None = None
    settings: tuple[tuple[str, str], ...] = ()
    """Values for the tasks' settings, each name once."""
    engine: EngineSettings = field(default_factory=EngineSettings)
    exclude: tuple[Exclusion, ...] = ()
    """Cells to leave out; each feature at most once in an exclusion."""
