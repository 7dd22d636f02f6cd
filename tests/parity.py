"""Compare llprobe with the golden numbers of an independent implementation, on the real model.

    python tests/parity.py [--golden FOLDER] [--models smollm2-135m,smollm2-135m:F32]

For each model, task and lens: the median, 99th percentile and worst relative difference of the
summed log-probs over all options and layers, and every MC1 decision that differs. The golden
numbers are float32 transformers on weights dequantised from the default model's own file.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llama_cpp  # noqa: F401 - before numpy, see docs/performance.md on CUDA
import numpy as np
import numpy.typing as npt

from llprobe.analysis import mc1
from llprobe.engine.probe import Probe
from llprobe.engine.score import ItemScore, Scorer
from llprobe.engine.tokens import tokenize_items
from llprobe.model import resolve
from llprobe.settings import EngineSettings
from llprobe.task import Item

GOLDEN = Path(__file__).resolve().parents[2] / "shared" / "golden"
TASKS = ("lama", "mps_cal", "reclor", "truthfulqa", "xmps_cal_es")
LENSES = ("paper", "norm")


@dataclass(frozen=True)
class Parity:
    """Agreement on one task through one lens: relative differences, and decisions that differ."""

    task: str
    lens: str
    n_items: int
    relative: npt.NDArray[np.float64]
    decisions: int
    differing: tuple[str, ...]

    def line(self) -> str:
        """One row of the table."""
        median, p99 = np.quantile(self.relative, (0.5, 0.99))
        equal = 1 - len(self.differing) / self.decisions
        return (
            f"{self.task:12} {self.lens:6} {self.n_items:5} {median:9.1e} {p99:9.1e} "
            f"{self.relative.max():9.1e} {equal:8.2%}"
        )


def load(folder: Path, task: str) -> list[dict[str, Any]]:
    """The golden questions of one task."""
    questions: list[dict[str, Any]] = json.loads((folder / f"{task}.json").read_text("utf-8"))
    return questions


def compare(probe: Probe, task: str, questions: list[dict[str, Any]]) -> Iterator[Parity]:
    """Score the questions and compare them, a result per lens."""
    items = [
        Item(q["id"], q["prompt"], tuple(q["choices"]), tuple(q["correct"]), q["best"])
        for q in questions
    ]
    layers = range(1, probe.model.n_layers + 1)
    tokens = tokenize_items(probe, "", items)
    with Scorer(probe, tokens, layers, LENSES) as scorer:
        scores = [score for _, group in scorer.groups() for score in group]
    for lens in LENSES:
        yield _judge(task, lens, questions, scores)


def _judge(
    task: str, lens: str, questions: list[dict[str, Any]], scores: list[ItemScore]
) -> Parity:
    relative, differing, decisions = [], [], 0
    for score in scores:
        question = questions[score.index]
        want, got = np.array(question["logprob"][lens]), score.logprob[lens]
        relative.append((np.abs(want - got) / np.abs(want)).ravel())
        truth = question["correct"], question["best"]
        other = np.flatnonzero(mc1(want, *truth) != mc1(got, *truth))
        differing += [f"{question['id']} at layer {layer + 1}" for layer in other]
        decisions += want.shape[1]
    return Parity(task, lens, len(scores), np.concatenate(relative), decisions, tuple(differing))


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--golden", type=Path, default=GOLDEN)
    parser.add_argument("--models", default="smollm2-135m,smollm2-135m:F32")
    arguments = parser.parse_args()
    if not arguments.golden.is_dir():
        raise SystemExit(
            f"no golden numbers at {arguments.golden}: name their folder with --golden"
        )
    for name in arguments.models.split(","):
        print(f"\n{name}\ntask         lens   items    median       p99     worst MC1 equal")
        with Probe(resolve(name), EngineSettings()) as probe:
            for task in TASKS:
                for parity in compare(probe, task, load(arguments.golden, task)):
                    print(parity.line())
                    for where in parity.differing:
                        print(f"    decided otherwise: {where}")


if __name__ == "__main__":
    main()
