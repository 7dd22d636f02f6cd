"""What a sweep of a model too large for a laptop would take: sizes and rates in, seconds out.

Nothing here is measured; every assumption is a number below or a sentence in docs/scaling.md. The
multiply-adds are those of the model's matrices (attention over short prompts adds next to nothing),
weights that memory does not hold are read from disk once for each batch, and what crosses a
network takes its bytes over its rate.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LLAMA_2_70B", "Machine", "Model", "Work", "alone", "over_rpc"]

_FLOAT = 4


@dataclass(frozen=True)
class Model:
    """A model's published sizes."""

    n_layers: int
    n_embd: int
    n_vocab: int
    n_params: float
    file_bytes: float

    @property
    def flop_per_token(self) -> float:
        """A token through all blocks: one multiplication and one addition for each weight."""
        return 2 * (self.n_params - 2 * self.n_vocab * self.n_embd)

    @property
    def flop_per_row(self) -> float:
        """A position through the output matrix, at every layer."""
        return 2 * self.n_vocab * self.n_embd * self.n_layers


@dataclass(frozen=True)
class Work:
    """Tokens to decode and positions to project, as `llprobe sweep plan` counts them."""

    tokens: int
    rows: int


@dataclass(frozen=True)
class Machine:
    """Rates in floating-point operations a second, memory in bytes, disk in bytes a second."""

    blocks: float
    head: float
    memory: float
    disk: float = 2e9


LLAMA_2_70B = Model(80, 8192, 32000, 68.98e9, 41.4e9)
"""Llama 2 70B in Q4_K_M."""


def alone(work: Work, model: Model, machine: Machine, batch: int = 512) -> float:
    """Seconds on one machine; what of the weights memory does not hold is read for each batch."""
    missing = max(0.0, model.file_bytes - machine.memory)
    # a file that is read in order and does not fit has nothing of itself left at the next batch
    read = model.file_bytes if missing else 0.0
    batches = -(-work.tokens // batch)
    return _computing(work, model, machine) + batches * read / machine.disk


def over_rpc(work: Work, model: Model, machine: Machine, n: int, network: float) -> float:
    """Seconds with a model's layers on `n` machines, over `network` bytes a second.

    A batch goes through one after the other, so their rates do not add. A token's state crosses at
    each border; a scored position's states of all layers come to the first machine and go to the
    one that has the output matrix.
    """
    if n * machine.memory < model.file_bytes:
        raise ValueError("the machines together do not hold the model")
    state = _FLOAT * model.n_embd
    sent = work.tokens * state * (n - 1) + work.rows * state * model.n_layers * 2
    return _computing(work, model, machine) + sent / network


def _computing(work: Work, model: Model, machine: Machine) -> float:
    return (
        work.tokens * model.flop_per_token / machine.blocks
        + work.rows * model.flop_per_row / machine.head
    )
