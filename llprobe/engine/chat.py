"""Chats -> prompts: the template's markers become special tokens, the messages plain text.

A rendered chat is cut at the special tokens that the template writes. Each text between two of
them, template and messages together, is tokenised in one go without special tokens: so tokens
merge as they do where llama.cpp tokenises the whole, and a message that spells a marker stays text.
This module knows a model's tokenizer and a chat. It does not know options or scores.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from llama_cpp import llama_cpp as llama

from llprobe.engine.chattemplate import ChatTemplate, fold_system
from llprobe.engine.session import Model
from llprobe.errors import ModelError, TaskError
from llprobe.task import Turn

__all__ = ["Chat", "OpenPrompt"]

_SPECIAL: Final = llama.LLAMA_TOKEN_ATTR_CONTROL | llama.LLAMA_TOKEN_ATTR_UNKNOWN
_QUESTION: Final = "?"
_SPACES: Final = " \t\n\v\f\r"
"""What C calls white space: llama.cpp takes it away beside some models' special tokens."""


@dataclass(frozen=True, slots=True)
class OpenPrompt:
    """A prompt whose last stretch is still text: what follows may merge with it into one token."""

    closed: tuple[int, ...]
    """Tokens that nothing can merge with, BOS included."""
    text: str
    """Plain text after them, without special tokens."""
    lead: str = ""
    """White space that belongs to an answer: it stands before it, and not without it."""

    def tokens(self, model: Model, answer: str = "") -> tuple[int, ...]:
        """Tokenise the prompt and an answer to it, the open text and the answer jointly."""
        open_text = self.text + self.lead + answer if answer else self.text
        return (*self.closed, *model.tokenize(open_text))


class Chat:
    """A model's chat with its first `turns` said; the next is a user's, then an answer's.

    Where the template refuses or drops a system turn, its text stands at the head of the first
    user turn. Raises ModelError where the model has no template, or one that cannot be used.
    """

    def __init__(self, model: Model, turns: Sequence[Turn]) -> None:
        self._model, self._turns, self._folds = model, tuple(turns), False
        template = _template(model)
        try:
            layout = template.layout(self._roles())
        except ModelError:
            if "system" not in self._roles():
                raise
            self._folds = True
            layout = template.layout(self._roles())
        self._layout = layout
        self._lead = template.before_answer(self._roles(), layout[-1])
        self._pieces = [tuple(_cut(model, text)) for text in layout]
        self._markers = {marker for text in layout for marker in _markers(model, text)}

    def prompt(self, id_: str, text: str) -> OpenPrompt:
        """Return the chat up to the answer to `text`, the next user turn of the item `id_`.

        Contents lose the white space around them, as most templates would have it. Raises
        TaskError where a content spells a marker that this tokenizer parses in any text.
        """
        contents = [turn.text.strip() for turn in self._all(text)]
        for marker in self._markers:
            if any(marker in content for content in contents):
                raise TaskError(
                    f"item {id_}: {marker!r} marks turns in the chat template of "
                    f"{self._model.info.name}, wherever it stands: run without --chat"
                )
        *closed, last = self._filled(contents)
        return OpenPrompt(tuple(self._closed(closed)), str(last), self._lead)

    @property
    def around(self) -> tuple[str, str, str]:
        """What stands before a question, after it, and before an answer, markers as spelled."""
        # an instruction may stand at the head of the question's own turn
        *contents, own = (turn.text.strip() for turn in self._all(_QUESTION))
        *texts, after = self._layout
        both = zip(texts, [*contents, own.removesuffix(_QUESTION)], strict=True)
        return "".join(chain.from_iterable(both)), after, self._lead

    def _all(self, text: str) -> tuple[Turn, ...]:
        turns = (*self._turns, Turn("user", text.strip()))
        return fold_system(turns) if self._folds else turns

    def _roles(self) -> list[str]:
        return [turn.role for turn in self._all("")]

    def _filled(self, contents: Iterable[str]) -> list[str | int]:
        """Put contents between the pieces: text, special token, text, ..., text."""
        first, *others = self._pieces
        filled: list[str | int] = [""]
        between = ((content, *piece) for content, piece in zip(contents, others, strict=True))
        for part in chain(first, *between):
            before = filled[-1]
            if isinstance(part, str) and isinstance(before, str):
                filled[-1] = before + part
            else:
                filled.append(part)
        return _stripped(self._model, filled)

    def _closed(self, parts: Sequence[str | int]) -> Iterator[int]:
        """Tokenise texts and special tokens; BOS comes first, if not from the template."""
        model = self._model
        if list(parts[:2]) != ["", llama.llama_vocab_bos(model.vocab)]:
            yield from model.bos
        for part in parts:
            yield from model.tokenize(part) if isinstance(part, str) else (part,)


def _template(model: Model) -> ChatTemplate:
    name, source = model.info.name, model.chat_template
    if source is None:
        raise ModelError(f"{name} has no chat template: run without --chat")
    bos, eos = llama.llama_vocab_bos(model.vocab), llama.llama_vocab_eos(model.vocab)
    return ChatTemplate(source, name, _text(model, bos), _text(model, eos))


def _cut(model: Model, text: str) -> Iterator[str | int]:
    """Cut a template's text at the special tokens in it: text, token, text, ..., text."""
    at = 0
    for token in model.tokenize(text, special=True):
        if not _attributes(model, token) & _SPECIAL:
            continue
        spelled = _text(model, token)
        found = text.find(spelled, at)
        if found < 0:  # the unknown token, for something else than its own name
            continue
        yield text[at:found]
        yield token
        at = found + len(spelled)
    yield text[at:]


def _markers(model: Model, text: str) -> set[str]:
    """Return the texts in a template's text that are a token of their own wherever they stand."""
    user = llama.LLAMA_TOKEN_ATTR_USER_DEFINED
    tokens = {token for token in model.tokenize(text) if _attributes(model, token) & user}
    return {spelled for token in tokens if (spelled := _text(model, token)).strip()}


def _stripped(model: Model, parts: Sequence[str | int]) -> list[str | int]:
    """Strip texts beside special tokens that take the white space next to them along."""
    stripped = list(parts)
    for index in range(1, len(parts), 2):
        attributes = _attributes(model, int(parts[index]))
        before, after = str(stripped[index - 1]), str(stripped[index + 1])
        if attributes & llama.LLAMA_TOKEN_ATTR_LSTRIP:
            stripped[index - 1] = before.rstrip(_SPACES)
        if attributes & llama.LLAMA_TOKEN_ATTR_RSTRIP:
            stripped[index + 1] = after.lstrip(_SPACES)
    return stripped


def _attributes(model: Model, token: int) -> int:
    return int(llama.llama_vocab_get_attr(model.vocab, token))


def _text(model: Model, token: int) -> str:
    """Return how the vocabulary spells a special token; nothing for a token there is not."""
    if token == llama.LLAMA_TOKEN_NULL:
        return ""
    spelled: bytes = llama.llama_vocab_get_text(model.vocab, token)
    return spelled.decode(errors="replace")
