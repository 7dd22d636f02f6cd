"""Tokenizers of the tiny models: small, yet able to spell any UTF-8 text.

Writes the tokenizer's metadata with a `gguf.GGUFWriter`; knows nothing of tensors. A handful of
words have tokens of their own, so that merges across the end of a prompt can be tested. More
special tokens can be had: they take the vocabulary's last places, and change nothing else of it.
"""

import string
from collections.abc import Iterator, Sequence
from typing import Any, Final

import gguf

__all__ = ["add_bpe", "add_spm"]

Special = Sequence[tuple[str, str]]
"""Texts and kinds of tokens: "CONTROL", "USER_DEFINED"."""

CONTROL: Final = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_WORDS: Final = "the of un until is to a in cap capital answer true city number river 12"
_FALLBACK: Final = ["\u2581", *string.ascii_letters, *string.digits]


def add_bpe(writer: Any, n_vocab: int, special: Special = (), *, add_bos: bool = False) -> None:
    """Add a byte-level BPE: 3 control tokens, 256 bytes, merges, unused, `special` ones.

    That is `n_vocab` tokens; ValueError below 259. BOS is "<|im_start|>" (1), EOS "<|im_end|>" (2).
    """
    letters = _byte_letters()
    room = n_vocab - len(special) - len(CONTROL) - len(letters)
    merges = list(_merges(letters[ord(" ")]))[: max(0, room)]
    normal = [*letters, *(left + right for left, right in merges)]
    kinds = [gguf.TokenType.CONTROL] * len(CONTROL) + [gguf.TokenType.NORMAL] * len(normal)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    _add_vocabulary(writer, n_vocab, [*CONTROL, *normal], kinds, special)
    writer.add_token_merges([f"{left} {right}" for left, right in merges])
    _add_special(writer, add_bos=add_bos)


def add_spm(writer: Any, n_vocab: int, special: Special = (), *, add_bos: bool = True) -> None:
    """Add a SentencePiece model: 5 special tokens, 256 bytes, pieces, unused, `special` ones.

    That is `n_vocab` tokens; ValueError below 324. BOS is "<s>" (1), EOS "</s>" (2).
    """
    fixed = ["<unk>", "<s>", "</s>", *CONTROL[1:], *(f"<0x{byte:02X}>" for byte in range(256))]
    room = max(0, n_vocab - len(special) - len(fixed) - len(_FALLBACK))
    pieces = [left + right for left, right in _merges("\u2581")][:room] + _FALLBACK
    kinds = [gguf.TokenType.UNKNOWN, *[gguf.TokenType.CONTROL] * 4]
    kinds += [gguf.TokenType.BYTE] * 256 + [gguf.TokenType.NORMAL] * len(pieces)
    writer.add_tokenizer_model("llama")
    _add_vocabulary(writer, n_vocab, [*fixed, *pieces], kinds, special)
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


def _add_vocabulary(
    writer: Any, n_vocab: int, tokens: list[str], kinds: list[Any], special: Special
) -> None:
    """Add the tokens and their types, unused ones up to `n_vocab`, and last the `special` ones."""
    if (spare := n_vocab - len(tokens) - len(special)) < 0:
        raise ValueError(f"n_vocab {n_vocab} is below the {n_vocab - spare} tokens needed")
    unused = (f"<unused{index}>" for index in range(spare))
    writer.add_token_list([*tokens, *unused, *(text for text, _ in special)])
    more = (gguf.TokenType[kind] for _, kind in special)
    writer.add_token_types([*kinds, *[gguf.TokenType.UNUSED] * spare, *more])


def _add_special(writer: Any, *, add_bos: bool) -> None:
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(add_bos)
