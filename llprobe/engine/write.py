"""Prompts -> answers that the model writes itself, greedily, a group of prompts at a time.

The tokens that all prompts begin with are decoded once; the prompts of a group fork them and
then step together, each by the token of the largest logit that llama.cpp itself computes after
the last layer. An answer depends on its group alone, never on the groups before it.

This module knows prompts in tokens and stop texts. It does not know questions, nor which answers
are right.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from llprobe.engine.packed import pack_prompts
from llprobe.engine.probe import Probe
from llprobe.engine.session import Context
from llprobe.engine.tokens import NO_PROMPT
from llprobe.errors import TaskError
from llprobe.task import Skipped

__all__ = ["PromptTokens", "Writer", "Written", "fits", "prompt_tokens"]

_NO_NUMBERS: Final = "llama.cpp's logits are not numbers: try --reference, or another quant"

IntArray = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class PromptTokens:
    """Prompts in tokens, BOS included, and the index in the task of each one's item."""

    prompts: tuple[tuple[int, ...], ...]
    indices: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """One answer as the model wrote it."""

    index: int
    """The item's index in the task."""
    text: str
    """What was written, up to the first stop text; control tokens stand in it by name."""
    n_tokens: int
    """Tokens chosen for it, the one that ended it included."""
    finished: bool
    """Whether the model ended it, or a stop text did; False where `max_tokens` did."""
    fault: str = ""
    """Why there is no answer; empty where there is one."""


@dataclass(slots=True)
class Phases:
    """Seconds spent so far, and the work done in them.

    `prefill`: on prompts; `decode`: on answers, token by token. `tokens`: put through the model,
    of prompts and answers; `written`: chosen for answers.
    """

    prefill: float = 0.0
    decode: float = 0.0
    tokens: int = 0
    written: int = 0

    def as_dict(self) -> dict[str, float]:
        """Return the figures by name."""
        return asdict(self)


def fits(n_tokens: int, max_tokens: int, limit: int) -> bool:
    """Whether a prompt and its longest answer fit a context of `limit` tokens."""
    return n_tokens + max_tokens <= limit


def prompt_tokens(
    sequences: Sequence[Sequence[int]],
    indices: Sequence[int],
    ids: Sequence[str],
    max_tokens: int,
    limit: int,
) -> tuple[PromptTokens, tuple[Skipped, ...]]:
    """Keep the prompts that fit the context together with an answer; name the others, and why.

    `sequences`, `indices` and `ids` have one entry a prompt.
    """
    kept: list[tuple[tuple[int, ...], int]] = []
    skipped: list[Skipped] = []
    for sequence, index, id_ in zip(sequences, indices, ids, strict=True):
        if not sequence:
            skipped.append(Skipped(id_, f"{NO_PROMPT}; write a prompt"))
            continue
        if fits(len(sequence), max_tokens, limit):
            kept.append((tuple(sequence), index))
            continue
        needed = len(sequence) + max_tokens
        skipped.append(Skipped(id_, f"needs {needed} tokens of context, {limit} are there"))
    prompts = PromptTokens(tuple(p for p, _ in kept), tuple(i for _, i in kept))
    return prompts, tuple(skipped)


class _Answer:
    """One answer while it is being written: its tokens, its text, and whether it has ended.

    Bytes become text as soon as they make whole characters, so that a stop text is found however
    tokens cut it.
    """

    def __init__(self, stop: Sequence[str], max_tokens: int) -> None:
        self.tokens: list[int] = []
        self.text, self.finished, self.broken = "", False, False
        self._stop, self._max_tokens = stop, max_tokens
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    @property
    def ended(self) -> bool:
        """Whether no token is to follow."""
        return self.finished or self.broken or len(self.tokens) >= self._max_tokens

    def take(self, token: int, piece: bytes | None) -> None:
        """Add a token and its bytes, None where the token ends the text."""
        self.tokens.append(token)
        last = piece is None or len(self.tokens) >= self._max_tokens
        self.text += self._decoder.decode(piece or b"", final=last)
        found = [at for stop in self._stop if (at := self.text.find(stop)) >= 0]
        self.finished = piece is None or bool(found)
        self.text = self.text[: min(found, default=None)]


