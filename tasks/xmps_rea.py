"""Generator of the xmps_rea task: mps_rea with the true solution in another language.

All of it is done in the package problems, which says what is measured and where the limits lie.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llprobe.task import Row

from .problems import translated

__all__ = ["generate"]


def generate(seed: int, settings: Mapping[str, Any]) -> Iterator[Row]:
    """Yield the questions of `problems.translated`."""
    return translated("rea", seed, settings)
