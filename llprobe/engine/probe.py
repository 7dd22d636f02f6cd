"""Open a model for probing: load it, record its head, and check the replay before any number.

The self-check decodes a short text and replays the last layer; where that does not agree with
llama.cpp's own logits the model is refused, because then no layer's numbers could be trusted.
This module knows how the engine's parts are put together. It does not know questions.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from llprobe.engine import ggml
from llprobe.engine.capture import Capture, Recorder, block_inputs
from llprobe.engine.head import Head, record_head
from llprobe.engine.place import place
from llprobe.engine.rules import wants_trial
from llprobe.engine.session import Context, Model
from llprobe.engine.split import read_split
from llprobe.errors import ModelNotSupported
from llprobe.model import ModelInfo
from llprobe.settings import EngineSettings

__all__ = ["Probe", "SelfCheck"]

_TEXT: Final = "The quick brown fox jumps over 13 lazy dogs. "
_TOLERANCE: Final = 0.02

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SelfCheck:
    """The largest difference between replayed and own logits, in units of the logits' spread."""

    difference: float
    n_tokens: int


class _Both:
    """Shows each node to the recorder and to the capture."""

    def __init__(self, recorder: Recorder, capture: Capture | None) -> None:
        self.recorder, self.capture = recorder, capture

    def __call__(self, tensor: Any, ask: bool) -> bool:
        if self.capture:
            self.capture(tensor, ask)
        return self.recorder(tensor, ask)


class Probe:
    """A model ready to be probed; a context manager that owns model, head and device memory."""

    def __init__(self, info: ModelInfo, settings: EngineSettings) -> None:
        self._stack = ExitStack()
        try:
            self.model = self._stack.enter_context(Model(info, settings))
            self.settings = settings
            self.head, self.input_name, self.check = self._open_head()
        except BaseException:
            self._stack.close()
            raise

    @property
    def context_limit(self) -> int:
        """Most tokens of a sequence: what was asked for, within what the model was trained for."""
        trained = self.model.n_ctx_train
        return min(self.settings.n_ctx or trained, trained)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a reader of its numbers must know, a sentence each; none as a rule."""
        asked, trained = self.settings.n_ctx or 0, self.model.n_ctx_train
        shorter = f"--ctx {asked} is more than the {trained} tokens that it was trained for: "
        warned = [f"llama.cpp warns: {warning}" for warning in self.model.warnings]
        return (
            *self.model.info.remarks(),
            *warned,
            *[f"{shorter}{trained} are used"] * (asked > trained),
        )

    @property
    def max_rows(self) -> int:
        """Most flagged rows of a decode: their logits, and all layers' states, fit the buffer."""
        budget = self.settings.buffer_mb << 20
        logits = budget // (4 * self.model.n_vocab)
        states = budget // (4 * self.model.n_embd * (self.model.n_layers + 1))
        return max(1, min(logits, states, self.settings.n_batch))

    def _open_head(self) -> tuple[Head, bytes, SelfCheck]:
        model = self.model
        tokens = [*model.bos, *model.tokenize(_TEXT)][:14]
        n = len(tokens)
        given = self.settings
        whole = replace(given, n_batch=max(given.n_batch, n), n_ubatch=max(given.n_ubatch, n))
        with Context(model, 32, 1, n, whole) as context:
            recorder, names = Recorder(), b""
            context.callback.listener = recorder
            _decode_all(context, tokens)
            names = block_inputs(recorder.nodes, model.n_layers, model.n_embd)
            steps = record_head(recorder.nodes, model.n_layers)
            backend, steps = place(steps, model.n_threads, model.read_weight, self._stack)
            chunk = self.settings.buffer_mb << 20
            head = self._stack.enter_context(Head(steps, backend, chunk))
            matrix = next(step.weight for step in steps if step.op == "MUL_MAT")
            self.split = read_split(recorder.nodes, model.n_layers, matrix)
            check = self._self_check(context, head, tokens)
        return head, names, check

    def _self_check(self, context: Context, head: Head, tokens: list[int]) -> SelfCheck:
        capture = Capture([self.model.n_layers], self.model.n_embd, context.n_ubatch, b"")
        context.drop_all()
        capture.begin(np.ones(len(tokens), bool))
        context.callback.listener = _Both(Recorder(), capture)
        _decode_all(context, tokens)
        own = context.logits(len(tokens))
        if not (np.isfinite(own).all() and 0 < own.std(dtype=np.float64) < 1e30):
            raise ModelNotSupported(
                f"{self.model.info.name}: llama.cpp's own logits are not finite or all alike; "
                f"{self._suspect('the model file is damaged, get it anew')}"
            )
        states = capture.end()[0]
        replayed = head.logits(states, normed=True)
        difference = float(np.abs(own - replayed).max() / own.std())
        if not difference < _TOLERANCE:  # NaN must not pass
            worst = int(np.abs(own - replayed).max(axis=1).argmax())
            raise ModelNotSupported(
                f"{self.model.info.name} ({self.model.info.architecture}): the replayed head "
                f"differs from llama.cpp's logits by {difference:.3g} of their spread at token "
                f"{worst}; {self._suspect('llprobe would report wrong numbers')}"
            )
        if wants_trial(head.device, ggml.cpu_device()):
            self._try(head, states, own)
        return SelfCheck(difference, len(tokens))

    def _suspect(self, said: str) -> str:
        """Add what else it may be where a device computes that is not the CPU."""
        devices = " and ".join(self.split.devices)
        return (
            f"{said}, unless {devices} computes wrongly (`llprobe doctor -m`)" if devices else said
        )

    def _try(self, head: Head, states: FloatArray, own: FloatArray) -> None:
        """Refuse a device whose log-probs are not those of the logits: ops can be wrong, too."""
        rows = np.arange(len(own))
        tokens = own.argmin(axis=1).astype(np.int64)
        wide = own.astype(np.float64)
        peak = wide.max(axis=1)
        lse = peak + np.log(np.exp(wide - peak[:, None]).sum(axis=1))
        found = head.log_probs(states, rows, tokens, normed=True)
        wrong = float(np.abs(found - (wide[rows, tokens] - lse)).max() / own.std())
        if not wrong < _TOLERANCE:
            raise ModelNotSupported(
                f"{self.split.head} computes log-probs that differ from its own logits by "
                f"{wrong:.3g} of their spread; llprobe would report wrong numbers: use -ngl 0"
            )

    def close(self) -> None:
        """Free everything; safe to call twice."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _decode_all(context: Context, tokens: list[int]) -> None:
    zero: npt.NDArray[np.int32] = np.zeros(len(tokens), np.int32)
    positions = np.arange(len(tokens), dtype=np.int32)
    context.decode(
        np.array(tokens, np.int32), positions, zero, zero + 1, np.ones(len(tokens), bool)
    )
