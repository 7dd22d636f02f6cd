"""A loaded model and its contexts: tokenise, decode trees of tokens, read hidden states.

Native handles belong to context managers; what C holds pointers to lives as long as they do.
This module knows tokens, positions and sequences. It does not know questions, lenses or scores.
"""

from __future__ import annotations

import ctypes as ct
import sys
from contextlib import ExitStack
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import psutil
from llama_cpp import llama_cpp as llama

from llprobe.engine import ggml, native, rpc
from llprobe.engine.capture import NodeCallback
from llprobe.errors import ModelError, ModelNotSupported, ModelTooLarge, RunError
from llprobe.estimate import memory_needed
from llprobe.machine import performance_cores
from llprobe.model import ModelInfo
from llprobe.rpc import is_loopback
from llprobe.settings import EngineSettings

__all__ = ["Context", "Model"]

FloatArray = npt.NDArray[np.float32]
_MIB = 1 << 20


def _log_tail() -> str:
    lines = native.log_lines(3)
    return f" ({' | '.join(lines)})" if lines else ""


class Model:
    """A GGUF model in memory; a context manager.

    `n_threads` is the number of threads it gets, `warnings` what llama.cpp said of its quality.
    """

    def __init__(self, info: ModelInfo, settings: EngineSettings) -> None:
        native.start()
        self._stack = ExitStack()
        self.info, self.settings = info, settings
        self.n_threads = settings.n_threads or performance_cores()
        try:
            self._remote = self._stack.enter_context(rpc.remote_devices(settings.servers))
            _check_fits(info, settings, self._remote)
            with native.quality_warnings() as warnings:
                self.handle = self._load()
            self._stack.callback(llama.llama_model_free, self.handle)
            self._refuse()
        except BaseException:
            self._stack.close()
            raise
        self.vocab = llama.llama_model_get_vocab(self.handle)
        self.n_layers: int = llama.llama_model_n_layer(self.handle)
        self.n_embd: int = llama.llama_model_n_embd(self.handle)
        self.n_vocab: int = llama.llama_vocab_n_tokens(self.vocab)
        self.n_ctx_train: int = llama.llama_model_n_ctx_train(self.handle)
        add_bos = llama.llama_vocab_get_add_bos(self.vocab)
        self.warnings = tuple(warnings)
        self.bos: tuple[int, ...] = (llama.llama_vocab_bos(self.vocab),) if add_bos else ()

    def _load(self) -> Any:
        params = llama.llama_model_default_params()
        params.n_gpu_layers = self.settings.n_gpu_layers
        devices = self._devices()
        if devices is not None:
            # ggml_backend_dev_t * devices, ended by NULL; read while the model is loaded
            listed = (ct.c_void_p * (len(devices) + 1))(*devices, None)
            params.devices = ct.cast(listed, ct.c_void_p)
        handle = llama.llama_model_load_from_file(str(self.info.paths[0]).encode(), params)
        if not handle:
            raise ModelError(f"llama.cpp cannot load {self.info.paths[0]}{_log_tail()}")
        return handle

    def _devices(self) -> list[int] | None:
        """Return the devices that layers may go to; None for llama.cpp's own choice."""
        if self.settings.n_gpu_layers == 0:
            return []  # left to itself llama.cpp lends large batches to a GPU all the same
        if not self._remote:
            return None
        return [device.handle for device in (*self._remote, *ggml.gpus())]

    def _refuse(self) -> None:
        """Refuse models without one residual stream per layer and position."""
        kinds = {
            "recurrent": llama.llama_model_is_recurrent(self.handle),
            "hybrid": llama.llama_model_is_hybrid(self.handle),
            "diffusion": llama.llama_model_is_diffusion(self.handle),
            "encoder": llama.llama_model_has_encoder(self.handle),
        }
        for kind in (kind for kind, found in kinds.items() if found):
            raise ModelNotSupported(
                f"{self.info.name} is a {kind} model ({self.info.architecture}): "
                "llprobe reads decoder-only transformers"
            )

    def tokenize(self, text: str, *, special: bool = False) -> list[int]:
        """Tokens of `text` without BOS; special-token text is plain text unless `special`."""
        data = text.encode()
        size = len(data) + 8
        while True:
            buffer = (llama.llama_token * size)()
            n = llama.llama_tokenize(self.vocab, data, len(data), buffer, size, False, special)  # noqa: FBT003
            if n >= 0:
                return list(buffer[:n])
            size = -n

    def token_text(self, token: int) -> str:
        """The text of one token, special ones by name, undecodable bytes as the sign for them."""
        return self.token_bytes(token).decode(errors="replace")

    def token_bytes(self, token: int) -> bytes:
        """The bytes that a token stands for, special ones by name; a character may take several."""
        size = 256
        while True:
            buffer = ct.create_string_buffer(size)
            n = llama.llama_token_to_piece(self.vocab, token, buffer, size, 0, True)  # noqa: FBT003
            if n >= 0:
                return buffer.raw[:n]
            size = -n

    def is_end(self, token: int) -> bool:
        """Whether the model ends its text with this token."""
        return bool(llama.llama_vocab_is_eog(self.vocab, token))

    @property
    def chat_template(self) -> str | None:
        """The file's chat template, in jinja; None where it has none."""
        source = llama.llama_model_chat_template(self.handle, None)
        return source.decode(errors="replace") if source else None

    def read_weight(self, name: str) -> npt.NDArray[np.uint8]:
        """Bytes of a tensor as they stand in the model file (see `place.ReadWeight`)."""
        return self.info.read_tensor(name)

    def close(self) -> None:
        """Free the model; safe to call twice."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _check_fits(info: ModelInfo, settings: EngineSettings, remote: list[ggml.Device]) -> None:
    """Refuse a model that does not fit the free memory with its cache, before llama.cpp tries.

    How long a context the tasks need is not known yet: at least a batch.
    """
    needed = memory_needed(info, settings, settings.n_ctx or settings.n_batch)
    free = psutil.virtual_memory().available
    if settings.n_gpu_layers != 0:
        free += sum(device.memory_free for device in _with_own_memory(remote))
    if needed.total > free and not settings.force:
        raise ModelTooLarge(
            f"{info.name} needs {needed} and {free / 2**30:.1f} GiB are free: choose a smaller "
            "quant, -b or --ctx, or --force to try"
        )


def _with_own_memory(remote: list[ggml.Device]) -> list[ggml.Device]:
    """Return the devices whose memory is not the one that this machine has counted already."""
    # a remote device is described by its address; behind a loopback one may be a tunnel
    here = psutil.virtual_memory().total
    elsewhere = [d for d in remote if not (is_loopback(d.description) and d.memory_total == here)]
    # integrated GPUs have none of their own, a Mac's too
    own = [] if sys.platform == "darwin" else [d for d in ggml.devices() if d.has_own_memory]
    return elsewhere + own


class Context:
    """A llama.cpp context over a model; a context manager.

    `n_ctx` cells of cache, up to `n_seq` sequences, at most `max_outputs` flagged rows a decode.
    `callback` is shown every node of every decode. `settings` are the model's unless given.
    """

    def __init__(
        self,
        model: Model,
        n_ctx: int,
        n_seq: int,
        max_outputs: int,
        settings: EngineSettings | None = None,
    ) -> None:
        self._stack = ExitStack()
        self.model, self.callback = model, NodeCallback()
        s = settings or model.settings
        self.n_ctx = -(-n_ctx // 256) * 256
        # llama.cpp takes no more tokens at once than its cache has cells
        self.n_batch = min(s.n_batch, self.n_ctx)
        self.n_ubatch = min(s.n_ubatch, self.n_batch)
        self.max_outputs = min(max_outputs, self.n_batch)
        self.handle = llama.llama_init_from_model(model.handle, self._params(n_seq, s))
        if not self.handle:
            raise ModelTooLarge(
                f"llama.cpp cannot make a context of {self.n_ctx} tokens: "
                f"try a smaller --ctx, -b or -ub{_log_tail()}"
            )
        self._stack.callback(llama.llama_free, self.handle)
        self.memory = llama.llama_get_memory(self.handle)
        self._seq_ids = np.arange(max(n_seq, 1), dtype=np.int32)

    def _params(self, n_seq: int, s: EngineSettings) -> Any:
        p = llama.llama_context_default_params()
        p.n_ctx, p.n_batch, p.n_ubatch, p.n_seq_max = self.n_ctx, self.n_batch, self.n_ubatch, n_seq
        # llama.cpp wants room for an output of every sequence
        p.n_outputs_max = max(self.max_outputs, n_seq)
        p.n_threads = p.n_threads_batch = self.model.n_threads
        p.flash_attn_type = int(s.flash_attention)
        p.type_k = p.type_v = ggml.F32 if s.kv_f32 else ggml.F16
        p.kv_unified = p.swa_full = p.offload_kqv = p.no_perf = True
        p.cb_eval = ct.cast(self.callback.pointer, llama.ggml_backend_sched_eval_callback)
        return p

    def decode(
        self,
        tokens: npt.NDArray[np.int32],
        positions: npt.NDArray[np.int32],
        seq_lo: npt.NDArray[np.int32],
        seq_hi: npt.NDArray[np.int32],
        flagged: npt.NDArray[np.bool_],
    ) -> None:
        """Decode tokens, each at its position for the sequences ``seq_lo <= s < seq_hi``.

        All arrays have one entry a token; outputs are computed for the `flagged` ones. Raises
        what a callback raised, or RunError with llama.cpp's reason.
        """
        counts = (seq_hi - seq_lo).astype(np.int32)
        pointers = (self._seq_ids.ctypes.data + 4 * seq_lo.astype(np.int64)).astype(np.uint64)
        outputs = flagged.astype(np.int8)
        batch = llama.llama_batch(
            n_tokens=len(tokens),
            token=_pointer(tokens, ct.c_int32),
            embd=None,
            pos=_pointer(positions, ct.c_int32),
            n_seq_id=_pointer(counts, ct.c_int32),
            seq_id=_pointer(pointers, ct.POINTER(ct.c_int32)),
            logits=_pointer(outputs, ct.c_int8),
        )
        status = llama.llama_decode(self.handle, batch)
        self.callback.raise_error()
        if status == 1:
            raise RunError(f"the cache of {self.n_ctx} tokens is full: try a larger --ctx")
        if status != 0:
            raise RunError(f"llama.cpp could not decode (status {status}){_log_tail()}")

    def decode_first(self, tokens: npt.NDArray[np.int32], position: int) -> None:
        """Decode tokens into sequence 0 from `position` on, without outputs."""
        positions = np.arange(position, position + len(tokens), dtype=np.int32)
        zero = np.zeros(len(tokens), np.int32)
        self.decode(tokens, positions, zero, zero + 1, np.zeros(len(tokens), bool))

    def fork(self, n_sequences: int) -> None:
        """Make sequences 1 to n begin with what sequence 0 holds; costs no memory."""
        for s in range(1, n_sequences + 1):
            llama.llama_memory_seq_cp(self.memory, 0, s, -1, -1)

    def drop(self, n_sequences: int) -> None:
        """Forget sequences 1 to n, and what only they held."""
        for s in range(1, n_sequences + 1):
            llama.llama_memory_seq_rm(self.memory, s, -1, -1)

    def drop_all(self) -> None:
        """Forget everything decoded so far."""
        llama.llama_memory_clear(self.memory, True)  # noqa: FBT003

    def logits(self, n_rows: int) -> FloatArray:
        """Copy llama.cpp's own logits (n_rows, n_vocab) of the last decode's flagged rows."""
        pointer = llama.llama_get_logits(self.handle)
        return np.ctypeslib.as_array(pointer, (n_rows, self.model.n_vocab)).copy()

    def close(self) -> None:
        """Free the context; safe to call twice."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _pointer(array: npt.NDArray[Any], c_type: Any) -> Any:
    return ct.cast(array.ctypes.data, ct.POINTER(c_type))
