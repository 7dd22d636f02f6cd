"""The golden numbers of an independent implementation (see parity.py, `make parity`)."""

from __future__ import annotations

import pytest
from parity import GOLDEN, compare, load

from llprobe.engine.probe import Probe
from llprobe.model import ModelInfo, resolve
from llprobe.settings import EngineSettings

pytestmark = [
    pytest.mark.model,
    pytest.mark.skipif(
        not GOLDEN.is_dir(), reason=f"NO PARITY TEST: the golden numbers are not at {GOLDEN}"
    ),
]


@pytest.fixture(scope="module")
def default() -> ModelInfo:
    return resolve("smollm2-135m", fetch=True)


# What llama.cpp's 8-bit activations leave; the method itself is held to float32 in test_score.py.
@pytest.mark.parametrize(
    ("task", "n", "median", "p99"), [("lama", 6, 0.008, 0.06), ("truthfulqa", 1, 0.006, 0.06)]
)
def test_the_shipped_file_agrees_to_its_own_arithmetic(
    default: ModelInfo, task: str, n: int, median: float, p99: float
) -> None:
    with Probe(default, EngineSettings()) as probe:
        found = list(compare(probe, task, load(GOLDEN, task)[:n]))
    assert [parity.lens for parity in found] == ["paper", "norm"]
    for parity in found:
        differences = sorted(parity.relative)
        assert differences[len(differences) // 2] < median
        assert differences[int(len(differences) * 0.99)] < p99
        assert len(parity.differing) <= 0.03 * parity.decisions
