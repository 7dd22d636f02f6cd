"""What the tests of questions share: a task of two rows, and how it is loaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from llprobe.task import Questions, TaskRequest, load_questions

__all__ = ["HEAD", "PLAIN", "ROWS", "Ask", "asker"]

Ask = Callable[..., Questions]
HEAD = "task: t\noutput_type: multiple_choice\n"
PLAIN = {
    "doc_to_text": "Q: {{q}}\nA:",
    "doc_to_choice": "options",
    "doc_to_target": "answer",
}
ROWS: list[dict[str, Any]] = [
    {"q": "one?", "options": ["a", "b", "c"], "answer": 1},
    {"q": "two?", "options": ["d", "e"], "answer": "d"},
]


def asker(folder: Path) -> Ask:
    """Give what writes a task and its data, and loads the questions."""

    def load(
        rows: list[dict[str, Any]] | str = ROWS,
        request: dict[str, Any] | None = None,
        **keys: Any,
    ) -> Questions:
        own = {"data": "rows.jsonl", **keys.pop("llprobe", {})}
        definition = {**PLAIN, **keys, "llprobe": own}
        lines = [f"{key}: {json.dumps(value)}\n" for key, value in definition.items()]
        (folder / "t.yaml").write_text(HEAD + "".join(lines), encoding="utf-8")
        text = rows if isinstance(rows, str) else "".join(json.dumps(row) + "\n" for row in rows)
        (folder / "rows.jsonl").write_text(text, encoding="utf-8")
        return load_questions(TaskRequest(str(folder / "t.yaml"), **(request or {})))

    return load
