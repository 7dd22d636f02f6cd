"""A model's list of tokens: whether there is a tokenizer, and every token differs from the others.

llama.cpp aborts on a list in which a token is twice. This module knows the list of a GGUF file's
metadata. It does not tokenise.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from gguf.constants import Keys

from llprobe.errors import ModelFileError, ModelNotSupported
from llprobe.model.cursor import Cursor
from llprobe.model.header import LongArray
from llprobe.model.metadata import Metadata

__all__ = ["check_vocabulary"]

_OTHERS: Final = {"bert": "a tokenizer of encoders", "rwkv": "a tokenizer of recurrent models"}
_NONE: Final = frozenset({"none", "no_vocab"})


def check_vocabulary(meta: Metadata) -> None:
    """Raise ModelFileError where the file has no tokenizer, or a token twice.

    ModelNotSupported where the tokenizer is of models that cannot be probed.
    """
    kind = meta.text(Keys.Tokenizer.MODEL)
    if kind in _NONE:
        raise ModelFileError(f"{meta.path} has no tokenizer; get a file that was made with one")
    if kind in _OTHERS:
        raise ModelNotSupported(f"{meta.path} cannot be probed: {kind} is {_OTHERS[kind]}")
    found = meta.values.get(Keys.Tokenizer.LIST)
    double = _double_in_file(meta, found) if isinstance(found, LongArray) else _double(found)
    if double:
        raise ModelFileError(
            f"{meta.path} is damaged: {double} of its tokens are there twice; get the file anew"
        )


def _double(found: object) -> int:
    """Count the tokens of a short list that were there before."""
    tokens = found if isinstance(found, tuple) else ()
    # what was no UTF-8 was replaced when it was read, and cannot be compared any more
    whole = [str(token) for token in tokens if "\ufffd" not in str(token)]
    return _repeated(token.encode() for token in whole)


def _double_in_file(meta: Metadata, found: LongArray) -> int:
    """Do as `_double` for a long list, of which the header keeps only where it is."""
    try:
        with meta.path.open("rb") as file:
            cursor = Cursor(meta.path, file)
            cursor.jump(found.offset)
            return _repeated(cursor.texts(found.length, Keys.Tokenizer.LIST))
    except OSError as error:
        raise ModelFileError(f"{meta.path} cannot be read: {error}") from error


def _repeated(tokens: Iterable[bytes]) -> int:
    """Count as llama.cpp does: a zero byte ends a token, empty ones get names of their own."""
    kept = [word for token in tokens if (word := token.partition(b"\0")[0])]
    return len(kept) - len(set(kept))
