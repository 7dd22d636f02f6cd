"""A model's tokenizer as its file has it: what llama.cpp would die of, and what makes it guess.

llama.cpp aborts on a list in which a token is twice; of a byte-level tokenizer it takes whatever
merges there are, and a guess where the file does not say how text is split before them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from gguf.constants import Keys

from llprobe.errors import ModelFileError, ModelNotSupported
from llprobe.model.cursor import Cursor
from llprobe.model.header import LongArray
from llprobe.model.metadata import Metadata

__all__ = ["check_vocabulary", "tokenizer_remarks"]

_OTHERS: Final = {"bert": "a tokenizer of encoders", "rwkv": "a tokenizer of recurrent models"}
_NONE: Final = frozenset({"none", "no_vocab"})
_BYTE_LEVEL: Final = "gpt2"
_OTHER_TOKENS: Final = (
    "texts may become other tokens than it was trained with; get a file that was converted anew"
)


def check_vocabulary(meta: Metadata) -> None:
    """Raise ModelFileError where the file has no tokenizer, or a token twice.

    ModelNotSupported where the tokenizer is of models that cannot be probed.
    """
    kind = meta.text(Keys.Tokenizer.MODEL)
    if kind in _NONE:
        raise ModelFileError(f"{meta.path} has no tokenizer; get a file that was made with one")
    if kind in _OTHERS:
        raise ModelNotSupported(f"{meta.path} cannot be probed: {kind} is {_OTHERS[kind]}")
    double = _repeated(_texts(meta, Keys.Tokenizer.LIST))
    if double:
        raise ModelFileError(
            f"{meta.path} is damaged: {double} of its tokens are there twice; get the file anew"
        )


def tokenizer_remarks(meta: Metadata) -> tuple[str, ...]:
    """Say what of the tokenizer may cut texts otherwise than the model was trained with.

    A sentence each, none for a tokenizer that is whole. Raises ModelFileError for a file that
    cannot be read.
    """
    if meta.text(Keys.Tokenizer.MODEL) != _BYTE_LEVEL:
        return ()
    remarks = []
    if not meta.text(Keys.Tokenizer.PRE):
        remarks.append(
            f"its file has no {Keys.Tokenizer.PRE}, which says how text is split before it is "
            f"tokenised, and llama.cpp guesses: {_OTHER_TOKENS}"
        )
    return (*remarks, *_merge_remarks(meta))


def _merge_remarks(meta: Metadata) -> Iterator[str]:
    """Hold the merges against the vocabulary: each joins two tokens to a third."""
    merges = _texts(meta, Keys.Tokenizer.MERGES)
    if not merges:
        yield f"its file has no merges, by which characters become tokens: {_OTHER_TOKENS}"
        return
    tokens, wrong = set(_texts(meta, Keys.Tokenizer.LIST)), 0
    for merge in merges:
        space = merge.find(b" ", 1)  # as llama.cpp looks for it
        left, right = merge[:space], merge[space + 1 :]
        wrong += space < 0 or not tokens.issuperset((left, right, left + right))
    if wrong:
        yield (
            f"{wrong:,} of the {len(merges):,} merges in its file do not join two of its tokens "
            f"to a third: {_OTHER_TOKENS}"
        )


def _texts(meta: Metadata, key: str) -> list[bytes]:
    """Return a list of texts as bytes; a long one, which the header leaves out, from the file."""
    value = meta.values.get(key)
    if not isinstance(value, LongArray):
        texts = value if isinstance(value, tuple) else ()
        # what was no UTF-8 was replaced when it was read, and cannot be compared any more
        return [str(text).encode() for text in texts if "\ufffd" not in str(text)]
    if value.element != "STRING":
        return []
    try:
        with meta.path.open("rb") as file:
            cursor = Cursor(meta.path, file)
            cursor.jump(value.offset)
            return list(cursor.texts(value.length, key))
    except OSError as error:
        raise ModelFileError(f"{meta.path} cannot be read: {error}") from error


def _repeated(tokens: Iterable[bytes]) -> int:
    """Count as llama.cpp does: a zero byte ends a token, empty ones get names of their own."""
    kept = [word for token in tokens if (word := token.partition(b"\0")[0])]
    return len(kept) - len(set(kept))
