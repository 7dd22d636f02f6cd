"""The evaluation callback: copies chosen rows of each block's output while llama.cpp decodes.

llama.cpp names block N's output (counted from 0) ``l_out-N`` and cuts a decode into ubatches; the
callback sees each node once per ubatch, first to ask whether its data is wanted, then with the
data. Layers are numbered as in the field: 0 is the first block's input, k the residual stream
after block k. An error in a callback cannot stop llama.cpp, so it is kept and raised by the
caller once the decode has returned.

This module knows nodes and rows. It does not know tokens, tasks or what is done with the states.
"""

from __future__ import annotations

import ctypes as ct
import re
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from llprobe.engine import ggml
from llprobe.errors import ModelNotSupported, RunError

__all__ = ["Capture", "NodeCallback", "Recorder", "block_inputs", "check_stream", "layer_node"]

_BLOCK = re.compile(rb"l_out-(\d+)$")
# What llama.cpp calls the first block's input, the latest in the graph first.
_INPUT_NAMES: Final = (b"inp_norm-0", b"inpL", b"inp_scaled", b"embd")

FloatArray = npt.NDArray[np.float32]

# typedef bool (*ggml_backend_sched_eval_callback)(struct ggml_tensor * t, bool ask, void * user);
_CALLBACK: Final = ct.CFUNCTYPE(ct.c_bool, ggml.TensorPtr, ct.c_bool, ct.c_void_p)


class NodeCallback:
    """One C function pointer for a context's whole life, whose Python listener can be exchanged.

    A listener is ``(tensor, ask) -> bool``: asked, whether it wants the node; given the data,
    whether to go on (if not, the rest of this graph split is not computed, and llama.cpp reports
    success all the same). Its first exception is kept, it is not called again until
    `raise_error`, and the decode is left to run to its end.
    """

    def __init__(self) -> None:
        self.listener: Callable[[Any, bool], bool] | None = None
        self._error: BaseException | None = None
        self.pointer = _CALLBACK(self._call)

    def _call(self, tensor: Any, ask: bool, _user: object) -> bool:
        if self.listener is None or self._error is not None:
            return not ask
        try:
            return self.listener(tensor, ask)
        except BaseException as error:  # noqa: BLE001 - nothing may unwind into C; raised later
            self._error = error
            return not ask

    def raise_error(self) -> None:
        """Raise what a listener raised during the decode that has just returned."""
        error, self._error = self._error, None
        if error is not None:
            raise error


class Recorder:
    """A listener that keeps a description of every node of one short decode, in graph order."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []

    def __call__(self, tensor: Any, ask: bool) -> bool:
        """Ask for every node, so that none is fused away, and keep its pointer."""
        if not ask:
            self.nodes.append(ct.cast(tensor, ggml.TensorPtr))
        return True


def block_inputs(nodes: Sequence[Any], n_layers: int, n_embd: int) -> bytes:
    """Check that each block's output is there once, as (n_embd, rows); name the first's input.

    Raises ModelNotSupported with the tensor that is missing, repeated or of another shape.
    """
    seen: dict[int, Any] = {}
    for node in nodes:
        match = _BLOCK.match(node.contents.name)
        if match and int(match[1]) in seen:
            raise ModelNotSupported(f"the block output {match[0].decode()} appears twice")
        if match:
            seen[int(match[1])] = node
    for block in range(n_layers):
        if block not in seen:
            raise ModelNotSupported(f"no tensor l_out-{block}: this architecture hides its blocks")
        check_stream(seen[block], n_embd)
    names = {node.contents.name for node in nodes}
    return next((name for name in _INPUT_NAMES if name in names), b"")


def check_stream(node: Any, n_embd: int) -> None:
    """Refuse a node that does not hold one float32 state (n_embd,) a row, row after row."""
    t = node.contents
    shape = tuple(t.ne)
    if shape[0] != n_embd or shape[2:] != (1, 1) or t.type != ggml.F32 or t.nb[1] != n_embd * 4:
        raise ModelNotSupported(
            f"{t.name.decode()} has shape {shape}, not ({n_embd}, rows): "
            "this architecture keeps no plain residual stream"
        )


def layer_node(layer: int, input_name: bytes) -> bytes:
    """Return the name of the node that holds a layer; 0 is the first block's `input_name`."""
    if layer == 0 and not input_name:
        raise ModelNotSupported("this architecture does not name its first block's input")
    return b"l_out-%d" % (layer - 1) if layer else input_name


