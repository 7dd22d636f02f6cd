"""Run a GGUF file through llama.cpp's C API, in this process: what the tests compare with.

In the arithmetic closest to the definition: one thread, float32 cache, no flash attention. Uses
nothing of llprobe.
"""

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import llama_cpp.llama_cpp as native
import numpy as np
from numpy.typing import NDArray

__all__ = ["context_of", "decode", "errors", "loaded", "native_logits", "spelled", "tokenised"]

Floats = NDArray[np.floating[Any]]

# C functions take no keywords, and a bare True there says nothing.
YES: Final = True
NO: Final = False


@contextmanager
def loaded(path: Path) -> Iterator[Any]:
    """Own a loaded model; it must load."""
    native.llama_backend_init()
    params = native.llama_model_default_params()
    params.n_gpu_layers = 0
    model = native.llama_model_load_from_file(str(path).encode(), params)
    assert model, f"llama.cpp does not load {path.name}"
    try:
        yield model
    finally:
        native.llama_model_free(model)


@contextmanager
def context_of(model: Any) -> Iterator[Any]:
    """Own a context of 256 positions in the arithmetic described above."""
    params = native.llama_context_default_params()
    params.n_ctx = 256
    params.n_threads = params.n_threads_batch = 1
    params.flash_attn_type = native.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.type_k = params.type_v = native.GGML_TYPE_F32
    context = native.llama_init_from_model(model, params)
    assert context
    native.llama_set_warmup(context, NO)
    try:
        yield context
    finally:
        native.llama_free(context)


def decode(context: Any, n_vocab: int, tokens: Sequence[int]) -> Floats:
    """Decode one sequence from an empty cache; give (n_tokens, n_vocab) logits."""
    native.llama_memory_clear(native.llama_get_memory(context), YES)
    batch = native.llama_batch_init(len(tokens), 0, 1)
    batch.n_tokens = len(tokens)
    for index, token in enumerate(tokens):
        batch.token[index], batch.pos[index], batch.logits[index] = token, index, 1
        batch.n_seq_id[index], batch.seq_id[index][0] = 1, 0
    status = native.llama_decode(context, batch)
    native.llama_batch_free(batch)
    assert status == 0
    rows = (native.llama_get_logits_ith(context, index) for index in range(len(tokens)))
    return np.stack([np.ctypeslib.as_array(row, (n_vocab,)).copy() for row in rows])


def native_logits(path: Path, *sequences: Sequence[int]) -> list[Floats]:
    """Give the logits (n_tokens, n_vocab) of each sequence decoded on its own."""
    with loaded(path) as model, context_of(model) as context:
        n_vocab = native.llama_vocab_n_tokens(native.llama_model_get_vocab(model))
        return [decode(context, n_vocab, tokens) for tokens in sequences]


def tokenised(path: Path, text: str, *, bos: bool = False, special: bool = False) -> list[int]:
    """Tokenise a text, with BOS as the file wants it, or with special tokens parsed."""
    with loaded(path) as model:
        vocab, raw = native.llama_model_get_vocab(model), text.encode()
        room = (native.llama_token * (len(raw) + 8))()
        count = native.llama_tokenize(vocab, raw, len(raw), room, len(room), bos, special)
        return list(room[:count])


def spelled(path: Path, tokens: Sequence[int]) -> bytes:
    """Give the tokens' bytes, one after the other, special tokens by their names."""
    with loaded(path) as model:
        vocab, room = native.llama_model_get_vocab(model), ctypes.create_string_buffer(64)
        text = b""
        for token in tokens:
            size = native.llama_token_to_piece(vocab, token, room, len(room), 0, YES)
            text += room.raw[:size]
        return text


def errors(ours: Floats, theirs: Floats) -> Floats:
    """Give |ours - theirs| in standard deviations of `theirs`, which must not be flat."""
    assert ours.shape == theirs.shape
    assert theirs.std() > 1.0, "logits this flat would prove little"
    return np.asarray(np.abs(ours - theirs) / theirs.std())
