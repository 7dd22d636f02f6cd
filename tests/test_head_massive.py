"""States with massive activations through the replayed head: nothing over- or underflows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import OpenProbe
from headhelp import ASKED, HIDDEN, N_EMBD, ROWS, Floats, distance, reference
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from tinygguf import QUANTS

from llprobe.engine import head as head_module
from llprobe.engine.head import scale_exponents

Tiny = Callable[..., Path]


@given(
    arrays.arrays(
        np.float32,
        st.tuples(st.integers(1, 5), st.integers(1, 4)),
        elements=st.floats(allow_nan=False, allow_infinity=False, width=32),
    )
)
def test_scaled_rows_stay_small_and_small_rows_are_left_alone(hidden: Any) -> None:
    exponents = scale_exponents(hidden)
    scaled = np.ldexp(hidden.astype(np.float64), -exponents[:, None])
    peak = np.abs(hidden).max(axis=1)
    assert exponents.shape == (len(hidden),)
    assert (exponents >= 0).all()
    assert (np.abs(scaled) < 2**14).all()
    assert (exponents[peak < 512] == 0).all()
    # No further down than needed: the peak keeps its place.
    assert (np.abs(scaled).max(axis=1)[exponents > 0] >= 256).all()


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_a_state_that_is_not_finite_has_no_log_probs_and_the_others_have_theirs(
    tiny: Tiny, probe: OpenProbe, value: float
) -> None:
    hidden = HIDDEN.copy()
    hidden[3, 5] = value
    head = probe(tiny()).head
    for normed in (True, False):
        broken = head.log_probs(hidden, ROWS, ASKED, normed=normed)
        expected = head.log_probs(HIDDEN, ROWS, ASKED, normed=normed)
        np.testing.assert_array_equal(broken, np.where(ROWS == 3, np.nan, expected))


@pytest.mark.parametrize("quant", ["F32", "F16", "Q8_0"])
@pytest.mark.parametrize("power", [12, 20, 40])
def test_states_scaled_by_a_power_of_two_give_exactly_scaled_logits(
    tiny: Tiny, probe: OpenProbe, quant: str, power: int
) -> None:
    # Exact because scaling back is; Q4_1 and Q5_1 also keep sums, in half precision.
    head = probe(tiny(quant=quant)).head
    plain = head.logits(HIDDEN, normed=False)
    np.testing.assert_array_equal(
        head.logits(np.ldexp(HIDDEN, power), normed=False), np.ldexp(plain, power)
    )


@pytest.mark.parametrize("quant", QUANTS)
@pytest.mark.parametrize("shape", ["either sign", "one sign", "just below the limit", "one peak"])
def test_massive_activations_do_not_overflow(
    tiny: Tiny, probe: OpenProbe, quant: str, shape: str
) -> None:
    # Half precision ends at 65,504: for F16 that bounds each value, for Q4_1 and Q5_1 the sum of
    # a block of 32 too.
    hidden = {
        "either sign": HIDDEN * np.float32(1e6),
        "one sign": np.abs(HIDDEN) * np.float32(1e6),
        "just below the limit": np.full_like(HIDDEN, 16_383) + HIDDEN,
        "one peak": HIDDEN + np.float32(1e6) * (np.arange(N_EMBD) == 7),
    }[shape].astype(np.float32)
    opened = probe(tiny(quant=quant))
    theirs = reference(opened)
    ours = opened.head.logits(hidden, normed=False)
    assert distance(ours, theirs.logits(hidden, normed=False)).max() < 0.1
    log_probs = opened.head.log_probs(hidden, ROWS, ASKED, normed=False)
    expected = theirs.log_probs(hidden, ROWS, ASKED, normed=False)
    assert distance(log_probs, expected).max() < 0.1
    assert log_probs.min() < -1e3, "log-probs this near to 0 would prove little"


def test_without_scaling_massive_activations_would_be_no_numbers(
    tiny: Tiny, probe: OpenProbe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(hidden: Floats) -> NDArray[np.int32]:
        return np.zeros(len(hidden), np.int32)

    monkeypatch.setattr(head_module, "scale_exponents", none)
    head = probe(tiny(quant="F16")).head
    log_probs = head.log_probs(HIDDEN * np.float32(1e6), ROWS, ASKED, normed=False)
    assert not np.isfinite(log_probs).all()


def test_a_hopeless_token_s_log_prob_does_not_underflow(tiny: Tiny, probe: OpenProbe) -> None:
    opened = probe(tiny())
    hidden = HIDDEN * np.float32(1e5)
    worst = opened.head.logits(hidden, normed=False).argmin(axis=1)
    rows = np.arange(len(hidden))
    ours = opened.head.log_probs(hidden, rows, worst, normed=False)
    theirs = reference(opened).log_probs(hidden, rows, worst, normed=False)
    assert ours.max() < -1e5, "exp() of it is 0"
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