class Capture:
    """A listener that gathers hidden states of flagged rows, stitched over ubatches.

    `layers` are the layers to keep (0 = the first block's input, named `input_name`). After a
    decode prepared with `begin`, `states` holds float32 (n_layers_kept, n_flagged, n_embd).
    `seconds` adds up the time spent copying. With `stop` the decode ends at the last layer kept:
    what llama.cpp would do after it, its own head included, is not needed, and its logits are
    then not valid.
    """

    def __init__(
        self,
        layers: Sequence[int],
        n_embd: int,
        n_ubatch: int,
        input_name: bytes,
        *,
        stop: bool = True,
    ) -> None:
        self._index = {layer_node(layer, input_name): i for i, layer in enumerate(layers)}
        self._last, self._stop = list(layers).index(max(layers)), stop
        self._n_embd, self._n_ubatch = n_embd, n_ubatch
        self._spans: list[tuple[int, npt.NDArray[np.intp]]] = []
        self._fired = [0] * len(self._index)
        self._filled = [0] * len(self._index)
        self._scratch = np.empty((n_ubatch, n_embd), np.float32)
        self.states: FloatArray = np.empty((0, 0, n_embd), np.float32)
        self.seconds = 0.0

    def begin(self, flagged: npt.NDArray[np.bool_]) -> None:
        """Prepare for one decode of ``len(flagged)`` tokens, of which the flagged are wanted."""
        step = self._n_ubatch
        cuts = range(0, len(flagged), step)
        self._spans = [
            (len(flagged[a : a + step]), np.flatnonzero(flagged[a : a + step])) for a in cuts
        ]
        self._fired = [0] * len(self._index)
        self._filled = [0] * len(self._index)
        shape = (len(self._index), int(flagged.sum()), self._n_embd)
        if self.states.shape != shape:
            self.states = np.empty(shape, np.float32)

    def __call__(self, tensor: Any, ask: bool) -> bool:
        """Want the kept layers' nodes, copy their rows when they are ready, stop after the last."""
        index = self._index.get(tensor.contents.name)
        if ask or index is None:
            return index is not None and (index == self._last or self.states.shape[1] > 0)
        started = time.perf_counter()
        self._keep(index, tensor)
        self.seconds += time.perf_counter() - started
        return not (self._stop and index == self._last)

    def _keep(self, index: int, tensor: Any) -> None:
        ubatch, rows = self._spans[self._fired[index]]
        self._fired[index] += 1
        if len(rows) == 0:
            return
        n_rows = tensor.contents.ne[1]
        if n_rows not in (ubatch, len(rows)):
            name = tensor.contents.name.decode()
            raise RunError(f"{name} has {n_rows} rows where {ubatch} tokens were decoded")
        # The last block keeps flagged rows only; there each row is wanted.
        local = rows if n_rows == ubatch else np.arange(n_rows)
        first, last = int(local[0]), int(local[-1]) + 1
        block = self._scratch[: last - first]
        ggml.read_tensor(tensor, block, first * self._n_embd * 4)
        filled = self._filled[index]
        np.take(block, local - first, axis=0, out=self.states[index, filled : filled + len(local)])
        self._filled[index] = filled + len(local)

    def end(self) -> FloatArray:
        """Return the states; raise RunError where a layer did not deliver every row."""
        wanted = self.states.shape[1]
        if wanted and any(filled != wanted for filled in self._filled):
            raise RunError(f"llama.cpp delivered {self._filled} of {wanted} rows per layer")
        return self.states