class Writer:
    """Answers prompts on a probe, group by group; a context manager.

    Every prompt fits the context together with `max_tokens` (see `prompt_tokens`). `groups` holds
    the positions in `prompts` that are answered together; `phases` says where the time went.
    Raises TaskError for an empty stop text and for `max_tokens` below 1.
    """

    def __init__(
        self, probe: Probe, prompts: PromptTokens, stop: Sequence[str], max_tokens: int
    ) -> None:
        _check(stop, max_tokens)
        self._stack = ExitStack()
        self.probe, self.prompts = probe, prompts
        self.stop, self.max_tokens = tuple(stop), max_tokens
        packed = pack_prompts(
            prompts.prompts, probe.settings, probe.max_rows, probe.model.n_ctx_train, max_tokens
        )
        self.prefix, self.groups = packed.prefix, packed.groups
        self._context = self._stack.enter_context(
            Context(probe.model, packed.n_ctx, packed.size + 1, packed.size)
        )
        self.phases = Phases()
        self._ready = False

    @property
    def n_tokens(self) -> int:
        """Upper bound of the tokens that all groups decode: prefix, prompts, longest answers."""
        skip = len(self.prefix)
        return skip + sum(len(p) - skip + self.max_tokens for p in self.prompts.prompts)

    def written(self, done: frozenset[int] = frozenset()) -> Iterator[tuple[int, list[Written]]]:
        """Answer every group that is not `done`; yields (group index, its answers)."""
        for index, members in enumerate(self.groups):
            if index not in done:
                answers = zip(members, self._group(members), strict=True)
                yield index, [self._record(position, answer) for position, answer in answers]

    def _record(self, position: int, answer: _Answer) -> Written:
        index = self.prompts.indices[position]
        fault = _NO_NUMBERS if answer.broken else ""
        return Written(index, answer.text, len(answer.tokens), answer.finished, fault)

    def _group(self, members: Sequence[int]) -> list[_Answer]:
        """Answer the prompts at these positions, alone where one may have spoilt the others."""
        answers = self._together(members)
        broken = [place for place, answer in enumerate(answers) if answer.broken]
        for place in broken if len(members) > 1 else ():
            self._restart()
            answers[place] = self._together(members[place : place + 1])[0]
        if broken:
            self._restart()
        return answers

    def _restart(self) -> None:
        """Empty the cache, so that nothing is left of states that are not numbers."""
        self._context.drop_all()
        self._ready = False

    def _together(self, members: Sequence[int]) -> list[_Answer]:
        """Answer the prompts at these positions, together."""
        self._prefix()
        answers = [_Answer(self.stop, self.max_tokens) for _ in members]
        self._context.fork(len(members))
        started = perf_counter()
        self._tails(members, answers)
        self.phases.prefill += perf_counter() - started
        started = perf_counter()
        while live := [s for s, answer in enumerate(answers) if not answer.ended]:
            self._step(live, members, answers)
        self.phases.decode += perf_counter() - started
        self._context.drop(len(members))
        return answers

    def _prefix(self) -> None:
        if self._ready:
            return
        started, n_batch = perf_counter(), self._context.n_batch
        for a in range(0, len(self.prefix), n_batch):
            self._context.decode_first(np.array(self.prefix[a : a + n_batch], np.int32), a)
        self.phases.prefill += perf_counter() - started
        self.phases.tokens += len(self.prefix)
        self._ready = True

    def _tails(self, members: Sequence[int], answers: Sequence[_Answer]) -> None:
        """Decode what prompts hold after the prefix; the last token of each starts its answer."""
        skip, n_batch = len(self.prefix), self._context.n_batch
        tails = [np.array(self.prompts.prompts[p][skip:], np.int32) for p in members]
        lengths = [len(tail) for tail in tails]
        tokens = np.concatenate(tails)
        positions = np.concatenate([np.arange(skip, skip + n, dtype=np.int32) for n in lengths])
        answer = np.repeat(np.arange(len(members), dtype=np.int32), lengths)
        last = np.zeros(len(tokens), bool)
        last[np.cumsum(lengths) - 1] = True
        for a in range(0, len(tokens), n_batch):
            part = slice(a, a + n_batch)
            self._decode(tokens[part], positions[part], answer[part], last[part], answers)

    def _step(
        self, live: Sequence[int], members: Sequence[int], answers: Sequence[_Answer]
    ) -> None:
        """Let each answer of `live`, numbered in the group, grow by one token."""
        tokens = np.array([answers[s].tokens[-1] for s in live], np.int32)
        lengths = [len(self.prompts.prompts[members[s]]) + len(answers[s].tokens) for s in live]
        positions = np.array(lengths, np.int32) - 1
        every = np.ones(len(live), bool)
        self._decode(tokens, positions, np.array(live, np.int32), every, answers)

    def _decode(
        self,
        tokens: IntArray,
        positions: IntArray,
        answer: IntArray,
        flagged: npt.NDArray[np.bool_],
        answers: Sequence[_Answer],
    ) -> None:
        """Decode tokens, each for one answer; the answers of the flagged ones grow."""
        # sequence 0 holds the prefix, so answer s is llama.cpp's sequence s + 1
        self._context.decode(tokens, positions, answer + 1, answer + 2, flagged)
        self.phases.tokens += len(tokens)
        growing = answer[flagged]
        if len(growing) == 0:
            return
        logits = self._context.logits(len(growing))
        # the first of equal ones is the lowest token; a NaN would come first as well
        chosen = logits.argmax(axis=1)
        broken = np.isnan(logits.max(axis=1))
        for s, token, wrong in zip(growing, chosen, broken, strict=True):
            if wrong:
                answers[s].broken = True
            else:
                self._take(answers[s], int(token))

    def _take(self, answer: _Answer, token: int) -> None:
        model = self.probe.model
        answer.take(token, None if model.is_end(token) else model.token_bytes(token))
        self.phases.written += 1

    def close(self) -> None:
        """Free the context; safe to call twice."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _check(stop: Sequence[str], max_tokens: int) -> None:
    """Refuse what no answer could be written with."""
    if "" in stop:
        raise TaskError("a stop text is empty and would end every answer at once; leave it out")
    if max_tokens < 1:
        raise TaskError(f"max_tokens {max_tokens}: an answer takes at least 1 token")
