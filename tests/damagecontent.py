"""Damage to what a GGUF file says: numbers that llama.cpp believes, names, the vocabulary.

Each function changes a draft in place, by what a seeded generator draws; the container stays
sound. This module does not know who refuses what.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from random import Random
from typing import Final

import gguf
from damagecontainer import Change, wrong
from ggufdraft import ARRAY, FORMS, STRING, Draft, Pair, pack, text, words

__all__ = ["CONTENT"]

_FLOATS: Final = (0.0, -1.0, math.nan, math.inf, -math.inf, 1e-45, 1e-30, 1e30, 3.4e38)
_ARCHS: Final = tuple(sorted(gguf.MODEL_ARCH_NAMES.values()))
_ADDED: Final[Mapping[str, tuple[int, ...]]] = {
    # keys that the seeds lack and llama.cpp reads: numbers that are wrong here
    "{a}.expert_count": (1, 8, 1 << 20, (1 << 32) - 1),
    "{a}.expert_used_count": (1, 2, 1 << 31),
    "{a}.attention.sliding_window": (0, 1, (1 << 32) - 1),
    "{a}.attention.key_length": (0, 1, 7, 64, 1 << 31),
    "{a}.attention.value_length": (0, 1, 7, 64, 1 << 31),
    "{a}.attention.layer_norm_epsilon": (0, 1),
    "{a}.rope.scaling.original_context_length": (0, 1 << 31),
    "{a}.vocab_size": (0, 1, 1 << 31),
    "{a}.embedding_length_out": (1, 64, 1 << 31),
    "{a}.nextn_predict_layers": (1, 2, 1 << 31),
    "{a}.leading_dense_block_count": (1, 1 << 31),
    "{a}.pooling_type": (1, 4, 99),
    "{a}.use_parallel_residual": (0, 2),
    "tokenizer.ggml.padding_token_id": (1 << 20, (1 << 32) - 1),
    "tokenizer.ggml.eot_token_id": (1 << 20, (1 << 32) - 1),
    "tokenizer.ggml.fim_pre_token_id": (1 << 20,),
    "tokenizer.ggml.precompiled_charsmap": (0, 1),
    "tokenizer.ggml.token_type_count": (0, 1 << 31),
    "tokenizer.ggml.add_space_prefix": (0, 3),
    "split.count": (0, 1, 2, 65_535),
    "split.tensors.count": (0, 1, 1 << 31),
    "general.quantization_version": (0, 99),
}


# --- metadata -----------------------------------------------------------------------------------


def _numbers(draft: Draft) -> list[Pair]:
    """Give the architecture's own numbers, in which llama.cpp believes."""
    start = draft.arch.encode() + b"."
    return [p for p in draft.pairs if p.key.startswith(start) and p.kind in FORMS]


def _metadata_number(draft: Draft, rng: Random) -> None:
    pair = rng.choice(_numbers(draft))
    old = struct.unpack("<" + FORMS[pair.kind], pair.payload)[0]
    value = rng.choice(_FLOATS) if pair.kind in {6, 12} else wrong(rng, old)
    pair.payload = pack(pair.kind, value)


def _metadata_type(draft: Draft, rng: Random) -> None:
    """Write the right number in another type: a float, text, a list with one for each layer."""
    pair = rng.choice(_numbers(draft))
    old = struct.unpack("<" + FORMS[pair.kind], pair.payload)[0]
    kind = rng.choice([*(kind for kind in FORMS if kind != pair.kind), STRING, ARRAY, ARRAY])
    if kind == STRING:
        pair.payload = text(str(old).encode())
    elif kind == ARRAY:
        element, length = rng.choice((pair.kind, 5, 6)), rng.choice((0, 1, 2, 3, 600))
        one = [pack(element, old if rng.random() < 0.7 else wrong(rng, 4)) for _ in range(length)]
        pair.payload = struct.pack("<IQ", element, length) + b"".join(one)
    else:
        pair.payload = pack(kind, old)
    pair.kind = kind


def _metadata_missing(draft: Draft, rng: Random) -> None:
    draft.pairs.remove(rng.choice(draft.pairs))


