"""The replayed head against plain numpy, against the oracle, and against being tampered with."""

import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import OpenProbe
from gguf import GGUFReader
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from nativellama import native_logits, tokenised
from numpy.typing import NDArray
from oracle import NumpyLlama
from tinygguf import ARCHITECTURES, QUANTS

from llprobe.engine import head as head_module
from llprobe.engine import probe as probe_module
from llprobe.engine.capture import Recorder
from llprobe.engine.ggml import lib
from llprobe.engine.head import Head, Step, record_head, scale_exponents
from llprobe.engine.probe import Probe
from llprobe.engine.reference import ReferenceHead
from llprobe.engine.session import Context
from llprobe.errors import ModelFileError, ModelNotSupported, RunError

Floats = NDArray[np.floating[Any]]
Tiny = Callable[..., Path]

N_EMBD, N_VOCAB = 64, 384
RANDOM = np.random.default_rng(11)
# Residual streams: of the size of a normed state, and as large as real ones become.
HIDDEN = (RANDOM.standard_normal((70, N_EMBD)) * 3).astype(np.float32)
ROWS = np.sort(RANDOM.integers(0, len(HIDDEN), 200))
ASKED = RANDOM.integers(0, N_VOCAB, len(ROWS))
# In standard deviations of the logits; measured: 7e-7 over all architectures.
EXACT = 5e-6
# In nats; measured: 5e-6.
EXACT_LOG_PROB = 5e-5


def reference(probe: Probe) -> ReferenceHead:
    return ReferenceHead(probe.model.info.paths, probe.head._steps)


def distance(ours: Floats, theirs: Floats) -> Floats:
    assert ours.shape == theirs.shape
    assert theirs.std() > 0.5
    return np.asarray(np.abs(ours - theirs) / theirs.std())


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_the_head_of_every_architecture_equals_plain_numpy(
    tiny: Tiny, probe: OpenProbe, arch: str
) -> None:
    opened = probe(tiny(arch))
    theirs = reference(opened)
    for normed in (True, False):
        ours = opened.head.logits(HIDDEN, normed=normed)
        assert distance(ours, theirs.logits(HIDDEN, normed=normed)).max() < EXACT
        np.testing.assert_allclose(
            opened.head.log_probs(HIDDEN, ROWS, ASKED, normed=normed),
            theirs.log_probs(HIDDEN, ROWS, ASKED, normed=normed),
            rtol=0,
            atol=EXACT_LOG_PROB,
        )


@pytest.mark.parametrize("quant", [quant for quant in QUANTS if quant != "F32"])
@pytest.mark.parametrize("tied", [False, True])
def test_a_quantised_head_is_near_plain_numpy(
    tiny: Tiny, probe: OpenProbe, quant: str, tied: bool
) -> None:
    # The device rounds the states as well, to 11 bits or to blocks of 8-bit integers; measured:
    # median 1.4e-4 for F16, 1.1e-3 for BF16, 4e-3 for the others, and a worst of 8 medians.
    opened, bound = (
        probe(tiny(quant=quant, tied=tied)),
        {"F16": 5e-4, "BF16": 3e-3}.get(quant, 0.01),
    )
    theirs = reference(opened)
    for normed in (True, False):
        expected = theirs.logits(HIDDEN, normed=normed)
        off = distance(opened.head.logits(HIDDEN, normed=normed), expected)
        assert np.median(off) < bound
        assert off.max() < 15 * bound
        ours = opened.head.log_probs(HIDDEN, ROWS, ASKED, normed=normed)
        gap = np.abs(ours - theirs.log_probs(HIDDEN, ROWS, ASKED, normed=normed))
        assert np.median(gap) < 10 * bound


@pytest.mark.parametrize("tied", [False, True])
def test_log_probs_equal_the_oracles(tiny: Tiny, probe: OpenProbe, tied: bool) -> None:
    path = tiny(tied=tied)
    head, oracle = probe(path).head, NumpyLlama(path)
    for normed in (True, False):
        ours = head.log_probs(HIDDEN, ROWS, ASKED, normed=normed)
        theirs = oracle.log_probs(HIDDEN, normed=normed)[ROWS, ASKED]
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=EXACT_LOG_PROB)


