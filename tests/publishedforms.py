"""Published data sets in the forms in which they are served: a few rows of each, and a reader.

The sentences are our own; only the forms are those of the data sets.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from llprobe.task import Questions, TaskRequest, load_questions

Read = Callable[..., Questions]

ARC = [
    {
        "id": "a1",
        "question": "Which of these gives off light of its own?",
        "choices": {"text": ["a candle", "a mirror", "the moon"], "label": ["A", "B", "C"]},
        "answerKey": "A",
    },
    {
        "id": "a2",
        "question": "What do bees gather?",
        "choices": {"text": ["sand", "nectar"], "label": ["1", "2"]},
        "answerKey": "2",
    },
    {
        "id": "a3",
        "question": "What melts?",
        "choices": {"text": ["ice", "fire", "smoke"], "label": ["A", "B", "C"]},
        "answerKey": "3",
    },
]
HELLASWAG = [
    {
        "ind": 4,
        "activity_label": "Sharpening pencils",
        "ctx_a": "A boy holds a pencil over a bin. ",
        "ctx_b": "he",
        "ctx": "A boy holds a pencil over a bin.  he",
        "endings": ["turns it in the sharpener.", "eats the bin.", "sings to it.", "is a lake."],
        "source_id": "activitynet~v_1",
        "split": "val",
        "label": "0",
    },
    {
        "activity_label": "Home",
        "ctx_a": "[header] How to hang a picture [title] Find a stud. [step] Knock on the wall.",
        "ctx_b": "",
        "endings": ["[substeps] Mark the place.", "Paint the floor."],
        "source_id": "wikihow~7",
        "label": 0,
    },
]
MMLU = [
    {
        "question": "What is 3 times 4?\n",
        "subject": "arithmetic",
        "choices": ["7", "12"],
        "answer": 1,
    },
    {"question": "Who wrote it?", "subject": "letters", "choices": ["Ann", "Bob"], "answer": 0},
]
MGSM = [
    {
        "question": "Eva has 20 nuts and eats 2. How many are left?",
        "answer": None,
        "answer_number": 18,
        "equation_solution": None,
    },
    {"question": "How many is 9 times 120?", "answer": "", "answer_number": "1,080"},
]
LOGIQA = [
    {
        "context": "All herons fish.",
        "query": "Which follows?",
        "options": ["This heron fishes.", "No heron fishes.", "Fish are herons.", "Nothing does."],
        "correct_option": 0,
    },
    {"context": "c", "query": "q", "options": ["w", "x", "y", "z"], "correct_option": "3"},
]
TARGETS = [
    {
        "question": "Do lemmings leap to their death?",
        "mc1_targets": {"No, that is a myth.": 1, "Yes, in herds.": 0},
        "mc2_targets": {
            "No, that is a myth.": 1,
            "No, they do not.": 1,
            "Yes, in herds.": 0,
            "Yes, each spring.": 0,
        },
    },
    {
        "question": "Is glass a liquid?",
        "mc1_targets": {"It is a solid.": 1, "It flows.": 0},
        "mc2_targets": {"No.": 1, "It flows.": 0},
    },
]
HUB_TARGETS = [
    {
        "question": row["question"],
        **{
            key: {"choices": list(row[key]), "labels": list(row[key].values())}  # type: ignore[attr-defined,call-overload]
            for key in ("mc1_targets", "mc2_targets")
        },
    }
    for row in TARGETS
]
TRIPLES = [
    {
        "uuid": f"u{number}",
        "lineid": number,
        "sub_label": subject,
        "obj_label": answer,
        "template": "[X] ligt in [Y].",
        "predicate_id": "P17",
        "language": "nl",
    }
    for number, (subject, answer) in enumerate(
        [("Lyon", "Frankrijk"), ("Porto", "Portugal"), ("Turijn", "Italie"), ("Lyon", "Europa")]
    )
]
FORMS: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "arc": ("arc", ARC),
    "hellaswag": ("hellaswag", HELLASWAG),
    "mmlu": ("mmlu", MMLU),
    "mgsm": ("mgsm", MGSM[:1]),
    "logiqa": ("logiqa", LOGIQA[:1]),
    "targets": ("truthfulqa", HUB_TARGETS),
    "triples": ("lama", TRIPLES),
}
"""For each form, a task that reads it and good rows."""


def parquet(path: Path, content: list[dict[str, Any]]) -> bytes:
    """Write rows as Parquet; give the bytes of the file."""
    pa, pq = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    pq.write_table(pa.Table.from_pylist(content), path)
    return path.read_bytes()


def lines(content: list[dict[str, Any]]) -> str:
    """Give rows as JSON lines."""
    return "".join(json.dumps(row) + "\n" for row in content)


def reader(tmp_path: Path) -> Read:
    """Give what writes a file, whatever it is called, and reads it as a task's data."""

    def load(task: str, content: str | bytes, **request: Any) -> Questions:
        path = tmp_path / "data.x"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return load_questions(TaskRequest(task, data=str(path), **request))

    return load
