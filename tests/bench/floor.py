"""The least time that the same arithmetic can take: multiply-adds at a measured matmul rate."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

import numpy as np
from gguf import GGMLQuantizationType

from llprobe.engine import ggml
from llprobe.engine.ggml import Backend, Graph, lib
from llprobe.engine.probe import Probe
from llprobe.model import ModelInfo

__all__ = ["Rates", "floor_seconds", "measure", "normalisation"]


@dataclass(frozen=True)
class Rates:
    """Floating-point operations a second: of the blocks' matrices, and of the output matrix."""

    blocks: float
    head: float


def _rate(backend: Backend, kind: int, width: int, height: int, columns: int) -> float:
    """Operations a second of a (height, width) matrix of a quant type times `columns` columns."""
    with Graph(backend) as graph:
        weight = graph.input(kind, width, height)
        x = graph.input(ggml.F32, width, columns)
        graph.output(graph.op("mul_mat", weight, x))
        graph.allocate()
        random = np.random.default_rng(0)
        # half-precision scales of random bytes may be infinite; 0x11 everywhere is finite
        ggml.write_tensor(weight, np.full(lib.ggml_nbytes(weight), 0x11, np.uint8))
        ggml.write_tensor(x, random.standard_normal((columns, width), np.float32))
        graph.compute()
        work, times = 2.0 * width * height * columns, []
        while len(times) < 5 or sum(times) < 0.5:
            started = perf_counter()
            graph.compute()
            times.append(perf_counter() - started)
        return work / float(np.median(times))


def _type_of(info: ModelInfo, classes: tuple[str, ...]) -> int:
    kinds = [(n, kind) for c in info.tensor_classes if c.name in classes for kind, n in c.types]
    return int(GGMLQuantizationType[max(kinds)[1]])


def measure(probe: Probe) -> Rates:
    """Measure both rates with the model's own shapes and types, on the CPU."""
    info, model = probe.model.info, probe.model
    head = ("embedding",) if info.tied_output else ("output",)
    with Backend(ggml.cpu_device(), model.n_threads) as backend:
        blocks = _rate(
            backend, _type_of(info, ("attention", "feed-forward")), model.n_embd,
            3 * model.n_embd, model.settings.n_batch,
        )  # fmt: skip
        output = _rate(backend, _type_of(info, head), model.n_embd, model.n_vocab, 64)
    return Rates(blocks, output)


def floor_seconds(probe: Probe, rates: Rates, tokens: int, rows: int, n_layers: int) -> float:
    """Distinct tokens through the blocks, and distinct scored positions through the head."""
    info, model = probe.model.info, probe.model
    weights = sum(
        c.n_params for c in info.tensor_classes if c.name in ("attention", "feed-forward")
    )
    forward = 2.0 * weights * tokens / rates.blocks
    return forward + 2.0 * model.n_embd * model.n_vocab * rows * n_layers / rates.head


def normalisation(probe: Probe, rows: int, n_layers: int) -> float:
    """Seconds that log-sum-exp and gathering take for that many rows, measured by themselves."""
    model, n = probe.model, probe.head.chunk_rows
    with Backend(ggml.cpu_device(), model.n_threads) as backend, Graph(backend) as graph:
        logits = graph.input(ggml.F32, model.n_vocab, n)
        graph.output(graph.op("argmax", logits))
        graph.output(graph.op("soft_max", logits))
        graph.allocate()
        random = np.random.default_rng(0)
        ggml.write_tensor(logits, random.standard_normal((n, model.n_vocab), np.float32))
        graph.compute()
        times = []
        for _ in range(9):
            started = perf_counter()
            graph.compute()
            times.append(perf_counter() - started)
    return float(np.median(times)) * rows * n_layers / n
