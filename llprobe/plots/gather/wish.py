"""What a person asked a figure to show. This module knows the choices. It does not know runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

__all__ = ["METRIC_NAMES", "Rows", "Wish"]

Rows: TypeAlias = Literal["tasks", "languages", "groups"]
"""What the rows of a heat map are."""

METRIC_NAMES: Final = {
    "mc1": "accuracy (MC1)",
    "mc2": "MC2",
    "mc3": "MC3",
    "acc_norm_tokens": "accuracy per token",
    "acc_norm_bytes": "accuracy per byte",
    "pmi": "accuracy less prior (PMI)",
}
"""How a metric is called on an axis."""


@dataclass(frozen=True, slots=True)
class Wish:
    """The choices of one figure; None is for all of them, or for the kind's own default."""

    task: str | None = None
    lens: str | None = None
    metric: str = "mc1"
    by: str | None = None
    """How items are sorted into groups: group, facet, or one facet like operation."""
    rows: Rows = "tasks"
    depth: bool = False
    """Whether layers are shown as a share of the model's."""
    layers: str | None = None
    """As typed; see `settings.parse_layers`."""
    item: str | None = None
    title: str | None = None
    """In place of the figure's own; empty for none, as for a figure with a caption."""
    model: str | None = None

    @property
    def value(self) -> str:
        """How the values are called on an axis."""
        return METRIC_NAMES[self.metric]

    def titled(self, own: str) -> str:
        """Return the figure's title, where `own` is what it has by itself."""
        return own if self.title is None else self.title
