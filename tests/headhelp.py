"""What the tests of the replayed head share: made-up states, and plain numpy to compare with."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from llprobe.engine.probe import Probe
from llprobe.engine.reference import ReferenceHead

__all__ = [
    "ASKED",
    "EXACT_LOG_PROB",
    "HIDDEN",
    "N_EMBD",
    "N_VOCAB",
    "RANDOM",
    "ROWS",
    "Floats",
    "distance",
    "reference",
]

Floats = NDArray[np.floating[Any]]
N_EMBD, N_VOCAB = 64, 384
RANDOM = np.random.default_rng(11)
# Residual streams: of the size of a normed state, and as large as real ones become.
HIDDEN = (RANDOM.standard_normal((70, N_EMBD)) * 3).astype(np.float32)
ROWS = np.sort(RANDOM.integers(0, len(HIDDEN), 200))
ASKED = RANDOM.integers(0, N_VOCAB, len(ROWS))
# In nats; measured: 5e-6.
EXACT_LOG_PROB = 5e-5


def reference(probe: Probe) -> ReferenceHead:
    """Give the same head in plain numpy."""
    return ReferenceHead(probe.model.info.paths, probe.head._steps)


def distance(ours: Floats, theirs: Floats) -> Floats:
    """Give how far logits are off, in standard deviations of the right ones."""
    assert ours.shape == theirs.shape
    assert theirs.std() > 0.5
    return np.asarray(np.abs(ours - theirs) / theirs.std())
