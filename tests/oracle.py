"""LLaMA in plain numpy, read straight from a GGUF file: the reference that tests compare with.

Written from the model's definition and the paper's method. It knows nothing of llama.cpp and
nothing of llprobe, and shares no code with either; slow, and correct to float32 rounding.
Blocks and layers are numbered 1..n as in the paper; 0 is the embedding.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, cast

import gguf
import numpy as np
from gguf.quants import dequantize, quantize
from numpy.typing import NDArray

__all__ = ["Lens", "NumpyLlama", "Part"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Lens = Literal["norm", "paper", "raw"]
"""Which layers' states pass the final norm: all, the last one, or none."""
Part = Literal["block", "attn", "ffn"]
"""What of a block to leave out: all of it, or what one half adds to the residual stream."""

_BLOCK: Final = (
    *("attn_norm", "attn_q", "attn_k", "attn_v", "attn_output"),
    *("ffn_norm", "ffn_gate", "ffn_up", "ffn_down"),
)
# What a CPU kernel for a matrix of each type rounds its other factor to.
_INPUT_TYPES: Final = {
    **{kind: kind for kind in ("F32", "F16", "BF16", "Q8_0")},
    **dict.fromkeys(("Q4_0", "Q4_1", "Q5_0", "Q5_1"), "Q8_0"),
}


