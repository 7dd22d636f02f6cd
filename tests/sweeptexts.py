"""Texts of sweep files, and what is read from them."""

from __future__ import annotations

from typing import Any

from llprobe.sweep import SweepSpec, parse_sweep

__all__ = ["FULL", "names_of", "parse", "with_keys"]

FULL = """\
name: first.sweep-1
models:
  - smollm2-135m
  - hf:some/repo:Q8_0
  - ../models/*.gguf
  - {model: own.gguf, quantize: [q8_0, Q4_K_M], keep: false}
tasks: [paper, own/task.yaml, facts]
lenses: [norm, raw]
layers: [0, 10-20, -1]
limit: 20
shots: [default, 0, 4]
answers: [default, letter]
seeds: [0, 7]
ablations: [none, Skip:3-5, attn:-1 + ffn:2]
chat: true
pmi: true
data: data/q.jsonl
shots_file: /elsewhere/shots.txt
instruction: "Answer: yes or no.\\n"
set: {per_group: 20, language: [es, fr], all: yes, plain: "007"}
engine: {batch: 64, threads: 2, reference: true, force: true}
exclude:
  - {model: "*Q2_K*", seed: [1, 2]}
  - shots: default
    ablation: skip:*
"""


def parse(text: str, folder: str = "/sweeps/mine") -> SweepSpec:
    """Read a sweep as if its file lay in that folder."""
    return parse_sweep(text, f"{folder}/s.yaml")


def with_keys(**keys: str) -> str:
    """A sweep of one model and one task, and these keys."""
    lines = {"models": "smollm2-135m", "tasks": "facts"} | keys
    return "".join(f"{key}: {value}\n" for key, value in lines.items() if value is not None)


def names_of(models: Any) -> list[str]:
    """Give the names of models, or of requests."""
    return [model.name for model in models]
