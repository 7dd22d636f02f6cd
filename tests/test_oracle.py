"""The numpy oracle, held against llama.cpp's own logits.

Errors are in units of the standard deviation of llama.cpp's logits.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import llama_cpp.llama_cpp as native
import numpy as np
import pytest
from gguf import GGUFReader
from nativellama import errors, native_logits
from numpy.typing import NDArray
from oracle import Lens, NumpyLlama, Part
from tinygguf import QUANTS, WIDE, write_tiny

Floats = NDArray[np.floating[Any]]

TOKENS = [int(token) for token in np.random.default_rng(7).integers(3, 384, 40)]
PROMPT, OPTION = TOKENS[:12], TOKENS[12:17]
# Measured: at most 8e-6, over all variants below.
EXACT = 3e-5
N_LAYERS = 3


def oracle_logits(path: Path, tokens: Sequence[int] = TOKENS, *, rounded: bool = False) -> Floats:
    model = NumpyLlama(path, rounded=rounded)
    return model.logits(model.hidden_states(tokens)[-1], normed=True)


def log_softmax(logits: Floats) -> Floats:
    wide = logits.astype(np.float64)
    return np.asarray(wide - np.log(np.exp(wide).sum(axis=-1, keepdims=True)))


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("n_kv_heads", [4, 2, 1])
def test_oracle_equals_llama_cpp_in_float32(tmp_path: Path, tied: bool, n_kv_heads: int) -> None:
    path = write_tiny(tmp_path / "m.gguf", tied=tied, n_kv_heads=n_kv_heads)
    (theirs,) = native_logits(path, TOKENS)
    assert errors(oracle_logits(path), theirs).max() < EXACT


@pytest.mark.parametrize(
    "options",
    [
        {"rope_freq_base": 500_000.0},
        {"rope_linear": 4.0},
        {"rope_freqs": True},
        {"head_dim": 32},
        {"n_layers": 7, "tokenizer": "spm", "seed": 5},
        WIDE,
    ],
    ids=str,
)
def test_oracle_equals_llama_cpp_in_other_shapes(tmp_path: Path, options: dict[str, Any]) -> None:
    path = write_tiny(tmp_path / "m.gguf", **options)
    (theirs,) = native_logits(path, TOKENS)
    assert errors(oracle_logits(path), theirs).max() < EXACT
    (plain,) = native_logits(write_tiny(tmp_path / "plain.gguf"), TOKENS)
    assert errors(plain, theirs).max() > 0.1, "the option changes nothing"


@pytest.mark.parametrize(
    ("quant", "median", "worst"),
    [("F16", 3e-3, 4e-2), ("Q8_0", 0.05, 0.6), ("Q4_0", 0.05, 0.6), ("Q4_1", 0.05, 0.6)],
)
def test_oracle_is_near_llama_cpp_on_quantised_weights(
    tmp_path: Path, quant: str, median: float, worst: float
) -> None:
    # llama.cpp rounds the inputs of each product too: 11 bits of mantissa for F16, blocks of
    # 8-bit integers for the others. Measured: F16 8e-4 and 9e-3, the others 0.02 and 0.22.
    path = write_tiny(tmp_path / "m.gguf", quant=quant)
    (theirs,) = native_logits(path, TOKENS)
    error = errors(oracle_logits(path), theirs)
    assert np.median(error) < median
    assert error.max() < worst


@pytest.mark.parametrize("quant", [quant for quant in QUANTS if quant not in {"F16", "F32"}])
@pytest.mark.parametrize("tied", [False, True])
def test_rounded_as_kernels_do_the_oracle_equals_llama_cpp(
    tmp_path: Path, quant: str, tied: bool
) -> None:
    # This explains the whole difference above. A value on the edge between two steps may fall to
    # either side, which shifts what follows by some 0.01: hence the median over short sequences
    # (measured: 2e-7; without the rounding 0.01). F16 is left out, since processors with float16
    # arithmetic also add in it.
    path = write_tiny(tmp_path / "m.gguf", quant=quant, tied=tied)
    sequences = [TOKENS[start : start + 4] for start in range(0, len(TOKENS), 4)]
    model = NumpyLlama(path, rounded=True)
    worst = [
        errors(model.logits(model.hidden_states(tokens)[-1], normed=True), theirs).max()
        for tokens, theirs in zip(sequences, native_logits(path, *sequences), strict=True)
    ]
    assert np.median(worst) < 1e-5


def test_oracle_reads_k_quants(tmp_path: Path) -> None:
    path, target = write_tiny(tmp_path / "f32.gguf", **WIDE), tmp_path / "q4_k.gguf"
    params = native.llama_model_quantize_default_params()
    params.ftype, params.nthread = native.LLAMA_FTYPE_MOSTLY_Q4_K_M, 1
    assert native.llama_model_quantize(str(path).encode(), str(target).encode(), params) == 0
    kinds = {tensor.tensor_type.name for tensor in GGUFReader(target).tensors}
    assert {"Q4_K", "Q6_K", "F32"} <= kinds
    (theirs,) = native_logits(target, TOKENS)
    error = errors(oracle_logits(target), theirs)
    assert np.median(error) < 0.05
    assert np.median(errors(oracle_logits(path), theirs)) > 2 * np.median(error)


@pytest.mark.parametrize("layer", range(1, N_LAYERS + 1))
def test_states_equal_llama_cpp_layer_by_layer(tmp_path: Path, layer: int) -> None:
    # The state after block k, normed and projected, is the output of the model cut off there.
    states = NumpyLlama(path := write_tiny(tmp_path / "m.gguf")).hidden_states(TOKENS)
    assert states.shape == (N_LAYERS + 1, len(TOKENS), 64)
    assert states.dtype == np.float32
    above = tuple(range(layer + 1, N_LAYERS + 1))
    (theirs,) = native_logits(write_tiny(tmp_path / "cut.gguf", skip_blocks=above), TOKENS)
    ours = NumpyLlama(path).logits(states[layer], normed=True)
    assert errors(ours, theirs).max() < EXACT


@pytest.mark.parametrize("block", range(1, N_LAYERS + 1))
def test_a_skipped_block_equals_a_model_written_without_it(tmp_path: Path, block: int) -> None:
    model = NumpyLlama(write_tiny(tmp_path / "m.gguf"))
    shorter = write_tiny(tmp_path / "short.gguf", skip_blocks=(block,))
    states = model.hidden_states(TOKENS, skip={block: "block"})
    np.testing.assert_array_equal(states[block], states[block - 1])
    kept = np.delete(states, block, axis=0)
    np.testing.assert_array_equal(kept, NumpyLlama(shorter).hidden_states(TOKENS))
    (theirs,) = native_logits(shorter, TOKENS)
    assert errors(model.logits(states[-1], normed=True), theirs).max() < EXACT


@pytest.mark.parametrize(("part", "stem"), [("attn", "attn_output"), ("ffn", "ffn_down")])
def test_a_skipped_half_equals_a_model_with_its_output_zeroed(
    tmp_path: Path, part: Part, stem: str
) -> None:
    model = NumpyLlama(write_tiny(tmp_path / "m.gguf"))
    zeroed = write_tiny(tmp_path / "zeroed.gguf", zeroed=(f"blk.1.{stem}.weight",))
    states = model.hidden_states(TOKENS, skip={2: part})
    (theirs,) = native_logits(zeroed, TOKENS)
    assert errors(model.logits(states[-1], normed=True), theirs).max() < EXACT
    assert not np.allclose(states[2], model.hidden_states(TOKENS)[2])


def test_option_logprobs_equal_sums_of_llama_cpps(tmp_path: Path) -> None:
    model = NumpyLlama(write_tiny(tmp_path / "m.gguf"))
    ours = model.option_logprobs(PROMPT, OPTION, "norm")
    assert ours.shape == (N_LAYERS,)
    for layer in range(1, N_LAYERS + 1):
        above = tuple(range(layer + 1, N_LAYERS + 1))
        cut = write_tiny(tmp_path / f"{layer}.gguf", skip_blocks=above)
        (logits,) = native_logits(cut, [*PROMPT, *OPTION])
        rows = log_softmax(logits)[len(PROMPT) - 1 : -1]
        theirs = sum(row[token] for row, token in zip(rows, OPTION, strict=True))
        assert ours[layer - 1] == pytest.approx(theirs, rel=1e-5)


def test_lenses_differ_in_where_the_norm_is_applied(tmp_path: Path) -> None:
    model = NumpyLlama(write_tiny(tmp_path / "m.gguf"))
    lenses: tuple[Lens, ...] = ("norm", "paper", "raw")
    norm, paper, raw = (model.option_logprobs(PROMPT, OPTION, lens) for lens in lenses)
    np.testing.assert_array_equal(paper[:-1], raw[:-1])
    assert paper[-1] == norm[-1]
    assert np.all(np.abs(norm - raw) > 1e-3)
    state = model.hidden_states([*PROMPT, OPTION[0]])[1, len(PROMPT) - 1]
    unnormed = log_softmax(model.logits(state, normed=False))[OPTION[0]]
    assert model.option_logprobs(PROMPT, OPTION[:1], "raw")[0] == pytest.approx(unnormed)
    assert np.exp(model.log_probs(state, normed=True)).sum() == pytest.approx(1.0)


def test_oracle_refuses_what_it_does_not_compute(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="qwen2"):
        NumpyLlama(write_tiny(tmp_path / "q.gguf", "qwen2"))
    model = NumpyLlama(write_tiny(tmp_path / "m.gguf"))
    with pytest.raises(ValueError, match=r"\[4\]"):
        model.hidden_states(TOKENS, skip={4: "block"})
    with pytest.raises(ValueError, match="one token"):
        model.option_logprobs(PROMPT, [], "norm")