class NumpyLlama:
    """A LLaMA read from a GGUF file, with every weight dequantised to float32.

    With `rounded=True`, inputs of matrix products are first rounded as CPU kernels do for the
    matrix' type: to half precision for F16 and BF16, to blocks of 8 bits for Q4_0 to Q8_0. Raises
    ValueError for another architecture and for any tensor, type or scaling not covered here.
    """

    n_layers: int
    n_embd: int
    n_vocab: int

    def __init__(self, path: Path, *, rounded: bool = False) -> None:
        reader = gguf.GGUFReader(path)
        self._meta = _metadata(reader)
        self._weights = _weights(reader)
        self._inputs = _input_types(reader) if rounded else {}
        self._minima = _minima(reader) if rounded else {}
        self.n_layers = int(self._meta["block_count"])
        self.n_embd = int(self._meta["embedding_length"])
        self.n_vocab = len(self._weights["token_embd.weight"])
        self._n_heads = int(self._meta["attention.head_count"])
        self._n_kv_heads = int(self._meta.get("attention.head_count_kv", self._n_heads))
        width = self.n_embd // self._n_heads
        self._head_dim = int(self._meta.get("attention.key_length", width))
        _check_names(self._weights, self.n_layers)

    def hidden_states(
        self, tokens: Sequence[int], skip: Mapping[int, Part] | None = None
    ) -> Floats:
        """Give the residual stream before block 1 and after every block.

        `skip` maps blocks (1..n_layers) to what is left out of them. Returns float32
        (n_layers + 1, n_tokens, n_embd): index 0 the embedding, k the state after block k.
        """
        left_out = dict(skip or {})
        if unknown := set(left_out) - set(range(1, self.n_layers + 1)):
            raise ValueError(f"skip names blocks {sorted(unknown)} of 1..{self.n_layers}")
        states = [self._weights["token_embd.weight"][np.asarray(tokens, dtype=np.int64)]]
        for block in range(1, self.n_layers + 1):
            states.append(self._block(block - 1, states[-1], left_out.get(block)))
        return np.stack(states)

    def logits(self, hidden: Floats, *, normed: bool) -> Floats:
        """Project states (..., n_embd) to logits (..., n_vocab), final norm or not."""
        state = self._norm(hidden, "output_norm.weight") if normed else hidden
        tied = "output.weight" not in self._weights
        return self._times(state, "token_embd.weight" if tied else "output.weight")

    def log_probs(self, hidden: Floats, *, normed: bool) -> Doubles:
        """Give natural-log probabilities (..., n_vocab) of the next token."""
        logits = self.logits(hidden, normed=normed).astype(np.float64)
        shifted = logits - logits.max(axis=-1, keepdims=True)
        return cast("Doubles", shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))

    def layer_log_probs(self, states: Floats, lens: Lens) -> Doubles:
        """Read states as `hidden_states` gives them, layer 0 left out, through a lens.

        Returns (n_layers, n_tokens, n_vocab).
        """
        last = len(states) - 1
        normed = {"norm": range(1, last + 1), "paper": [last], "raw": []}[lens]
        return np.stack([self.log_probs(states[k], normed=k in normed) for k in range(1, last + 1)])

    def option_logprobs(
        self,
        prompt_tokens: Sequence[int],
        option_tokens: Sequence[int],
        lens: Lens,
        skip: Mapping[int, Part] | None = None,
    ) -> Doubles:
        """Sum the option tokens' log-probs, each given all that comes before, at every layer.

        Returns (n_layers,), index 0 is layer 1. Both token lists hold at least one token.
        """
        if not (len(prompt_tokens) and len(option_tokens)):
            raise ValueError("prompt and option need one token each at least")
        states = self.hidden_states([*prompt_tokens, *option_tokens], skip)
        # The last option token predicts nothing that is scored; the last prompt token does.
        predicting = states[:, len(prompt_tokens) - 1 : -1]
        log_probs = self.layer_log_probs(predicting, lens)
        positions = np.arange(len(option_tokens))
        return cast("Doubles", log_probs[:, positions, list(option_tokens)].sum(axis=-1))

    def _block(self, block: int, state: Floats, left_out: Part | None) -> Floats:
        if left_out not in {None, "block", "attn", "ffn"}:
            raise ValueError(f"cannot skip {left_out!r} of a block")
        if left_out == "block":
            return state
        if left_out != "attn":
            state = state + self._attention(block, state)
        if left_out != "ffn":
            state = state + self._feed_forward(block, state)
        return state

    def _attention(self, block: int, state: Floats) -> Floats:
        """Give what causal grouped-query attention adds to states (n_tokens, n_embd)."""
        normed = self._norm(state, f"blk.{block}.attn_norm.weight")
        query, key, value = (
            self._heads(self._times(normed, f"blk.{block}.attn_{name}.weight")) for name in "qkv"
        )
        query, key = self._rotate(query), self._rotate(key)
        shared = self._n_heads // self._n_kv_heads
        key, value = np.repeat(key, shared, axis=0), np.repeat(value, shared, axis=0)
        scores = query @ key.swapaxes(1, 2) / np.float32(np.sqrt(self._head_dim))
        mixed = _softmax(np.where(_future(len(state)), -np.inf, scores)) @ value
        merged = mixed.swapaxes(0, 1).reshape(len(state), -1)
        return self._times(merged, f"blk.{block}.attn_output.weight")

    def _feed_forward(self, block: int, state: Floats) -> Floats:
        """Give what the SwiGLU feed-forward adds to states (n_tokens, n_embd)."""
        normed = self._norm(state, f"blk.{block}.ffn_norm.weight")
        gate = self._times(normed, f"blk.{block}.ffn_gate.weight")
        up = self._times(normed, f"blk.{block}.ffn_up.weight")
        return self._times(gate / (1 + np.exp(-gate)) * up, f"blk.{block}.ffn_down.weight")

    def _heads(self, flat: Floats) -> Floats:
        """Split (n_tokens, heads * head_dim) into (heads, n_tokens, head_dim)."""
        return flat.reshape(len(flat), -1, self._head_dim).swapaxes(0, 1)

    def _rotate(self, heads: Floats) -> Floats:
        """Turn neighbouring pairs of (heads, n_tokens, head_dim) by their positions' angles."""
        pairs = np.arange(self._head_dim // 2)
        base = float(self._meta.get("rope.freq_base", 10_000.0))
        speed = base ** (-2.0 * pairs / self._head_dim) * self._position_scale()
        speed = speed / self._weights.get("rope_freqs.weight", np.float32(1.0))
        turn = np.exp(1j * np.arange(heads.shape[1])[:, None] * speed)
        turned = (heads[..., ::2] + 1j * heads[..., 1::2]) * turn
        return np.stack([turned.real, turned.imag], -1).reshape(heads.shape).astype(np.float32)

    def _position_scale(self) -> float:
        kind = self._meta.get("rope.scaling.type", "none")
        if kind not in {"none", "linear"}:
            raise ValueError(f"the oracle knows no RoPE scaling of type {kind!r}")
        return 1.0 / float(self._meta.get("rope.scaling.factor", 1.0))

    def _norm(self, state: Floats, name: str) -> Floats:
        """Divide by the root mean square over the last axis, and scale by the named weight."""
        epsilon = float(self._meta["attention.layer_norm_rms_epsilon"])
        mean = np.square(state, dtype=np.float64).mean(axis=-1, keepdims=True)
        unit = np.asarray(state / np.sqrt(mean + epsilon), dtype=np.float32)
        return unit * self._weights[name]

    def _times(self, state: Floats, name: str) -> Floats:
        """Multiply (..., columns) by the named matrix (rows, columns), to (..., rows)."""
        rounded = state
        if kind := self._inputs.get(name):
            rounded = np.asarray(dequantize(quantize(state, kind), kind), dtype=np.float32)
        product = rounded @ self._weights[name].T
        if name in self._minima:
            product += _sum_errors(state) @ self._minima[name].T
        return np.asarray(product, dtype=np.float32)


def _metadata(reader: Any) -> dict[str, Any]:
    """Give the architecture's own metadata, without the prefix; refuse all but plain LLaMA."""
    arch = reader.get_field("general.architecture").contents()
    if arch != "llama":
        raise ValueError(f"the oracle computes LLaMA, not {arch!r}")
    return {
        name.removeprefix("llama."): field.contents()
        for name, field in reader.fields.items()
        if name.startswith("llama.")
    }


def _weights(reader: Any) -> dict[str, Floats]:
    """Give every tensor of the file as float32, matrices as (rows, columns)."""
    return {
        tensor.name: np.asarray(dequantize(tensor.data, tensor.tensor_type), dtype=np.float32)
        for tensor in reader.tensors
    }


def _check_names(names: Mapping[str, Floats], n_layers: int) -> None:
    """Refuse a file that holds a tensor too many or too few: its model is another one."""
    needed = {"token_embd.weight", "output_norm.weight"}
    needed |= {f"blk.{block}.{stem}.weight" for block in range(n_layers) for stem in _BLOCK}
    odd = (set(names) ^ needed) - {"output.weight", "rope_freqs.weight"}
    if odd:
        raise ValueError(f"the oracle does not cover a model that differs in {sorted(odd)}")


def _input_types(reader: Any) -> dict[str, Any]:
    """Give, for every matrix of the file, the GGML type that its other factor is rounded to."""
    kinds = {tensor.name: tensor.tensor_type.name for tensor in reader.tensors}
    if unknown := set(kinds.values()) - set(_INPUT_TYPES):
        raise ValueError(f"the oracle does not know what {sorted(unknown)} matrices round to")
    return {
        name: gguf.GGMLQuantizationType[_INPUT_TYPES[kind]]
        for name, kind in kinds.items()
        if kind != "F32"
    }


def _minima(reader: Any) -> dict[str, Floats]:
    """Give the blocks' minima (rows, blocks) of every matrix whose type has them."""
    minima = {}
    for tensor in reader.tensors:
        if tensor.tensor_type.name in {"Q4_1", "Q5_1"}:
            size = gguf.GGML_QUANT_SIZES[tensor.tensor_type][1]
            blocks = tensor.data.reshape(len(tensor.data), -1, size)
            # A block begins with two float16: its scale, then its minimum.
            minima[tensor.name] = blocks[..., 2:4].copy().view(np.float16)[..., 0]
    return {name: values.astype(np.float32) for name, values in minima.items()}


def _sum_errors(state: Floats) -> Floats:
    """Give (..., blocks): how far a block's sum, kept apart in float16, is from its values' sum.

    Kernels multiply a Q4_1 or Q5_1 block's minimum with that sum, not with the values.
    """
    blocks = state.reshape(*state.shape[:-1], -1, 32)
    scale = np.abs(blocks).max(axis=-1) / np.float32(127)
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.nan_to_num(np.round(blocks / scale[..., None])).sum(axis=-1)
    kept = (steps * scale).astype(np.float16).astype(np.float32)
    return np.asarray(kept - steps * scale.astype(np.float16), dtype=np.float32)


def _future(n_tokens: int) -> NDArray[np.bool_]:
    """Give (n_tokens, n_tokens), True where a row's position must not see a column's."""
    return np.triu(np.ones((n_tokens, n_tokens), dtype=bool), k=1)


def _softmax(scores: Floats) -> Floats:
    """Give probabilities over the last axis."""
    weights = np.exp((scores - scores.max(axis=-1, keepdims=True)).astype(np.float64))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True), dtype=np.float32)
