"""Questions -> token sequences: prompt and option tokenised jointly, and where scoring starts.

This module knows texts and a tokenizer. It does not know packings, layers or scores.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from llprobe.engine.chat import Chat, OpenPrompt
from llprobe.engine.probe import Probe
from llprobe.engine.session import Model
from llprobe.engine.trie import TokenItem
from llprobe.task import Item, Skipped, Turn

__all__ = ["NO_PROMPT", "TokenizedTask", "chat_around", "tokenize_items", "tokenize_prompts"]

NO_PROMPT: Final = "no token stands before the answer"
"""Why an item with an empty prompt is skipped where the model adds no token of its own."""


@dataclass(frozen=True, slots=True)
class TokenizedTask:
    """A task in tokens: the items that fit, their indices in the task, and those that do not."""

    items: tuple[TokenItem, ...]
    indices: tuple[int, ...]
    skipped: tuple[Skipped, ...]

    @property
    def longest(self) -> int:
        """Length of the longest sequence."""
        return max((len(s) for item in self.items for s in item.sequences), default=0)


def tokenize_items(
    probe: Probe, preamble: str, items: Sequence[Item], turns: tuple[Turn, ...] | None = None
) -> TokenizedTask:
    """Tokenise prompt and option jointly; leave out, each with its reason, what cannot be scored.

    The prompt is ``preamble + item.prompt``; where there are `turns`, it is the model's own chat
    template over them and the prompt as the next user turn, up to where the answer begins, and
    the options lose the white space before them. Where an option's tokens merge with the prompt's
    last ones, scoring starts at the first token that differs, for all options of the item alike.
    Left out are items that the context cannot hold, before whose options no token stands, or of
    which an option adds no token of its own. Raises ModelError where the model's chat template
    cannot be used.
    """
    kept: list[TokenItem] = []
    indices: list[int] = []
    skipped: list[Skipped] = []
    prompts = _prompts(probe.model, preamble, items, turns)
    for index, (item, prompt) in enumerate(zip(items, prompts, strict=True)):
        asked = item if turns is None else item.in_chat()
        tokens = _tokenize(probe, prompt, asked)
        if isinstance(tokens, str):
            skipped.append(Skipped(item.id, tokens))
            continue
        kept.append(tokens)
        indices.append(index)
    return TokenizedTask(tuple(kept), tuple(indices), tuple(skipped))


def tokenize_prompts(
    probe: Probe, preamble: str, items: Sequence[Item], turns: tuple[Turn, ...] | None = None
) -> list[tuple[int, ...]]:
    """Tokenise each item's prompt alone, as `tokenize_items` has it, for the model to go on from.

    One sequence an item, BOS included, however long; an empty one where the prompt has no token.
    Raises ModelError where the model's chat template cannot be used.
    """
    model = probe.model
    return [prompt.tokens(model) for prompt in _prompts(model, preamble, items, turns)]


def chat_around(probe: Probe, turns: tuple[Turn, ...] | None) -> tuple[str, ...]:
    """Return what the model's template writes before a question, after it, and before an answer.

    Empty without `turns`. Raises ModelError where the model's chat template cannot be used.
    """
    return () if turns is None else Chat(probe.model, turns).around


def _prompts(
    model: Model, preamble: str, items: Sequence[Item], turns: tuple[Turn, ...] | None
) -> Iterator[OpenPrompt]:
    if turns is None:
        yield from (OpenPrompt(model.bos, preamble + item.prompt) for item in items)
    else:
        chat = Chat(model, turns)
        yield from (chat.prompt(item.id, item.prompt) for item in items)


def _tokenize(probe: Probe, opened: OpenPrompt, item: Item) -> TokenItem | str:
    """Return an item in tokens, or why it cannot be scored."""
    prompt = opened.tokens(probe.model)
    sequences = [opened.tokens(probe.model, choice) for choice in item.choices]
    start = min(_agree(prompt, sequence) for sequence in sequences)
    if not prompt:
        return f"{NO_PROMPT}; write a prompt"
    if start < 1:
        return (
            "an option merges with the prompt's first token, so that no token is left from which "
            "the options could be predicted"
        )
    for choice, sequence in zip(item.choices, sequences, strict=True):
        if len(sequence) <= start or sequence == prompt:
            return f"the choice {choice!r} adds no token to the prompt"
    longest, limit = max(map(len, sequences)), probe.context_limit
    if longest > limit:
        return f"needs {longest} tokens of context, {limit} are there"
    if probe.settings.skip_shared:
        shortest = min(len(sequence) for sequence in sequences)
        start = max(start, min(_agree(min(sequences), max(sequences)), shortest - 1))
    return TokenItem(tuple(sequences), start)


def _agree(a: Sequence[int], b: Sequence[int]) -> int:
    n = min(len(a), len(b))
    if tuple(a[:n]) == tuple(b[:n]):
        return n
    return next(i for i in range(n) if a[i] != b[i])
