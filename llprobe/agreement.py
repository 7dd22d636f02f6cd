"""How far a device is from the CPU on a fixed text, and whether its numbers can be trusted.

This module knows differences by layer and the words for them. It does not know how they were found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["LIMIT", "Agreement", "in_words"]

LIMIT: Final = 0.1
"""Largest difference that other arithmetic explains: the golden comparison of the default model,
whose inputs the CPU rounds to 8 bits, stays below it at its 99th percentile."""


@dataclass(frozen=True)
class Agreement:
    """A comparison of `device` with the CPU.

    `difference` (n_layers,), 1.0 = 100%: at each layer the largest of two, the difference of a
    token's state relative to the state's length, and the difference of an option's summed log-prob
    through any lens relative to their mean size. `refused` is why the device may not score at all,
    where it may not; then states alone are compared.
    """

    device: str
    difference: npt.NDArray[np.float64]
    refused: str = ""

    @property
    def trusted(self) -> bool:
        """Whether the device may score, and no layer differs by more than `LIMIT`."""
        return not self.refused and bool((self.difference <= LIMIT).all())  # NaN is more


def in_words(found: Agreement, remedy: str = "-ngl 0") -> str:
    """Say in one line how far the device is from the CPU; `remedy` is what to use instead."""
    worst = float(found.difference.max())  # NaN where any is
    how = "to the last bit" if worst == 0 else f"to {_percent(worst)}"
    agrees = f"{found.device} agrees with the CPU {how} at every layer"
    if found.trusted:
        return agrees
    wrong = (~(found.difference <= LIMIT)).nonzero()[0]
    if not wrong.size:
        return f"{agrees}, but not in what follows ({found.refused}): do not trust it, use {remedy}"
    apart = f"differs from the CPU by up to {_percent(worst)}"
    what = apart if np.isfinite(worst) else "gives what are no numbers"
    return f"{found.device} {what} from layer {wrong[0] + 1} on: do not trust it, use {remedy}"


def _percent(part: float) -> str:
    return f"{part:.0%}" if part >= 0.1 else f"{100 * part:.2g}%"
