"""Damage to a GGUF file's container: counts, lengths, types, the tensor table and its offsets.

Each function changes a draft in place, by what a seeded generator draws. This module does not know
which keys or tensors a model needs.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from random import Random
from typing import Final

import gguf
from ggufdraft import ARRAY, STRING, Draft, Pair, Tensor, pack, words

__all__ = ["CONTAINER", "TYPES", "Change", "wrong"]

_HUGE: Final = (1 << 15, 1 << 20, 1 << 31, (1 << 32) - 1, 1 << 33, 1 << 40, 1 << 62, 1 << 63)
TYPES: Final = tuple(sorted(int(kind) for kind in gguf.GGMLQuantizationType))

Change = Callable[[Draft, Random], None]


def wrong(rng: Random, old: int) -> int:
    """Draw a number that is wrong in place of `old`: near it, small, or huge."""
    near = (old - 1, old + 1, old * 2, old // 2, old * 3, -old)
    return rng.choice((0, 1, rng.randrange(64), rng.choice(near), *near, *_HUGE, -1))


# --- the header ------------------------------------------------------------------------------


def _magic(draft: Draft, rng: Random) -> None:
    if rng.random() < 0.4:
        draft.magic = rng.choice((b"GGML", b"FUGG", b"ggjt", b"\0\0\0\0", rng.randbytes(4), b"GGU"))
    else:
        draft.version = rng.choice((0, 1, 2, 4, 5, 3 << 24, (1 << 32) - 1, rng.randrange(1 << 32)))


def _tensor_count(draft: Draft, rng: Random) -> None:
    draft.n_tensors = wrong(rng, len(draft.tensors)) % (1 << 64)


def _pair_count(draft: Draft, rng: Random) -> None:
    draft.n_pairs = wrong(rng, len(draft.pairs)) % (1 << 64)


def _key_length(draft: Draft, rng: Random) -> None:
    pair = rng.choice(draft.pairs)
    pair.key_size = wrong(rng, len(pair.key)) % (1 << 64)


def _string_length(draft: Draft, rng: Random) -> None:
    """Lie about the length of a string: a value, an array's element, or a tensor's name."""
    pair = rng.choice([p for p in draft.pairs if STRING in {p.kind, p.element}])
    if rng.random() < 0.2:
        tensor = rng.choice(draft.tensors)
        tensor.name_size = wrong(rng, len(tensor.name)) % (1 << 64)
    elif pair.kind == STRING:
        size = wrong(rng, len(pair.payload) - 8) % (1 << 64)
        pair.payload = struct.pack("<Q", size) + pair.payload[8:]
    else:
        listed = words(pair)
        cut = rng.randrange(len(listed))
        at = 12 + sum(8 + len(word) for word in listed[:cut])
        size = wrong(rng, len(listed[cut])) % (1 << 64)
        pair.payload = pair.payload[:at] + struct.pack("<Q", size) + pair.payload[at + 8 :]


def _value_type(draft: Draft, rng: Random) -> None:
    """Name another type than the value has: what follows is read out of step."""
    rng.choice(draft.pairs).kind = rng.choice((*range(13), 13, 99, (1 << 32) - 1))


def _array(draft: Draft, rng: Random, part: int) -> None:
    pair = rng.choice([p for p in draft.pairs if p.kind == ARRAY])
    if part == 0:
        element = rng.choice((*range(13), 13, (1 << 32) - 1))
        pair.payload = struct.pack("<I", element) + pair.payload[4:]
    else:
        length = wrong(rng, pair.length) % (1 << 64)
        pair.payload = pair.payload[:4] + struct.pack("<Q", length) + pair.payload[12:]


def _array_type(draft: Draft, rng: Random) -> None:
    _array(draft, rng, 0)


def _array_length(draft: Draft, rng: Random) -> None:
    _array(draft, rng, 1)


def _alignment(draft: Draft, rng: Random) -> None:
    """Say an alignment that the file is not laid out by, or lay it out by a strange one."""
    value = rng.choice((0, 1, 3, 8, 16, 24, 33, 64, 128, 4096, 1 << 20, 1 << 31, (1 << 32) - 1))
    pair = Pair(b"general.alignment", rng.choice((4, 4, 4, 5, 10)), b"")
    pair.payload = pack(pair.kind, value)
    draft.pairs = [p for p in draft.pairs if p.key != pair.key]
    draft.pairs.insert(rng.randrange(len(draft.pairs) + 1), pair)
    if rng.random() < 0.4 and 0 < value <= 1 << 20:
        draft.alignment = value


def _duplicate(draft: Draft, rng: Random) -> None:
    if rng.random() < 0.5:
        draft.pairs.insert(rng.randrange(len(draft.pairs)), rng.choice(draft.pairs))
    else:
        draft.tensors.insert(rng.randrange(len(draft.tensors)), rng.choice(draft.tensors))


def _garbage(draft: Draft, rng: Random) -> None:
    draft.tail = rng.randbytes(rng.choice((1, 31, 32, 4096))) if rng.random() < 0.7 else b"GGUF"


# --- the tensor table ---------------------------------------------------------------------------


def _tensor_name(draft: Draft, rng: Random) -> None:
    tensor, other = rng.sample(draft.tensors, 2)
    name = tensor.name
    if rng.random() < 0.3:
        tensor.name, other.name = other.name, name
        return
    wrongs = [b"", b"x" * 63, b"x" * 64, b"x" * 3000, b"\xff\xff", b"blk.-1.attn_q", other.name]
    wrongs += [name[:-1], name + b"\0", name.replace(b"blk.0", b"blk.7")]
    tensor.name = rng.choice([*wrongs, name.replace(b"weight", b"bias")])


def _dims_count(draft: Draft, rng: Random) -> None:
    tensor = rng.choice(draft.tensors)
    if rng.random() < 0.5:
        tensor.n_dims = rng.choice((0, 1, 2, 3, 4, 5, 8, 1 << 20, (1 << 32) - 1))
    else:
        tensor.dims = [*tensor.dims, 1, 1, 1, 1, 1][: rng.randrange(6)]


def _dims(draft: Draft, rng: Random) -> None:
    """Say another shape than the data have."""
    tensor = rng.choice(draft.tensors)
    axis = rng.randrange(len(tensor.dims))
    tensor.dims[axis] = wrong(rng, tensor.dims[axis]) % (1 << 64)


def _reshaped(draft: Draft, rng: Random) -> None:
    """Give a tensor another shape, with data that are as long as it asks for."""
    tensor = rng.choice(draft.tensors)
    how = rng.randrange(3)
    if how == 0:
        tensor.dims.reverse()
    elif how == 1:
        tensor.dims = [*tensor.dims, rng.choice((1, 1, 2, 3))]
    else:
        axis = rng.randrange(len(tensor.dims))
        near = (tensor.dims[axis] + 32, tensor.dims[axis] * 2, tensor.dims[axis] // 2, 1, 32)
        tensor.dims[axis] = max(1, rng.choice(near))
    _fill(tensor)


def _fill(tensor: Tensor) -> None:
    """Make the data as long as shape and type ask for."""
    block, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType(tensor.kind)]
    want = math.prod(tensor.dims) // block * size
    tensor.data = (tensor.data * (want // max(1, len(tensor.data)) + 1))[:want]


def _tensor_type(draft: Draft, rng: Random) -> None:
    """Say another type than the data have, a known or an unknown one."""
    rng.choice(draft.tensors).kind = rng.choice((*TYPES, 4, 5, 36, 37, 38, 99, (1 << 32) - 1))


def _retyped(draft: Draft, rng: Random) -> None:
    """Give a tensor another type, with data that are as long as it asks for."""
    tensor = rng.choice(draft.tensors)
    blocks = gguf.GGML_QUANT_SIZES
    fits = [k for k in TYPES if tensor.dims[0] % blocks[gguf.GGMLQuantizationType(k)][0] == 0]
    tensor.kind = rng.choice(fits)
    _fill(tensor)


def _offset(draft: Draft, rng: Random) -> None:
    at = rng.randrange(len(draft.tensors))
    true = sum(len(t.data) + -len(t.data) % draft.alignment for t in draft.tensors[:at])
    step = draft.alignment
    wrong = (true + 1, true + 4, true + step, true - step, true * 2, 0, *_HUGE, (1 << 64) - step)
    draft.tensors[at].offset = rng.choice(wrong) % (1 << 64)


def _tensor_missing(draft: Draft, rng: Random) -> None:
    for _ in range(rng.choice((1, 1, 1, 3))):
        draft.tensors.remove(rng.choice(draft.tensors))


def _tensor_added(draft: Draft, rng: Random) -> None:
    """Add a tensor that does not belong, or one whose name llama.cpp knows in other models."""
    tensor = rng.choice(draft.tensors)
    names = ["rope_freqs.weight", "blk.0.attn_q.bias", "blk.1.attn_rot_embd", "output.bias"]
    names += ["blk.0.ffn_gate_inp.weight", "blk.0.attn_q_norm.weight", "blk.9.attn_q.weight"]
    names += ["output_norm.bias", "rope_factors_long.weight", "blk.0.attn_qkv.weight", "extra"]
    added = Tensor(rng.choice(names).encode(), list(tensor.dims), tensor.kind, tensor.data)
    draft.tensors.insert(rng.randrange(len(draft.tensors) + 1), added)


def _tensors_moved(draft: Draft, rng: Random) -> None:
    """Write the tensors in another order, the table's or the data's or both."""
    if rng.random() < 0.5:
        rng.shuffle(draft.tensors)
        return
    first, second = rng.sample(draft.tensors, 2)
    first.data, second.data = second.data, first.data


CONTAINER: Final[Mapping[str, Change]] = {
    "magic or version": _magic,
    "tensor count": _tensor_count,
    "key-value count": _pair_count,
    "key length": _key_length,
    "string length": _string_length,
    "value type": _value_type,
    "array length": _array_length,
    "array element type": _array_type,
    "alignment": _alignment,
    "duplicate key or tensor": _duplicate,
    "appended garbage": _garbage,
    "tensor name": _tensor_name,
    "number of dimensions": _dims_count,
    "dimensions, data as before": _dims,
    "dimensions, data to fit": _reshaped,
    "tensor type, data as before": _tensor_type,
    "tensor type, data to fit": _retyped,
    "tensor offset": _offset,
    "tensor missing": _tensor_missing,
    "tensor added": _tensor_added,
    "tensors exchanged": _tensors_moved,
}
"""Kinds of damage by name."""
