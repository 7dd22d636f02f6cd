"""What a task and an item are, and how a definition and its data become questions.

    YAML definition -> rows (generated, read from a file) -> items (prompt, choices, truth)

`load_questions` is the way in. The rest of the exports is the kit that generators and readers
in `llprobe.tasks` are written with: a generator module has
`generate(seed: int, settings: Mapping[str, Any]) -> Iterator[Row]`, a reader module
`read(path: str) -> Iterator[Row]`.

This package knows nothing of models, tokens or scores.
"""

from __future__ import annotations

from llprobe.task.bundled import load_definition, task_names
from llprobe.task.content import file_form, rows
from llprobe.task.definition import Definition
from llprobe.task.files import data_rows, delimited, json_array, json_lines, read_text
from llprobe.task.groups import expand
from llprobe.task.questions import load_questions
from llprobe.task.records import ANSWERS, Item, Questions, Row, Skipped, TaskRequest, Turn
from llprobe.task.requests import requests_for

__all__ = [
    "ANSWERS",
    "Definition",
    "Item",
    "Questions",
    "Row",
    "Skipped",
    "TaskRequest",
    "Turn",
    "data_rows",
    "delimited",
    "expand",
    "file_form",
    "json_array",
    "json_lines",
    "load_definition",
    "load_questions",
    "read_text",
    "requests_for",
    "rows",
    "task_names",
]
