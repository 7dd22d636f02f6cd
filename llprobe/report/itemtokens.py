"""The tokens of a stored question, read by the very model that was probed.

A child process reads them, from the file whose fingerprint the cell has: a name may stand for
another file by now. This module knows files and requests. It does not know how tokens are shown.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Final

import numpy as np

from llprobe.children import Cancel, call, raise_failure
from llprobe.errors import LlprobeError, ModelFileError, RunError, TaskError, UnknownName
from llprobe.events import Failed, ItemTokens, Tokens, TokensRequest
from llprobe.model import ModelInfo, read_model, resolve
from llprobe.model.header import LongArray, read_header
from llprobe.settings import EngineSettings
from llprobe.store import CellRecord
from llprobe.store.asked import asked

__all__ = ["StoredTokens", "probed_model", "special_tokens", "stored_tokens"]

_TYPES: Final = "tokenizer.ggml.token_type"
_SPECIAL: Final = frozenset({2, 3})
"""GGUF's numbers for the unknown token and for those that steer a model."""


@dataclass(frozen=True, slots=True)
class StoredTokens:
    """How a model reads a stored question."""

    tokens: ItemTokens
    """Each option with its whole prompt."""
    special: frozenset[int]
    """The ids of the vocabulary that are no text: marks of turns, of a text's begin and end."""
    before: int
    """Tokens of the prompt that stand before the question itself; 0 for a chat, whose turns
    cannot be told apart by their text."""


def stored_tokens(db: Path, cell: CellRecord, item: str, cancel: Cancel) -> StoredTokens:
    """Ask the cell's model, in a child process, how it reads an item; `cancel` ends the child.

    Raises ModelFileError where the model's file is gone or another one, TaskError where the item
    does not fit the model, RunError where the child was stopped, and what `asked` raises.
    """
    questions, model = asked(db, cell.id, item), probed_model(cell)
    request = TokensRequest(model, _settings(cell), questions)
    found = _answer(request, cancel)
    if found.skipped:
        raise TaskError(f"{item}: {found.skipped[0].reason}: it was not scored, nor can it be read")
    tokens = found.items[0]
    lines = questions.preamble.count("\n") if questions.turns is None else 0
    return StoredTokens(tokens, special_tokens(model.paths[0]), _before(tokens, lines))


def _settings(cell: CellRecord) -> EngineSettings:
    """Return the settings of a cell, but for one thread: few tokens are read."""
    known = {field.name for field in fields(EngineSettings)}
    kept = {name: value for name, value in cell.settings.items() if name in known}
    return replace(EngineSettings(**kept), n_threads=1)


def _answer(request: TokensRequest, cancel: Cancel) -> Tokens:
    for event in call(request, cancel):
        if isinstance(event, Failed):
            raise_failure(event)
        if isinstance(event, Tokens):
            return event
    raise RunError("the tokens were not read to the end: ask for them again")


def _before(tokens: ItemTokens, lines: int) -> int:
    """Count the tokens up to where `lines` lines have ended: line breaks are never cut in two."""
    ended = 0
    for n, (_, text) in enumerate(tokens.options[0][: tokens.start]):
        if ended >= lines:
            return n if lines else 0
        ended += text.count("\n")
    return 0


def probed_model(cell: CellRecord) -> ModelInfo:
    """Return the model that a cell was scored with, from its file or from where it lies now.

    Raises ModelFileError where neither has the cell's fingerprint.
    """
    known = [Path(path) for path in cell.model_info.get("paths", ())][:1]
    there = [read_model(path, cell.model) for path in known if path.is_file()]
    found = [*there, *([] if _same(there, cell) else _by_name(cell, known))]
    own = next((model for model in found if model.fingerprint == cell.fingerprint), None)
    if own is None:
        raise ModelFileError(
            f"{found[0].paths[0]} is not the file that {cell.model} was probed from: put that one "
            "back, or run the sweep again with this one"
        )
    return own


def _same(found: list[ModelInfo], cell: CellRecord) -> bool:
    return any(model.fingerprint == cell.fingerprint for model in found)


def _by_name(cell: CellRecord, known: list[Path]) -> list[ModelInfo]:
    """Return what the cell's name stands for now; nothing only where another file was found."""
    try:
        return [resolve(cell.model)]
    except LlprobeError as error:
        if any(path.is_file() for path in known):
            return []
        unknown = isinstance(error, UnknownName)
        told = f"put it back, or see `llprobe models pull` for others ({error})"
        what = told if unknown else str(error)
        where = f"{known[0]}, which {cell.model} was probed from, is not there any more: "
        raise ModelFileError(f"{where if known else ''}{what}") from error


def special_tokens(path: Path) -> frozenset[int]:
    """Return the ids that a GGUF file's vocabulary marks as special; none where it marks none."""
    kinds = read_header(path).metadata.get(_TYPES)
    if isinstance(kinds, LongArray):
        with path.open("rb") as file:
            file.seek(kinds.offset)
            numbers = np.frombuffer(file.read(4 * kinds.length), "<i4").tolist()
    else:
        numbers = list(kinds) if isinstance(kinds, tuple) else []
    return frozenset(n for n, kind in enumerate(numbers) if kind in _SPECIAL)
