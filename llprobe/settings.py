"""How the engine is to run: everything beside model and questions that can decide a number.

And how long it is waited for, and what reading a task may take. This module knows names and limits
of settings. It does not know what they are applied to.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from llprobe.errors import UsageError
from llprobe.rpc import parse_servers

__all__ = [
    "LENSES",
    "MAX_SEQUENCES",
    "EngineSettings",
    "Patience",
    "ReadingLimits",
    "RpcSettings",
    "parse_layers",
    "patience",
    "reading_limits",
    "settings_from",
]

LENSES = ("norm", "paper", "raw")
"""`norm`: final norm at every layer; `paper`: only before the last layer's logits; `raw`: never."""

MAX_SEQUENCES = 256
"""llama.cpp's LLAMA_MAX_SEQ."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Settings of one engine run.

    `n_batch`, `n_ubatch`: tokens a decode, and a graph, may hold. `n_ctx`: most tokens of the
    cache, None = what the plan needs. `n_threads`: None = one per performance core. `n_gpu_layers`:
    -1 = all. `kv_f32`: cache in float32 instead of float16. `flash_attention`: fused attention.
    `share`: many options in one prefix tree (False: one option, one sequence, from its start).
    `skip_shared`: leave out the positions that all options of a question share: MC1 to MC3 stay
    the same, log-probs lack a term that is common to the options of a question.
    `buffer_mb`: memory in MiB for logits and hidden states of one decode, each. `force`: load a
    model that is expected not to fit memory.
    """

    n_batch: int = 512
    n_ubatch: int = 512
    n_ctx: int | None = None
    n_threads: int | None = None
    n_gpu_layers: int = -1
    kv_f32: bool = False
    flash_attention: bool = True
    share: bool = True
    skip_shared: bool = False
    buffer_mb: int = 64
    force: bool = False

    def __post_init__(self) -> None:
        """Refuse values that llama.cpp would abort on."""
        if self.n_batch < 2:
            raise UsageError(f"-b {self.n_batch}: a batch holds at least 2 tokens; try -b 512")
        if self.n_ubatch < 1:
            raise UsageError(f"-ub {self.n_ubatch}: must be at least 1; try -ub 512")
        if self.n_ctx is not None and self.n_ctx < 8:
            raise UsageError(f"--ctx {self.n_ctx}: a context holds at least 8 tokens")
        if self.n_threads is not None and self.n_threads < 1:
            raise UsageError(f"--threads {self.n_threads}: must be at least 1")
        if self.buffer_mb < 1:
            raise UsageError(f"--buffer-mb {self.buffer_mb}: must be at least 1")

    def reference(self) -> EngineSettings:
        """Reference mode: one option at a time, float32 cache, no flash attention."""
        return replace(self, kv_f32=True, flash_attention=False, share=False)

    @property
    def max_leaves(self) -> int:
        """Most option sequences of one pass: sequence 0 holds the prefix, a batch all sequences."""
        return min(MAX_SEQUENCES, self.n_batch) - 1

    @property
    def servers(self) -> tuple[str, ...]:
        """RPC servers whose devices are used beside this machine's, HOST:PORT each."""
        return ()

    def using(self, servers: Sequence[str]) -> EngineSettings:
        """Return these settings with other RPC servers, or with none; UsageError for no address."""
        own = {name: value for name, value in asdict(self).items() if name != "rpc"}
        return RpcSettings(**own, rpc=tuple(servers)) if servers else EngineSettings(**own)

    def deciding(self) -> dict[str, Any]:
        """Return what of the settings a number can depend on: not where a server is just now."""
        return asdict(self) | ({"rpc": True} if self.servers else {})


@dataclass(frozen=True, slots=True)
class RpcSettings(EngineSettings):
    """Settings of a run that uses devices of other machines, through llama.cpp's RPC servers.

    A class of its own: what was computed and stored without such servers stays what it is, its
    ids included.
    """

    rpc: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what is no address, and what llama.cpp would abort on."""
        # not super(): a dataclass with slots is made anew, and super() would look for the old one
        EngineSettings.__post_init__(self)
        object.__setattr__(self, "rpc", parse_servers(self.rpc))

    @property
    def servers(self) -> tuple[str, ...]:
        """As in `EngineSettings`."""
        return self.rpc


def settings_from(stored: Mapping[str, Any]) -> EngineSettings:
    """Return settings from their fields as they were stored."""
    own = {name: value for name, value in stored.items() if name != "rpc"}
    return EngineSettings(**own).using(stored.get("rpc", ()))


def parse_layers(text: str | None, n_layers: int) -> tuple[int, ...]:
    """Layers of a model named by e.g. ``1-30``, ``10,20,-1`` or None for all; ascending.

    Layer k is the residual stream after block k, 0 the first block's input, -1 the last layer.
    """
    if text is None or text.strip() == "all":
        return tuple(range(1, n_layers + 1))
    chosen: set[int] = set()
    for part in text.split(","):
        first, last = _range(part.strip(), text)
        low, high = (n + n_layers + 1 if n < 0 else n for n in (first, last))
        if not 0 <= low <= high <= n_layers:
            raise UsageError(f"--layers {part.strip()}: this model has layers 0 to {n_layers}")
        chosen.update(range(low, high + 1))
    return tuple(sorted(chosen))


def _range(part: str, text: str) -> tuple[int, int]:
    """Return the two ends of ``7``, ``-1``, ``3-8`` or ``-5--1``."""
    cut = part.find("-", 1)
    try:
        if cut < 0:
            return int(part), int(part)
        return int(part[:cut]), int(part[cut + 1 :])
    except ValueError:
        raise UsageError(f"--layers {text!r}: write e.g. 1-30 or 10,20,-1") from None


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a child process may say nothing before it is taken for hung, in seconds."""

    stalled: float = 300.0
    """Without using a processor (LLPROBE_STALL)."""
    silent: float = 7200.0
    """Even if it is busy: it may be in a loop (LLPROBE_SILENT)."""


def patience() -> Patience:
    """Return how long children are waited for, as the environment says; UsageError for no number.

    `inf` waits for ever.
    """
    usual = Patience()
    return Patience(
        _positive("LLPROBE_STALL", usual.stalled, "seconds"),
        _positive("LLPROBE_SILENT", usual.silent, "seconds"),
    )


_MOST = 1e9
"""What stands for no limit: the system's own limits are whole numbers."""


@dataclass(frozen=True, slots=True)
class ReadingLimits:
    """What reading a task with its data, or a sweep's file, may take (see task/bounded.py)."""

    seconds: float = 10.0
    """Of computing (LLPROBE_READ_SECONDS)."""
    megabytes: float = 2000.0
    """Of memory, each a million bytes (LLPROBE_READ_MB)."""


def reading_limits() -> ReadingLimits:
    """Return the limits on reading, as the environment says; UsageError for no number."""
    usual = ReadingLimits()
    return ReadingLimits(
        min(_positive("LLPROBE_READ_SECONDS", usual.seconds, "seconds"), _MOST),
        min(_positive("LLPROBE_READ_MB", usual.megabytes, "megabytes"), _MOST),
    )


def _positive(name: str, usual: float, unit: str) -> float:
    """Return a positive number from the environment; `usual` where it is not set."""
    text = os.environ.get(name, "")
    try:
        number = float(text or usual)
    except ValueError:
        number = 0.0
    if not number > 0:  # not `<=`: nan is none either
        raise UsageError(f"{name}={text}: must be a number of {unit} above 0, e.g. {usual:.0f}")
    return number
