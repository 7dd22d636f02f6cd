"""The paper's own way, with transformers and torch on the same weights, dequantised to float32.

Every option is a full forward pass of prompt and option, and every position of every layer goes
through the output matrix. A few options are timed; the whole is extrapolated by tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import torch
from transformers import AutoModelForCausalLM

__all__ = ["seconds_per_token"]


def seconds_per_token(path: Path, sequences: Sequence[Sequence[int]], threads: int) -> float:
    """Mean seconds a token of the given token sequences takes, the first one not counted."""
    torch.set_num_threads(threads)
    model = AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32
    )
    model.eval()
    spent, tokens = 0.0, 0
    with torch.inference_mode():
        for n, sequence in enumerate(sequences):
            started = perf_counter()
            _score(model, torch.tensor([list(sequence)]))
            if n:
                spent, tokens = spent + perf_counter() - started, tokens + len(sequence)
    return spent / tokens


def _score(model: torch.nn.Module, ids: torch.Tensor) -> list[torch.Tensor]:
    states = model(ids, output_hidden_states=True).hidden_states[1:]
    out = []
    for state in states:
        log_probs = torch.log_softmax(model.lm_head(state[0, :-1]), dim=-1)
        out.append(log_probs.gather(1, ids[0, 1:, None]).sum())
    return out
