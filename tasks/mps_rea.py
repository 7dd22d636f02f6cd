"""Generator of the mps_rea task: word problems, wrong solutions on a wrong path.

All of it is done in the package problems, which says what is measured and where the limits lie.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llprobe.task import Row

from .problems import bundled

__all__ = ["generate"]


def generate(seed: int, settings: Mapping[str, Any]) -> Iterator[Row]:
    """Yield the questions of `problems.bundled`."""
    return bundled("rea", seed, settings)
