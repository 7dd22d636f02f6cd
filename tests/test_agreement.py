"""How a device's agreement with the CPU is said."""

import numpy as np
import pytest

from llprobe.agreement import Agreement, in_words


@pytest.mark.parametrize(
    ("differences", "said"),
    [
        ([0.0, 0.0], "X agrees with the CPU to the last bit at every layer"),
        ([0.001, 0.003], "X agrees with the CPU to 0.3% at every layer"),
        ([0.1, 0.02], "X agrees with the CPU to 10% at every layer"),
        (
            [0.01, 0.12, 0.11],
            "X differs from the CPU by up to 12% from layer 2 on: do not trust it, use -ngl 0",
        ),
        (
            [0.01, 0.02, np.nan],
            "X gives what are no numbers from layer 3 on: do not trust it, use -ngl 0",
        ),
        (
            [np.inf, 0.02],
            "X gives what are no numbers from layer 1 on: do not trust it, use -ngl 0",
        ),
    ],
)
def test_words(differences: list[float], said: str) -> None:
    found = Agreement("X", np.array(differences))
    assert in_words(found) == said
    assert found.trusted == ("agrees" in said)


def test_the_remedy_is_the_caller_s() -> None:
    assert in_words(Agreement("X", np.ones(1)), "the CPU").endswith("use the CPU")
