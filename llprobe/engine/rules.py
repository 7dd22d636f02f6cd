"""The rules of where the head is computed, and of which numbers a device can be given.

1. A weight whose buffer names no device (plain and memory-mapped host memory) is the CPU's.
2. The device that holds the output matrix computes the head, if it can use every weight's buffer
   and compute every op.
3. Else the CPU does: it uses what lies in host memory as it is (pinned memory claims a GPU, which
   cannot multiply from it), and weights that it cannot use are copied out of the model file.
4. A device that is not the CPU is tried before it is believed: some say yes to every op.
5. Devices multiply in half precision for some weight types, where values beyond 65,504 become
   infinite: columns that large are scaled by a power of two before, and back after.

This module decides. It does not know ggml: what it decides on is passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llprobe.errors import RunError

__all__ = ["Holding", "Placement", "place_head", "scale_exponents", "wants_trial"]


@dataclass(frozen=True, slots=True)
class Holding:
    """A weight and where it lies: `device` is its buffer's own, None where that names none.

    `usable` says whether a device can compute with that buffer.
    """

    name: str
    device: int | None
    usable: Callable[[int], bool]


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the head is computed, and the names of the weights that are copied there."""

    device: int
    copied: tuple[str, ...] = ()


def place_head(
    matrix: Holding, weights: Sequence[Holding], computes: Callable[[int], bool], cpu: int
) -> Placement:
    """Place the head, of which `matrix` is one of the `weights`.

    `computes` says whether a device knows every op of the head; it is asked only of a device that
    is not the CPU and can use every weight.
    """
    device = matrix.device or cpu
    if device != cpu and all(each.usable(device) for each in weights) and computes(device):
        return Placement(device)
    return Placement(cpu, tuple(each.name for each in weights if not each.usable(cpu)))


def wants_trial(device: int, cpu: int) -> bool:
    """Whether a device's log-probs are compared with llama.cpp's logits before they are used."""
    return device != cpu


def scale_exponents(hidden: npt.NDArray[np.float32]) -> npt.NDArray[np.int32]:
    """Exponents e (n_rows,) so that ``hidden * 2**-e`` stays below 2**10, and 0 where it does.

    Massive activations of the residual stream reach what half precision cannot hold, and CPU
    kernels of Q4_1 and Q5_1 keep sums of 32 inputs in it. Powers of two are exact. Raises RunError
    for states that are not finite.
    """
    peak = np.abs(hidden).max(axis=1)
    if not np.isfinite(peak).all():
        raise RunError("a hidden state is not finite: the model file may be damaged")
    exponent = np.frexp(peak)[1].astype(np.int32)
    return np.where(exponent > 10, exponent - 10, 0).astype(np.int32)
