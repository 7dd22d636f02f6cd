"""One question as a model gets it: the exact prompt, the options, the tokens.

This module knows how a question is shown. The tokens come from a worker.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from llprobe.children import ask
from llprobe.errors import TaskError, UsageError
from llprobe.events import ItemTokens, Tokens, TokensRequest
from llprobe.model import resolve
from llprobe.settings import EngineSettings
from llprobe.task import Item, Questions

__all__ = ["ItemView", "as_record", "as_text", "with_tokens"]

_BAR = "│"


@dataclass(frozen=True, slots=True)
class ItemView:
    """One question of a task; `number` counts from 1. `tokens` where a model was asked."""

    questions: Questions
    item: Item
    number: int
    model: str = ""
    tokens: ItemTokens | None = None

    @classmethod
    def of(cls, questions: Questions, chosen: str) -> Self:
        """Choose a question by its id, or by its number from 1; UsageError where it is neither."""
        ids = [item.id for item in questions.items]
        at = ids.index(chosen) if chosen in ids else _number(chosen) - 1
        if not 0 <= at < len(ids):
            raise UsageError(
                f"task {questions.task} has no question {chosen!r}; give an id ({ids[0]}, ...) "
                f"or a number, 1 to {len(ids)}"
            )
        item = questions.items[at]
        return cls(questions, item if questions.turns is None else item.in_chat(), at + 1)


def _number(chosen: str) -> int:
    return int(chosen) if chosen.isascii() and chosen.isdigit() and len(chosen) < 10 else 0


def with_tokens(view: ItemView, model: str, threads: int | None) -> ItemView:
    """Ask a model, in a child process, how it reads the question."""
    settings = EngineSettings(n_threads=threads)
    one = replace(view.questions, items=(view.item,))
    request = TokensRequest(resolve(model), settings, one)
    found = ask(request, Tokens)
    if found.skipped:
        raise TaskError(f"{view.item.id}: {found.skipped[0].reason}; show fewer examples")
    return replace(view, model=request.model.name, tokens=found.items[0])


def as_record(view: ItemView) -> dict[str, Any]:
    """Return a question as data; token texts as lists, one for each option, prompt included."""
    item, questions = view.item, view.questions
    record: dict[str, Any] = {
        "task": questions.task,
        "version": questions.version,
        "number": view.number,
        "id": item.id,
        "group": item.group,
        "answer": questions.answer,
        "preamble": questions.preamble,
        "turns": questions.turns and [[turn.role, turn.text] for turn in questions.turns],
        "prompt": item.prompt,
        "choices": list(item.choices),
        "correct": list(item.correct),
        "best": item.best,
    }
    if view.tokens is None:
        return record
    options = view.tokens.options
    return record | {
        "model": view.model,
        "scoring_starts": view.tokens.start,
        "tokens": [[text for _, text in option] for option in options],
        "token_ids": [[number for number, _ in option] for option in options],
    }


def as_text(view: ItemView) -> str:
    """Return a question for a person: headings, the prompt as it is, an option a line."""
    item, questions = view.item, view.questions
    group = f", group {item.group}" if item.group else ""
    title = f"{questions.task}: question {view.number} of {len(questions.items)}, {item.id}{group}"
    parts = [
        _heading(title),
        _before(questions) + item.prompt,
        _heading(_OPTIONS[questions.answer == "generate"]),
        *(_option(item, index) for index in _compared(questions, item)),
    ]
    return "\n".join([*parts, *_token_lines(view)]) + "\n"


_OPTIONS = (
    "options, as they follow the prompt (* best, + true)",
    "texts that the answer is compared with: one is enough",
)


def _compared(questions: Questions, item: Item) -> Sequence[int]:
    """Return the options that count: a written answer is compared with the true ones only."""
    return item.correct if questions.answer == "generate" else range(len(item.choices))


def _before(questions: Questions) -> str:
    """Return what stands before the question; of a chat each turn under its role."""
    if questions.turns is None:
        return questions.preamble
    parts = [f"{_heading(turn.role)}\n{turn.text}\n" for turn in questions.turns]
    return "".join([*parts, _heading("user"), "\n"])


def _heading(text: str) -> str:
    return f"── {text} ──"


def _option(item: Item, index: int) -> str:
    mark = "*" if index == item.best else "+" if index in item.correct else " "
    return f"{mark} {index}  {json.dumps(item.choices[index], ensure_ascii=False)}"


def _token_lines(view: ItemView) -> list[str]:
    if view.tokens is None:
        return []
    options, start = view.tokens.options, view.tokens.start
    shared = f"{start} tokens before the options, as {view.model} reads them"
    scored = [
        f"{index}  {_joined(option[start:])}  ({len(option) - start} scored)"
        for index, option in enumerate(options)
    ]
    return [
        _heading(shared),
        _joined(options[0][:start]),
        _heading(f"scoring starts here, with token {start + 1}"),
        *scored,
    ]


def _joined(tokens: tuple[tuple[int, str], ...]) -> str:
    """Return tokens with bars between them; a line break is shown, and made."""
    text = _BAR.join(text.replace("\n", "⏎\n") for _, text in tokens)
    return f"{_BAR}{text}{_BAR}"
