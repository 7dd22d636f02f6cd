"""Tokenizers of the tiny models: small, yet able to spell any UTF-8 text.

Writes the tokenizer's metadata with a `gguf.GGUFWriter`; knows nothing of tensors. A handful of
words have tokens of their own, so that merges across the end of a prompt can be tested.
"""

import string
from collections.abc import Iterator
from typing import Any, Final

import gguf

__all__ = ["add_bpe", "add_spm"]

CONTROL: Final = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_WORDS: Final = "the of un until is to a in cap capital answer true city number river 12"
_FALLBACK: Final = ["\u2581", *string.ascii_letters, *string.digits]


def add_bpe(writer: Any, n_vocab: int, *, add_bos: bool = False) -> None:
    """Add a byte-level BPE of `n_vocab` tokens: 3 control tokens, 256 bytes, merges, unused.

    BOS is "<|im_start|>" (1), EOS "<|im_end|>" (2). Raises ValueError below 259 tokens.
    """
    letters = _byte_letters()
    merges = list(_merges(letters[ord(" ")]))[: max(0, n_vocab - len(CONTROL) - len(letters))]
    normal = [*letters, *(left + right for left, right in merges)]
    kinds = [gguf.TokenType.CONTROL] * len(CONTROL) + [gguf.TokenType.NORMAL] * len(normal)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    _add_vocabulary(writer, n_vocab, [*CONTROL, *normal], kinds)
    writer.add_token_merges([f"{left} {right}" for left, right in merges])
    _add_special(writer, add_bos=add_bos)


def add_spm(writer: Any, n_vocab: int, *, add_bos: bool = True) -> None:
    """Add a SentencePiece model of `n_vocab` tokens: special, 256 bytes, pieces, unused.

    BOS is "<s>" (1), EOS "</s>" (2). Raises ValueError below 324 tokens.
    """
    fixed = ["<unk>", "<s>", "</s>", *CONTROL[1:], *(f"<0x{byte:02X}>" for byte in range(256))]
    room = max(0, n_vocab - len(fixed) - len(_FALLBACK))
    pieces = [left + right for left, right in _merges("\u2581")][:room] + _FALLBACK
    kinds = [gguf.TokenType.UNKNOWN, *[gguf.TokenType.CONTROL] * 4]
    kinds += [gguf.TokenType.BYTE] * 256 + [gguf.TokenType.NORMAL] * len(pieces)
    writer.add_tokenizer_model("llama")
    _add_vocabulary(writer, n_vocab, [*fixed, *pieces], kinds)
    # A piece made earlier is preferred, as a merge of lower rank would be.
    ranks = range(n_vocab - len(fixed))
    writer.add_token_scores([0.0] * len(fixed) + [-float(rank) for rank in ranks])
    writer.add_unk_token_id(0)
    _add_special(writer, add_bos=add_bos)


def _byte_letters() -> list[str]:
    """Give the letter by which byte-level BPE writes each of the 256 bytes."""
    plain = {*range(33, 127), *range(161, 173), *range(174, 256)}
    spare = iter(range(256, 512))
    return [chr(byte if byte in plain else next(spare)) for byte in range(256)]


def _merges(space: str) -> Iterator[tuple[str, str]]:
    """Give the merges that build each of `_WORDS` from the left, after a space and without."""
    seen: set[str] = set()
    for word in _WORDS.split():
        for text in (space + word, word):
            for end in range(2, len(text) + 1):
                if text[:end] not in seen:
                    seen.add(text[:end])
                    yield text[: end - 1], text[end - 1]


def _add_vocabulary(writer: Any, n_vocab: int, tokens: list[str], kinds: list[Any]) -> None:
    """Add the tokens and their types, filled up to `n_vocab` with unused ones."""
    if (spare := n_vocab - len(tokens)) < 0:
        raise ValueError(f"n_vocab {n_vocab} is below the {len(tokens)} tokens needed")
    writer.add_token_list([*tokens, *(f"<unused{index}>" for index in range(spare))])
    writer.add_token_types([*kinds, *[gguf.TokenType.UNUSED] * spare])


def _add_special(writer: Any, *, add_bos: bool) -> None:
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(add_bos)
