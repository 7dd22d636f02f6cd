"""What the tests of states share: models and questions, and the oracle's states of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clihelp import tiny_model, write_questions
from numpy.typing import NDArray
from oracle import NumpyLlama

from llprobe import likeness
from llprobe.model import ModelInfo, read_model
from llprobe.settings import EngineSettings
from llprobe.task import Questions, TaskRequest, load_questions
from llprobe.worker import carry_out

__all__ = [
    "PLAIN",
    "Floats",
    "Prompt",
    "models_of",
    "oracle_states",
    "questions_of",
    "work_inside",
    "write_files",
]

Floats = NDArray[np.floating[Any]]
Prompt = tuple[int, ...]
PLAIN = EngineSettings(n_threads=1, n_gpu_layers=0, kv_f32=True, flash_attention=False)


def oracle_states(path: Path, prompts: Sequence[Prompt], shared: int | None = None) -> Floats:
    """Give (n_prompts, n_layers + 1, width): at the last token, or the mean after `shared`."""
    oracle = NumpyLlama(path)
    found = [oracle.hidden_states(prompt) for prompt in prompts]
    if shared is None:
        return np.stack([states[:, -1] for states in found])
    return np.stack([states[:, shared:].mean(axis=1) for states in found])


def questions_of(files: Path, name: str = "q.jsonl") -> Questions:
    """Load the questions of a file."""
    return load_questions(TaskRequest("prompts", data=str(files / name)))


def models_of(files: Path, *names: str) -> list[ModelInfo]:
    """Read models by their names."""
    return [read_model(files / f"{name}.gguf") for name in names]


def write_files(folder: Path) -> Path:
    """Write three models, one of them with little context, and questions."""
    tiny_model(folder, "one")
    tiny_model(folder, "two", seed=1, n_layers=2, n_embd=32, n_heads=2, n_kv_heads=1)
    tiny_model(folder, "short", seed=2, n_ctx=32)
    write_questions(folder / "q.jsonl", 23, words=9)
    return folder


def work_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the worker's part be done in this process: a child takes a second to start."""
    monkeypatch.setattr(likeness, "call", lambda request, _cancel: carry_out(request))
