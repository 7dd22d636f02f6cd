"""What a task file says of its worked examples: `num_fewshot` and `fewshot_config`.

    fewshot_config:
      sampler: first_n      # the first ones are shown, in order
      samples: []           # rows; or they are from the split `fewshot_split`, see dataset.py

Knows nothing of how they are rendered (see shots.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llprobe.task.dataset import Dataset
from llprobe.task.yamlfile import Section

__all__ = ["EXAMPLE_KEYS", "number", "sampler_note", "samples_of"]

EXAMPLE_KEYS = ("sampler", "samples", "split", "num_fewshot", "process_docs")
"""The keys of `fewshot_config`."""


def number(top: Section, config: Section, there: int, dataset: Dataset | None) -> int:
    """Return how many worked examples are shown; TaskError where there are fewer than that."""
    section = top if top.has("num_fewshot") else config
    wanted = section.count("num_fewshot", 0)
    if wanted > there and not (dataset and dataset.shots):
        said = f"{wanted}, but fewshot_config.samples holds {there}"
        raise section.error("num_fewshot", said)
    return wanted


def samples_of(config: Section) -> tuple[Mapping[str, Any], ...]:
    """Return the worked examples that stand in the file, as rows; TaskError if they are none."""
    _sampler(config)
    samples = config.get("samples", [])
    if not isinstance(samples, list) or not all(isinstance(each, dict) for each in samples):
        raise config.error("samples", "must be a list of rows, `- field: value`")
    return tuple(samples)


def sampler_note(top: Section, config: Section) -> tuple[str, ...]:
    """Say what differs where the harness would draw the worked examples at random."""
    sampler = config.values.get("sampler")  # which samples_of checks
    if sampler == "first_n" or not (sampler or top.has("dataset_path")):
        return ()
    if not (top.get("num_fewshot") or config.get("num_fewshot")):
        return ()
    return ("the worked examples are the first ones, in order; none is drawn at random",)


def _sampler(config: Section) -> str:
    sampler = config.text("sampler", "")
    if sampler not in {"", "first_n", "default"}:
        said = "only first_n is known: the worked examples keep their order"
        raise config.error("sampler", said)
    return sampler
