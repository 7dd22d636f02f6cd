"""Leave parts out of a model while it runs, by overwriting tensors between two nodes.

A whole block is left out by giving its output the value of its input, its attention by giving
the sum behind it that value, its feed-forward by giving the output the value of that sum. What
follows reads the new values, and keys and values that are cached later depend on them: a context
belongs to one ablation.

This module knows nodes and rows. It does not know what an ablation is wanted for.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from llprobe.ablation import Ablation, Part
from llprobe.engine import ggml
from llprobe.engine.capture import Capture, Recorder, check_stream, layer_node
from llprobe.engine.flow import Flow, check_part, read_flow
from llprobe.engine.probe import Probe
from llprobe.engine.session import Context
from llprobe.errors import ModelNotSupported, RunError, UsageError

__all__ = ["AblatedCapture", "check_ablation", "open_capture"]

FloatArray = npt.NDArray[np.float32]


def check_ablation(probe: Probe, ablation: Ablation) -> None:
    """Refuse an ablation that overwriting cannot bring about, by the graph of one token's decode.

    Raises ModelNotSupported with model, part and reason; UsageError for a block that is not there.
    """
    model = probe.model
    for block, _ in ablation.parts:
        if not 1 <= block <= model.n_layers:
            raise UsageError(f"ablation {ablation}: {model.info.name} has {model.n_layers} blocks")
    if not ablation:
        return
    with Context(model, 32, 1, 1) as context:
        recorder, zero = Recorder(), np.zeros(1, np.int32)
        context.callback.listener = recorder
        context.decode(zero, zero, zero, zero + 1, np.ones(1, bool))
        flow = read_flow(recorder.nodes)
        for block, part in ablation.parts:
            _check_part(probe, flow, recorder.nodes, block, part)


def _check_part(probe: Probe, flow: Flow, nodes: Sequence[Any], block: int, part: Part) -> None:
    try:
        check_part(flow, block, part, layer_node(block - 1, probe.input_name).decode())
        for name in _nodes(block, part, probe.input_name):
            check_stream(nodes[flow.find(name.decode())], probe.model.n_embd)
    except ModelNotSupported as error:
        info, term = probe.model.info, Ablation(((block, part),))
        advice = f"; try skip:{block}" if part != "block" else ""
        raise ModelNotSupported(
            f"{info.name} ({info.architecture}) cannot be run with {term}: {error}{advice}"
        ) from None


def open_capture(
    probe: Probe, context: Context, layers: Sequence[int], ablation: Ablation
) -> Capture:
    """Return the listener that keeps `layers` of decodes on `context` under an ablation.

    The ablation must be one that `check_ablation` lets pass.
    """
    width, n_ubatch, input_name = probe.model.n_embd, context.n_ubatch, probe.input_name
    if not ablation:
        return Capture(layers, width, n_ubatch, input_name)
    return AblatedCapture(ablation, layers, width, n_ubatch, input_name)


def _nodes(block: int, part: Part, input_name: bytes) -> tuple[bytes, bytes]:
    """Return the node whose value is taken, and the one that is overwritten with it."""
    middle, end = b"ffn_inp-%d" % (block - 1), layer_node(block, input_name)
    if part == "ffn":
        return middle, end
    return layer_node(block - 1, input_name), end if part == "block" else middle


class AblatedCapture(Capture):
    """A `Capture` that leaves parts out of the blocks, and keeps the states that then result.

    The layer after a block that is left out is the layer before it. `seconds` covers overwriting
    too. Which models this is right for, `check_ablation` says.
    """

    def __init__(
        self,
        ablation: Ablation,
        layers: Sequence[int],
        n_embd: int,
        n_ubatch: int,
        input_name: bytes,
        *,
        stop: bool = True,
    ) -> None:
        super().__init__(layers, n_embd, n_ubatch, input_name, stop=stop)
        # Where the decode stops, what comes after is not computed, or no longer from these states.
        last = max(layers) if stop else max((block for block, _ in ablation.parts), default=0)
        parts = [(block, part) for block, part in ablation.parts if block <= last]
        pairs = [_nodes(block, part, input_name) for block, part in parts]
        self._taken = {source for source, _ in pairs}
        self._overwritten = {target for _, target in pairs}
        self._begun: Counter[bytes] = Counter()
        # one is enough: what is taken is written before the next is taken, graphs being in order
        self._state: FloatArray = np.empty((n_ubatch, n_embd), np.float32)
        self._n_rows = 0

    def begin(self, flagged: npt.NDArray[np.bool_]) -> None:
        """Prepare for one decode, as `Capture.begin`."""
        super().begin(flagged)
        self._begun.clear()

    def __call__(self, tensor: Any, ask: bool) -> bool:
        """Want what is kept, taken or overwritten; overwrite before anything is kept."""
        name = tensor.contents.name
        if ask:
            changes = name in self._taken or name in self._overwritten
            return super().__call__(tensor, ask) or changes
        started = time.perf_counter()
        self._change(name, tensor)
        self.seconds += time.perf_counter() - started
        return super().__call__(tensor, ask) if name in self._index else True

    def _change(self, name: bytes, tensor: Any) -> None:
        if name in self._overwritten:
            self._overwrite(name, tensor)
        elif name in self._taken:
            self._n_rows = int(tensor.contents.ne[1])
            ggml.read_tensor(tensor, self._state[: self._n_rows])

    def _overwrite(self, name: bytes, tensor: Any) -> None:
        n_tokens, rows = self._spans[self._begun[name]]
        self._begun[name] += 1
        n_rows = int(tensor.contents.ne[1])
        if n_rows != self._n_rows:
            if (self._n_rows, n_rows) != (n_tokens, len(rows)):
                text = f"{name.decode()} has {n_rows} rows where {self._n_rows} were before"
                raise RunError(f"{text}: this model cannot be ablated")
            # The last block keeps flagged rows only.
            self._state[:n_rows] = self._state[rows]
            self._n_rows = n_rows
        if n_rows:
            ggml.write_tensor(tensor, self._state[:n_rows])
