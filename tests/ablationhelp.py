"""Questions of chance tokens, and what a model run without a part of it makes of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llprobe.ablation import NONE, Ablation, Part
from llprobe.engine.ablate import AblatedCapture
from llprobe.engine.probe import Probe
from llprobe.engine.score import Scorer
from llprobe.engine.session import Context
from llprobe.engine.tokens import TokenizedTask
from llprobe.engine.trie import TokenItem

__all__ = [
    "BLOCKS",
    "CUT_UP",
    "LENSES",
    "N_LAYERS",
    "PARTS",
    "SEQUENTIAL",
    "TASK",
    "TOKENS",
    "leave_out",
    "scores",
    "states_of",
]

Floats = NDArray[np.floating[Any]]

N_LAYERS = 3
BLOCKS = (1, 2, 3)
PARTS: tuple[Part, ...] = ("block", "attn", "ffn")
# What adds its halves one after the other, with the sum between them in a tensor of its own.
SEQUENTIAL = (
    *("llama", "qwen2", "qwen3", "gpt2", "olmo", "olmo2", "granite", "stablelm", "bloom"),
    "starcoder2",
)
RANDOM = np.random.default_rng(11)
TOKENS = [int(token) for token in RANDOM.integers(3, 384, 24)]
PROMPT = tuple(TOKENS[:18])
OPTIONS = ((5, 6, 7), (5, 6, 8, 9), (9,), (10, 5, 6))
TASK = TokenizedTask(
    (
        TokenItem(tuple((*PROMPT, *option) for option in OPTIONS), len(PROMPT)),
        TokenItem(tuple((*PROMPT[:13], 4, *option) for option in OPTIONS), 14),
        TokenItem(tuple((*PROMPT[:15], 3, *option) for option in OPTIONS), 16),
    ),
    (0, 1, 2),
    (),
)
# Several ubatches in one decode, several decodes in a group, and several groups.
CUT_UP = {"n_batch": 12, "n_ubatch": 4}
LENSES = ("norm", "raw")


def leave_out(block: int, part: Part = "block") -> Ablation:
    """Leave a block or a half of it out."""
    return Ablation.of([(block, part)])


def scores(probe: Probe, ablation: Ablation = NONE, layers: Sequence[int] = (0, *BLOCKS)) -> Floats:
    """Give the summed log-probs (lenses, options, layers)."""
    with Scorer(probe, TASK, layers, LENSES, ablation) as scorer:
        items = [score for _, group in scorer.groups() for score in group]
    return np.stack([np.concatenate([item.logprob[lens] for item in items]) for lens in LENSES])


def states_of(
    probe: Probe, ablation: Ablation, layers: Sequence[int], rows: Sequence[int], *, stop: bool
) -> tuple[Floats, list[bytes]]:
    """Capture (layers, rows, width) of one decode of `TOKENS`; and the nodes asked for."""
    asked, n = list[bytes](), len(TOKENS)
    with Context(probe.model, n, 1, n) as context:
        width, n_ubatch = probe.model.n_embd, context.n_ubatch
        capture = AblatedCapture(ablation, layers, width, n_ubatch, probe.input_name, stop=stop)

        def listener(tensor: Any, ask: bool) -> bool:
            asked.append(tensor.contents.name)
            return capture(tensor, ask)

        context.callback.listener = listener
        flagged, zero = np.isin(np.arange(n), list(rows)), np.zeros(n, np.int32)
        capture.begin(flagged)
        positions = np.arange(n, dtype=np.int32)
        context.decode(np.array(TOKENS, np.int32), positions, zero, zero + 1, flagged)
        assert capture.seconds > 0
        return capture.end().copy(), asked