def _metadata_added(draft: Draft, rng: Random) -> None:
    """Add a key that llama.cpp reads, with a value that does not belong."""
    key, values = rng.choice(list(_ADDED.items()))
    kind = rng.choice((4, 4, 4, 5, 7, 10))
    added = Pair(key.format(a=draft.arch).encode(), kind, pack(kind, rng.choice(values)))
    if rng.random() < 0.15:
        value = rng.choice((b"yarn", b"longrope", b"none", b"", rng.randbytes(6)))
        added = Pair(f"{draft.arch}.rope.scaling.type".encode(), STRING, text(value))
    draft.pairs = [p for p in draft.pairs if p.key != added.key]
    draft.pairs.insert(1, added)


def _named_kind(draft: Draft, rng: Random) -> None:
    """Say another architecture or tokenizer than the tensors and tokens are of."""
    keys = ["general.architecture", "tokenizer.ggml.model", "tokenizer.ggml.pre", "general.type"]
    key = rng.choice(keys)
    pair = draft.pair(key)
    if pair is None:
        pair = Pair(key.encode(), STRING, text(b""))
        draft.pairs.append(pair)
    known = {
        keys[0]: _ARCHS,
        keys[1]: ("llama", "gpt2", "bert", "t5", "rwkv", "plamo2", "none", "no_vocab"),
        keys[2]: ("default", "llama3", "llama-bpe", "qwen2", "deepseek-llm", "falcon", "gpt-2"),
        keys[3]: ("model", "adapter", "mmproj"),
    }[key]
    old = draft.arch
    value = rng.choice(known) if rng.random() < 0.85 else rng.randbytes(5).hex()
    pair.payload = text(value.encode())
    if key == keys[0] and rng.random() < 0.7:  # its numbers under the other name as well
        for each in _numbers_of(draft, old):
            each.key = value.encode() + each.key.removeprefix(old.encode())


def _numbers_of(draft: Draft, arch: str) -> list[Pair]:
    return [pair for pair in draft.pairs if pair.key.startswith(arch.encode() + b".")]


# --- the vocabulary -----------------------------------------------------------------------------


def _vocabulary(draft: Draft, rng: Random) -> None:
    """Change tokens, scores, types or merges: how many there are, or what is in them."""
    names = ("tokens", "tokens", "scores", "token_type", "merges")
    found = [draft.pair(f"tokenizer.ggml.{name}") for name in names]
    pair = rng.choice([each for each in found if each is not None])
    if pair.element == STRING:
        listed = _changed_words(words(pair), rng)
        pair.payload = struct.pack("<IQ", STRING, len(listed)) + b"".join(map(text, listed))
    else:
        values = [pair.payload[at : at + 4] for at in range(12, len(pair.payload), 4)]
        values = _changed_values(values, rng)
        pair.payload = pair.payload[:4] + struct.pack("<Q", len(values)) + b"".join(values)


def _changed_words(listed: list[bytes], rng: Random) -> list[bytes]:
    how = rng.randrange(6)
    if how == 0:
        return listed[: rng.randrange(len(listed))]
    if how == 1:
        return listed + listed[: rng.randrange(1, 9)]
    if how == 2:
        rng.shuffle(listed)
        return listed
    bad = (b"", b"\xff\xfe", b"a\0b", b" ", b"x" * 5000, b"no-merge", listed[0])
    for _ in range(rng.choice((1, 3, len(listed) // 2))):
        listed[rng.randrange(len(listed))] = rng.choice(bad)
    return listed


def _changed_values(values: list[bytes], rng: Random) -> list[bytes]:
    how = rng.randrange(4)
    if how == 0:
        return values[: rng.randrange(len(values))]
    if how == 1:
        return values + values[:7]
    special = [struct.pack("<f", number) for number in _FLOATS] + [pack(5, -1), pack(5, 99)]
    for _ in range(rng.choice((1, 5, len(values)))):
        at = rng.randrange(len(values))
        values[at] = rng.choice((*special, pack(5, rng.randrange(8)), rng.randbytes(4)))
    return values


def _token_id(draft: Draft, rng: Random) -> None:
    found = [p for p in draft.pairs if p.key.endswith(b"_token_id")]
    pair = rng.choice(found)
    pair.payload = pack(pair.kind, wrong(rng, 384))


CONTENT: Final[Mapping[str, Change]] = {
    "metadata number": _metadata_number,
    "metadata in another type": _metadata_type,
    "metadata missing": _metadata_missing,
    "metadata added": _metadata_added,
    "architecture or tokenizer": _named_kind,
    "vocabulary": _vocabulary,
    "special token's id": _token_id,
}
"""Kinds of damage by name."""