@pytest.mark.parametrize("arch", ["gemma2", "granite", "phi2", "command-r"])
def test_without_the_norm_scales_caps_and_biases_stay(
    tiny: Tiny, probe: OpenProbe, arch: str
) -> None:
    path = tiny(arch)
    weights = {tensor.name: tensor.data.astype(float) for tensor in GGUFReader(path).tensors}
    matrix = weights.get("output.weight", weights["token_embd.weight"])
    plain = HIDDEN.astype(float) @ matrix.T
    expected = {
        "gemma2": 8 * np.tanh(plain / 8),
        "granite": plain / 4,
        "phi2": plain + weights.get("output.bias", 0),
        "command-r": plain * 0.5,
    }[arch]
    head = probe(path).head
    assert distance(head.logits(HIDDEN, normed=False), expected).max() < EXACT
    assert distance(plain, expected).max() > 0.05, "the head does no more than multiply"
    assert distance(head.logits(HIDDEN, normed=True), expected).max() > 0.1


# --- chunks -------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 15, 16, 17, 33, 64, 65, 70])
def test_any_number_of_rows_gives_the_same_numbers(tiny: Tiny, probe: OpenProbe, n: int) -> None:
    opened = probe(tiny())
    few, asked = ROWS[n > ROWS], ASKED[: int((n > ROWS).sum())]
    theirs = reference(opened)
    whole = opened.head.logits(HIDDEN[:n], normed=True)
    assert whole.shape == (n, N_VOCAB)
    assert whole.dtype == np.float32
    assert np.abs(whole - theirs.logits(HIDDEN[:n], normed=True)).max() < EXACT * 3
    ours = opened.head.log_probs(HIDDEN[:n], few, asked, normed=True)
    assert ours.dtype == np.float64
    np.testing.assert_allclose(
        ours, theirs.log_probs(HIDDEN, few, asked, normed=True), rtol=0, atol=EXACT_LOG_PROB
    )


def test_rows_without_targets_and_many_targets_a_row(tiny: Tiny, probe: OpenProbe) -> None:
    # All of one row's tokens, and none of the rows before it: more targets than a chunk has
    # room for at first, all in the second chunk.
    opened = probe(tiny())
    rows, tokens = np.full(N_VOCAB, 66), np.arange(N_VOCAB)
    before = opened.head.log_probs(HIDDEN, ROWS, ASKED, normed=True)
    ours = opened.head.log_probs(HIDDEN, rows, tokens, normed=True)
    assert np.exp(ours).sum() == pytest.approx(1.0, abs=1e-6)
    np.testing.assert_allclose(
        ours, reference(opened).log_probs(HIDDEN, rows, tokens, normed=True), atol=EXACT_LOG_PROB
    )
    again = opened.head.log_probs(HIDDEN, ROWS, ASKED, normed=True)
    np.testing.assert_array_equal(again, before, "room for more targets changed the numbers")
    none = opened.head.log_probs(HIDDEN, rows[:0], tokens[:0], normed=True)
    assert none.shape == (0,)


@pytest.mark.parametrize(("kib", "rows"), [(1, 16), (47, 16), (48, 32), (96, 64), (9999, 64)])
def test_a_chunk_s_logits_fit_the_memory_given(
    tiny: Tiny, probe: OpenProbe, kib: int, rows: int
) -> None:
    # 384 logits of 4 bytes are 1.5 KiB a row; 16 rows are the least.
    opened = probe(tiny())
    with Head(opened.head._steps, opened.head._backend, kib << 10) as head:
        assert head.chunk_rows == rows
        ours = head.log_probs(HIDDEN, ROWS, ASKED, normed=True)
    theirs = opened.head.log_probs(HIDDEN, ROWS, ASKED, normed=True)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=EXACT_LOG_PROB)


