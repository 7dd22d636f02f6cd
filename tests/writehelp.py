"""What the tests of written answers share: drawn prompts, and the oracle's answers to them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from nativellama import spelled
from oracle import NumpyLlama

from llprobe.engine.probe import Probe
from llprobe.engine.write import PromptTokens, Writer, Written

__all__ = ["ENDS", "PROMPTS", "SEEDS", "chosen", "drawn", "greedy", "of", "text_of", "written"]

ENDS = {0, 2}
"""The tiny models' end-of-generation tokens, <|endoftext|> and <|im_end|>."""


def drawn(seed: int, length: int = 4) -> tuple[int, ...]:
    """Draw a prompt of ordinary tokens."""
    return tuple(np.random.default_rng(seed).integers(3, 384, length).tolist())


# Chosen so that the tiny model ends some of its answers itself, the first as early as with its
# first token, with either of its two tokens for that, and leaves others to `max_tokens`.
SEEDS = (0, 1, 2, 27, 31, 56, 88, 106, 128, 149, 3)
PROMPTS = tuple(drawn(seed) for seed in SEEDS)


def of(prompts: Sequence[Sequence[int]]) -> PromptTokens:
    """Number prompts in their order."""
    return PromptTokens(tuple(tuple(p) for p in prompts), tuple(range(len(prompts))))


def greedy(path: Path, prompt: Sequence[int], max_tokens: int) -> list[int]:
    """Continue a prompt by the oracle's most likely tokens, each of them clearly so."""
    oracle, tokens = NumpyLlama(path), list(prompt)
    while len(tokens) < len(prompt) + max_tokens:
        logits = oracle.logits(oracle.hidden_states(tokens)[-1, -1], normed=True)
        second, first = np.sort(logits)[-2:]
        assert first - second > 1e-3, "too close to call"
        tokens.append(int(logits.argmax()))
        if tokens[-1] in ENDS:
            break
    return tokens[len(prompt) :]


def text_of(path: Path, tokens: Sequence[int]) -> str:
    """Spell an answer, without the token that ended it."""
    return spelled(path, [t for t in tokens if t not in ENDS]).decode(errors="replace")


def chosen(writer: Writer) -> list[list[int]]:
    """Give the tokens of all answers, in the order of the prompts."""
    return [answer.tokens for group in writer.groups for answer in writer._group(group)]


def written(
    probe: Probe, prompts: Sequence[Sequence[int]], stop: Sequence[str] = (), max_tokens: int = 10
) -> list[Written]:
    """Write the answers to prompts, in their order."""
    with Writer(probe, of(prompts), stop, max_tokens) as writer:
        return [answer for _, group in writer.written() for answer in group]
