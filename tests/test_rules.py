"""The rules of where the head is computed: each branch, with devices that are only numbers."""

from collections.abc import Callable

import numpy as np
import pytest

from llprobe.engine.rules import Holding, Placement, place_head, scale_exponents, wants_trial
from llprobe.errors import RunError

CPU, GPU, OTHER = 1, 2, 3


def held(name: str, device: int | None, *usable: int) -> Holding:
    return Holding(name, device, lambda asked: asked in usable)


def never(device: int) -> bool:
    raise AssertionError(f"device {device} was asked for its ops")


def always(_device: int) -> bool:
    return True


@pytest.mark.parametrize(
    ("matrix", "norm", "computes", "placed"),
    [
        pytest.param(
            held("m", None, CPU), held("n", None, CPU), never, Placement(CPU), id="NULL device"
        ),
        pytest.param(
            held("m", CPU, CPU), held("n", None, CPU), never, Placement(CPU), id="repacked"
        ),
        pytest.param(held("m", GPU, GPU), held("n", GPU, GPU), always, Placement(GPU), id="GPU"),
        pytest.param(
            held("m", GPU, CPU), held("n", GPU, CPU), never, Placement(CPU), id="pinned host memory"
        ),
        pytest.param(
            held("m", GPU, GPU), held("n", None, CPU), never, Placement(CPU, ("m",)),
            id="a norm that only the host reads",
        ),
        pytest.param(
            held("m", GPU), held("n", GPU), never, Placement(CPU, ("m", "n")),
            id="a buffer that nobody uses",
        ),
        pytest.param(
            held("m", None), held("n", None, CPU), never, Placement(CPU, ("m",)),
            id="host memory that the CPU does not use",
        ),
        pytest.param(
            held("m", GPU, GPU), held("n", GPU, GPU), lambda _: False, Placement(CPU, ("m", "n")),
            id="unsupported op",
        ),
        pytest.param(
            held("m", GPU, GPU), held("n", OTHER, OTHER), never, Placement(CPU, ("m", "n")),
            id="weights on two devices",
        ),
    ],
)  # fmt: skip
def test_where_the_head_goes(
    matrix: Holding, norm: Holding, computes: Callable[[int], bool], placed: Placement
) -> None:
    assert place_head(matrix, [norm, matrix], computes, CPU) == Placement(
        placed.device, tuple(name for name in ("n", "m") if name in placed.copied)
    )


def test_only_the_cpu_is_believed_untried() -> None:
    assert not wants_trial(CPU, CPU)
    assert wants_trial(GPU, CPU)


def test_scaled_columns_stay_far_below_what_half_precision_holds_and_come_back_exactly() -> None:
    peaks = np.float32([0, 1e-30, 1, 1023, 1024, 65_504, 65_536, 1e30])
    hidden = np.stack([peaks, -peaks / 3], axis=1)
    exponents = scale_exponents(hidden)
    assert exponents.tolist()[:4] == [0, 0, 0, 0]
    assert (exponents[4:] > 0).all()
    scaled = np.ldexp(hidden, -exponents[:, None])
    assert np.abs(scaled).max() <= 1024
    assert np.isfinite(scaled.astype(np.float16)).all()
    assert (np.ldexp(scaled, exponents[:, None]) == hidden).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_states_that_are_not_finite_are_refused(bad: float) -> None:
    with pytest.raises(RunError, match="not finite"):
        scale_exponents(np.float32([[1, 2], [3, bad]]))
