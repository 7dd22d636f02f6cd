"""What the tests of the user's task folder share: one of a test's own, and what goes into it."""

from __future__ import annotations

from pathlib import Path

import pytest
from publishedforms import lines

__all__ = ["OWN", "left_over", "own_shelf", "own_task", "written"]

OWN = """\
task: colours
output_type: multiple_choice
doc_to_text: "Q: {{question}}\\nA:"
doc_to_choice: [red, green]
doc_to_target: answer
llprobe:
  data: items/colours.jsonl
"""


def written(folder: Path, name: str, text: str | bytes) -> str:
    """Write a file, and the folders that it lies in."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def own_task(folder: Path, yaml: str = OWN) -> str:
    """Write a task of the user's own and its data."""
    written(folder, "items/colours.jsonl", lines([{"question": "Grass?", "answer": "green"}]))
    return written(folder, "colours.yaml", yaml)


def left_over(folder: Path) -> list[str]:
    """Give what an addition that broke off has left."""
    return [path.name for path in folder.glob(".partial-*")]


def own_shelf(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let added tasks lie in the test's own folder, which is not there yet."""
    monkeypatch.setenv("LLPROBE_TASKS", str(folder / "tasks"))
    return folder / "tasks"
