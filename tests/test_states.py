"""States of prompts, read in batches, against the numpy oracle."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import OpenProbe
from stateshelp import Floats, Prompt, oracle_states

from llprobe.engine.states import read_states

Tiny = Callable[..., Path]
# Of the states' spread; as measured in test_capture.
EXACT = 3e-5
SHARED = (7, 90, 33, 204, 11)


def random_prompts(n: int, seed: int = 5) -> list[Prompt]:
    """Give prompts of 6 to 20 tokens that begin alike; two share more than the others do."""
    draw = np.random.default_rng(seed)
    own = [tuple(draw.integers(3, 384, draw.integers(1, 16)).tolist()) for _ in range(n)]
    own[1] = (*own[0], 40)
    return [SHARED + each for each in own]


def close(ours: Floats, theirs: Floats, error: float = EXACT) -> None:
    assert ours.shape == theirs.shape
    spread = theirs.std(axis=(0, 2), keepdims=True)
    assert (spread > 0.1).all(), "states this flat would prove little"
    assert (np.abs(ours - theirs) / spread).max() < error


def cut(prompts: Sequence[Prompt], sizes: Sequence[int]) -> list[Sequence[Prompt]]:
    ends = np.cumsum(sizes)
    return [prompts[end - size : end] for end, size in zip(ends, sizes, strict=True)]


@pytest.mark.parametrize(
    "settings",
    [{}, {"n_ubatch": 3}, {"n_batch": 4, "n_ubatch": 4}, {"share": False}, {"n_ctx": 24}],
    ids=str,
)
@pytest.mark.parametrize("mean", [False, True])
def test_states_equal_the_oracles(
    tiny: Tiny, exact: OpenProbe, settings: dict[str, Any], mean: bool
) -> None:
    path, prompts = tiny(), random_prompts(21)
    batches = cut(prompts, [4, 12, 5])
    found = list(read_states(exact(path, **settings), batches, (0, 1, 2, 3), mean=mean))
    assert [len(states) for states in found] == [4, 12, 5]
    assert all(states.dtype == np.float32 for states in found)
    close(np.concatenate(found), oracle_states(path, prompts, len(SHARED) if mean else None))


def test_layers_can_be_chosen(tiny: Tiny, exact: OpenProbe) -> None:
    probe, prompts = exact(tiny()), random_prompts(5)
    (every,) = read_states(probe, [prompts], (1, 2, 3))
    (some,) = read_states(probe, [prompts], (1, 2))
    np.testing.assert_allclose(some, every[:, :2], atol=1e-5)


def test_more_rows_than_the_buffer_holds_are_read_in_parts(tiny: Tiny, exact: OpenProbe) -> None:
    """Where every token counts, a decode is bounded by memory too."""
    path = tiny(n_embd=256, n_ff=32, n_layers=8)
    prompts = [prompt + prompt * 2 for prompt in random_prompts(9)]
    probe = exact(path, buffer_mb=1)
    assert probe.max_rows < sum(len(p) - len(SHARED) for p in prompts[:8])
    (states,) = read_states(probe, [prompts], (1, 8), mean=True)
    close(states, oracle_states(path, prompts, len(SHARED))[:, [1, 8]])


@pytest.mark.parametrize("arch", ["gemma2", "gpt2", "qwen3"])
def test_together_is_as_alone(tiny: Tiny, exact: OpenProbe, arch: str) -> None:
    probe, prompts = exact(tiny(arch)), random_prompts(6)
    (together,) = read_states(probe, [prompts], (1, 2, 3))
    alone = np.concatenate([next(read_states(probe, [[p]], (1, 2, 3))) for p in prompts])
    # batches of another size are summed in another order; measured: 6e-5
    close(together, alone, 1e-3)


def test_batches_come_one_by_one_then_end(tiny: Tiny, exact: OpenProbe) -> None:
    probe, prompts = exact(tiny()), random_prompts(40)
    reading = read_states(probe, cut(prompts, [20, 20]), (3,))
    assert next(reading).shape == (20, 1, 64)
    assert next(reading).shape == (20, 1, 64)
    assert next(reading, None) is None
