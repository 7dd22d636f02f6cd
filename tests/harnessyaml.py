"""What the tests of lm-evaluation-harness files share: a task of two questions, and its loader."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from llprobe.task import Questions, TaskRequest, load_questions

Ask = Callable[..., Questions]
ROWS: list[dict[str, Any]] = [
    {"stem": "Ice is frozen", "a": "water", "b": "sand", "label": 0, "right": "water"},
    {"stem": "Grass is mostly", "a": "blue", "b": "green", "label": 1, "right": "green"},
    {"stem": "Snow is", "a": "hot", "b": "cold", "label": 1, "right": "cold"},
]
HEAD = """\
task: weather
dataset_path: json
dataset_kwargs:
  data_files: {train: train.jsonl, test: test.jsonl}
output_type: multiple_choice
test_split: test
doc_to_text: "Sentence: {{stem}}"
"""
JINJA = HEAD + 'doc_to_choice: "{{[a, b]}}"\ndoc_to_target: label\n'
"""A whole task, which asks what is in EXPECTED."""


def json_lines(rows: list[dict[str, Any]]) -> str:
    """Give rows as JSON lines."""
    return "".join(json.dumps(row) + "\n" for row in rows)


def asker(tmp_path: Path) -> Ask:
    """Give what writes files, the YAML among them, and loads the questions of the task."""

    def load(yaml: str, request: dict[str, Any] | None = None, **files: str) -> Questions:
        written = {"train.jsonl": json_lines(ROWS[:1]), "test.jsonl": json_lines(ROWS[1:])}
        for name, text in (written | {"weather.yaml": yaml} | files).items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return load_questions(TaskRequest(str(tmp_path / "weather.yaml"), **(request or {})))

    return load


def asked(questions: Questions) -> list[tuple[str, tuple[str, ...], tuple[int, ...]]]:
    """Give the prompt, the options and the true ones of every question."""
    return [(item.prompt, item.choices, item.correct) for item in questions.items]


EXPECTED = [
    ("Sentence: Grass is mostly", (" blue", " green"), (1,)),
    ("Sentence: Snow is", (" hot", " cold"), (1,)),
]
