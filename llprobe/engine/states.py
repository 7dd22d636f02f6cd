"""Prompts -> their hidden states at every layer, a batch of prompts at a time.

A prompt's state is that of its last token, from which the model would go on, or the mean over the
tokens that are its own. States are the residual stream after a block, no norm applied. The tokens
that all prompts begin with are decoded once; no more than a batch of states is held.

This module knows prompts in tokens. It does not know questions, nor what states are compared with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Self

import numpy as np
import numpy.typing as npt

from llprobe.engine.capture import Capture
from llprobe.engine.packed import pack_prompts
from llprobe.engine.probe import Probe
from llprobe.engine.session import Context

__all__ = ["read_states"]

FloatArray = npt.NDArray[np.float32]
Prompt = tuple[int, ...]


def read_states(
    probe: Probe,
    batches: Sequence[Sequence[Prompt]],
    layers: Sequence[int],
    *,
    mean: bool = False,
) -> Iterator[FloatArray]:
    """Yield the states of each batch of prompts, float32 (n_prompts, n_layers, width).

    Prompts are tokens, BOS included, at least one each, and fit the context. `layers` are numbered
    1..n (0 = the first block's input). With `mean` a prompt's state is the mean over the tokens
    after those that all prompts of all batches begin with; else that of its last token.
    """
    with _Reader(probe, tuple(chain.from_iterable(batches)), layers, mean=mean) as reader:
        rows = chain.from_iterable(map(reader.group, reader.groups))
        for batch in batches:
            yield np.stack(list(islice(rows, len(batch))))


@dataclass(frozen=True, slots=True)
class _Tails:
    """Tokens of several prompts, (n_tokens,) each: place, prompt, whether the state counts."""

    tokens: npt.NDArray[np.int32]
    positions: npt.NDArray[np.int32]
    owner: npt.NDArray[np.int32]
    wanted: npt.NDArray[np.bool_]

    def part(self, a: int, b: int) -> _Tails:
        """Return the tokens a to b."""
        return _Tails(self.tokens[a:b], self.positions[a:b], self.owner[a:b], self.wanted[a:b])


class _Reader:
    """Reads the states of prompts, group by group; a context manager.

    `groups` holds the positions in `prompts` that are decoded together, in order.
    """

    def __init__(
        self, probe: Probe, prompts: Sequence[Prompt], layers: Sequence[int], *, mean: bool
    ) -> None:
        settings, model = probe.settings, probe.model
        packed, shared = (
            pack_prompts(prompts, how, probe.max_rows, model.n_ctx_train, 0)
            for how in (settings, replace(settings, share=True))
        )
        self._prompts, self._prefix, self.groups = prompts, packed.prefix, packed.groups
        self._first_own = len(shared.prefix) if mean else None
        self._n_layers = len(layers)
        self._stack = ExitStack()
        rows = probe.max_rows if mean else packed.size
        self._context = self._stack.enter_context(
            Context(model, packed.n_ctx, packed.size + 1, rows)
        )
        # a decode of which every token is wanted must not want more rows than there is room for
        self._step = self._context.max_outputs if mean else self._context.n_batch
        self._capture = Capture(layers, model.n_embd, self._context.n_ubatch, probe.input_name)
        self._context.callback.listener = self._capture
        self._ready = False

    def group(self, members: Sequence[int]) -> FloatArray:
        """Return the states (n_members, n_layers, width) of the prompts at these positions."""
        self._decode_prefix()
        tails = self._tails(members)
        total = np.zeros((len(members), self._n_layers, self._capture.states.shape[2]))
        self._context.fork(len(members))
        for a in range(0, len(tails.tokens), self._step):
            part = tails.part(a, a + self._step)
            _add(total, self._decode(part), part.owner[part.wanted])
        self._context.drop(len(members))
        counts = np.bincount(tails.owner[tails.wanted], minlength=len(members))
        return np.asarray(total / counts[:, None, None], np.float32)

    def _tails(self, members: Sequence[int]) -> _Tails:
        """Return what prompts hold after the prefix, one after the other."""
        skip = len(self._prefix)
        tails = [np.array(self._prompts[p][skip:], np.int32) for p in members]
        owner = np.repeat(np.arange(len(members), dtype=np.int32), [len(t) for t in tails])
        positions = np.concatenate([np.arange(skip, skip + len(t), dtype=np.int32) for t in tails])
        wanted = np.zeros(len(owner), bool)
        wanted[np.cumsum([len(t) for t in tails]) - 1] = True
        if self._first_own is not None:
            wanted = positions >= self._first_own
        return _Tails(np.concatenate(tails), positions, owner, wanted)

    def _decode(self, part: _Tails) -> FloatArray:
        """Decode tokens, each for one prompt; return the wanted ones' states."""
        self._capture.begin(part.wanted)
        # sequence 0 holds the prefix, so prompt s of the group is llama.cpp's sequence s + 1
        first = part.owner + 1
        self._context.decode(part.tokens, part.positions, first, first + 1, part.wanted)
        return self._capture.end()

    def _decode_prefix(self) -> None:
        if self._ready:
            return
        n_batch = self._context.n_batch
        for a in range(0, len(self._prefix), n_batch):
            part = np.array(self._prefix[a : a + n_batch], np.int32)
            self._capture.begin(np.zeros(len(part), bool))
            self._context.decode_first(part, a)
        self._ready = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def _add(total: npt.NDArray[np.float64], states: FloatArray, owner: npt.NDArray[np.int32]) -> None:
    """Add states (n_layers, n_rows, width), each to its owner's sum in `total`."""
    for each in np.unique(owner):
        total[each] += states[:, owner == each].sum(axis=1, dtype=np.float64)