def test_the_same_call_twice_is_bit_equal(tiny: Tiny, probe: OpenProbe) -> None:
    head = probe(tiny(quant="Q4_1")).head
    first, again = (head.log_probs(HIDDEN, ROWS, ASKED, normed=False) for _ in range(2))
    np.testing.assert_array_equal(first, again)


# --- massive activations ------------------------------------------------------------------------


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
def test_a_state_that_is_not_finite_is_an_error(tiny: Tiny, probe: OpenProbe, value: float) -> None:
    hidden = HIDDEN.copy()
    hidden[3, 5] = value
    head = probe(tiny()).head
    for normed in (True, False):
        with pytest.raises(RunError, match="not finite"):
            head.log_probs(hidden, ROWS, ASKED, normed=normed)


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


def test_without_scaling_massive_activations_would_be_an_error_not_a_number(
    tiny: Tiny, probe: OpenProbe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(hidden: Floats) -> NDArray[np.int32]:
        return np.zeros(len(hidden), np.int32)

    monkeypatch.setattr(head_module, "scale_exponents", none)
    head = probe(tiny(quant="F16")).head
    with pytest.raises(RunError, match="not finite"):
        head.log_probs(HIDDEN * np.float32(1e6), ROWS, ASKED, normed=False)


def test_a_hopeless_token_s_log_prob_does_not_underflow(tiny: Tiny, probe: OpenProbe) -> None:
    opened = probe(tiny())
    hidden = HIDDEN * np.float32(1e5)
    worst = opened.head.logits(hidden, normed=False).argmin(axis=1)
    rows = np.arange(len(hidden))
    ours = opened.head.log_probs(hidden, rows, worst, normed=False)
    theirs = reference(opened).log_probs(hidden, rows, worst, normed=False)
    assert ours.max() < -1e5, "exp() of it is 0"
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


# --- the self-check, and what is refused --------------------------------------------------------


@pytest.mark.parametrize("arch", ["llama", "gemma2", "phi2"])
def test_the_check_compares_with_llama_cpp_s_own_logits(
    tiny: Tiny, probe: OpenProbe, arch: str
) -> None:
    # Held against logits that another decode, outside of llprobe, gives for the same text.
    path = tiny(arch)
    opened = probe(path, kv_f32=True, flash_attention=False)
    tokens = tokenised(path, probe_module._TEXT)[:14]
    with Context(opened.model, 32, 1, 14) as context:
        probe_module._decode_all(context, tokens)
        own = context.logits(14)
    (theirs,) = native_logits(path, tokens)
    assert opened.check.n_tokens == len(tokens) == 14
    np.testing.assert_allclose(own, theirs, rtol=0, atol=1e-4)


def without(op: str) -> Callable[[Step], Step | None]:
    return lambda step: None if step.op == op else step


def with_parameter(op: str, value: float) -> Callable[[Step], Step]:
    params = struct.pack("2f", value, 0.0) + bytes(56)
    return lambda step: replace(step, params=params) if step.op == op else step


def swapped(first: str, second: str) -> Callable[[Step], Step]:
    names = {first: second, second: first}
    return lambda step: replace(step, op=names.get(step.op, step.op))


TAMPERED = {
    "an epsilon": ("llama", with_parameter("RMS_NORM", 1.0)),
    "a scale that is not a number": ("granite", with_parameter("SCALE", np.nan)),
    "a norm of another kind": ("llama", lambda s: replace(s, op=s.op.replace("RMS_", ""))),
    "a norm's weight": ("llama", without("MUL")),
    "a norm's bias": ("gpt2", without("ADD")),
    "weight and bias exchanged": ("gpt2", swapped("MUL", "ADD")),
    "a scale": ("granite", with_parameter("SCALE", 0.24)),
    "a soft cap": ("gemma2", without("TANH")),
    "a bias": ("phi2", without("ADD")),
}


@pytest.mark.parametrize(("arch", "change"), TAMPERED.values(), ids=TAMPERED)
def test_a_head_that_is_replayed_wrongly_is_refused_with_the_difference(
    tiny: Tiny,
    probe: OpenProbe,
    monkeypatch: pytest.MonkeyPatch,
    arch: str,
    change: Callable[[Step], Step | None],
) -> None:
    def tampered(nodes: Sequence[Any], n_layers: int) -> tuple[Step, ...]:
        return tuple(step for step in map(change, record_head(nodes, n_layers)) if step)

    path = tiny(arch)
    monkeypatch.setattr(probe_module, "record_head", tampered)
    with pytest.raises(ModelNotSupported, match=r"differs from llama.cpp's logits by (\d|nan)"):
        probe(path)


@pytest.mark.parametrize(
    ("arch", "op", "message"),
    [
        ("llama", b"RMS_NORM", r"op WIBBLE \(norm\) is not known"),
        ("granite", b"SCALE", r"op WIBBLE \(result_output\) is not known"),
        ("llama", b"MUL_MAT", r"op WIBBLE \(result_output\) is not known"),
    ],
)
def test_an_op_that_is_not_known_is_refused_by_name(
    tiny: Tiny,
    probe: OpenProbe,
    monkeypatch: pytest.MonkeyPatch,
    arch: str,
    op: bytes,
    message: str,
) -> None:
    name_of = lib.ggml_op_name
    monkeypatch.setattr(
        lib, "ggml_op_name", lambda n: b"WIBBLE" if name_of(n) == op else name_of(n)
    )
    with pytest.raises(ModelNotSupported, match=message):
        probe(tiny(arch))


def test_a_unary_op_that_is_not_known_is_refused_by_name(
    tiny: Tiny, probe: OpenProbe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lib, "ggml_unary_op_name", lambda _op: b"SOFTPLUS")
    with pytest.raises(ModelNotSupported, match="op SOFTPLUS"):
        probe(tiny("gemma2"))


def test_a_head_that_reads_what_is_no_weight_is_refused_by_name(
    tiny: Tiny, probe: OpenProbe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lib, "ggml_backend_buffer_get_usage", lambda _buffer: 2)
    with pytest.raises(ModelNotSupported, match=r"output_norm\.weight, which result_norm reads"):
        probe(tiny())


@pytest.mark.parametrize(
    ("hidden", "message"),
    [
        (b"l_out-2", "no tensor l_out-2"),
        (b"result_output", "no tensor result_output"),
    ],
)
def test_a_graph_without_a_block_output_or_logits_is_refused_by_name(
    tiny: Tiny,
    probe: OpenProbe,
    monkeypatch: pytest.MonkeyPatch,
    hidden: bytes,
    message: str,
) -> None:
    def unseen(recorder: Any, tensor: Any, ask: bool) -> bool:
        if tensor.contents.name != hidden:
            record(recorder, tensor, ask)
        return True

    record = Recorder.__call__
    monkeypatch.setattr(Recorder, "__call__", unseen)
    with pytest.raises(ModelNotSupported, match=message):
        probe(tiny())


def test_a_device_that_cannot_compute_a_step_is_refused_by_name(
    tiny: Tiny, probe: OpenProbe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def supports(_device: int, tensor: Any) -> bool:
        return bool(lib.ggml_op_name(tensor.contents.op) != b"RMS_NORM")

    monkeypatch.setattr(lib, "ggml_backend_dev_supports_op", supports)
    with pytest.raises(ModelNotSupported, match="CPU cannot compute RMS_NORM for norm: try -ngl 0"):
        probe(tiny())


def test_the_reference_refuses_what_it_does_not_compute(tiny: Tiny, probe: OpenProbe) -> None:
    opened = probe(tiny())
    steps, paths = opened.head._steps, opened.model.info.paths
    with pytest.raises(ModelNotSupported, match="GELU"):
        ReferenceHead(paths, [replace(steps[0], op="GELU"), *steps[1:]])
    with pytest.raises(ModelFileError, match=r"output\.weight"):
        ReferenceHead([tiny(tied=True)], steps)
