"""Which tasks of llprobe may be laid beside a published row.

This module knows names of tasks. It does not know numbers.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

__all__ = ["BESIDE", "published_task"]

BESIDE: Final = MappingProxyType({
    "lama": ("lama", "facts"),
    "reclor": ("reclor", "logic"),
    "truthfulqa": ("truthfulqa", "truth"),
    "mps_cal": ("mps_cal",),
    "mps_rea": ("mps_rea",),
    "xmps_cal": ("xmps_cal",),
    "xmps_rea": ("xmps_rea",),
})  # fmt: skip
"""Published task -> llprobe's tasks that ask for the same ability. The bundled ones ask questions
of their own, so curves can be laid beside each other, but items cannot be paired."""


def published_task(task: str) -> str | None:
    """Return the published row that a task of llprobe may be laid beside, None where none is."""
    return next((name for name, own in BESIDE.items() if task in own), None)
