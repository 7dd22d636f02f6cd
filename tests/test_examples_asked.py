"""A row that is shown with its answer is not asked, by whatever path it comes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llprobe.errors import DataError
from llprobe.task import Questions, TaskRequest, load_questions

ROWS = [{"q": f"Which is {at}?", "c": [f"a{at}", f"b{at}"], "g": 0} for at in range(4)]
TASK = """\
task: farm
dataset_path: json
dataset_kwargs: {data_files: {test: farm.jsonl, train: train.jsonl}}
test_split: test
fewshot_split: SPLIT
num_fewshot: 2
output_type: multiple_choice
doc_to_text: "{{q}}"
doc_to_choice: c
doc_to_target: g
"""


def written(path: Path, rows: list[dict[str, object]] = ROWS) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def farm(folder: Path, split: str = "test") -> str:
    written(folder / "farm.jsonl")
    (folder / "farm.yaml").write_text(TASK.replace("SPLIT", split))
    return str(folder / "farm.yaml")


def prompts(questions: Questions) -> list[str]:
    return [item.prompt for item in questions.items]


@pytest.mark.parametrize("answer", ["cloze", "letter", "generate"])
@pytest.mark.parametrize("way", ["linked", "copied", "spaced"])
def test_examples_of_another_split_are_not_asked(way: str, answer: str, tmp_path: Path) -> None:
    task = farm(tmp_path, "train")
    if way == "linked":
        (tmp_path / "train.jsonl").symlink_to("farm.jsonl")
    else:
        spaced = [row | {"q": f" {row['q']}".replace(" ", "  ")} for row in ROWS]
        written(tmp_path / "train.jsonl", spaced if way == "spaced" else ROWS)
    asked = load_questions(TaskRequest(task, answer=answer))
    assert [prompt.splitlines()[0] for prompt in prompts(asked)] == ["Which is 2?", "Which is 3?"]
    assert any("2 not asked, as a worked example shows the answer" in each for each in asked.notes)


@pytest.mark.parametrize("form", ["same", "copy", "json"])
def test_examples_are_not_asked_from_other_data(form: str, tmp_path: Path) -> None:
    task, data = farm(tmp_path), tmp_path / "farm.jsonl"
    if form == "copy":
        data = written(tmp_path / "copy.jsonl")
    elif form == "json":
        data = tmp_path / "copy.json"
        data.write_text(json.dumps(ROWS))
    asked = load_questions(TaskRequest(task, data=str(data), limit=2))
    assert prompts(asked) == ["Which is 2?", "Which is 3?"]


def test_a_text_of_examples_counts_as_well(tmp_path: Path) -> None:
    shots = tmp_path / "shots.txt"
    shots.write_text("Which is 1?\n a1\n\nSome Which is 3? a33\n\nWhich is 2? b2\n\n")
    asked = load_questions(TaskRequest(farm(tmp_path), shots_file=str(shots)))
    assert prompts(asked) == ["Which is 0?", "Which is 2?", "Which is 3?"]


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json"])
@pytest.mark.parametrize("inner", ['"g": 0, "g": 1', '"g": 0, "more": {"a": 1, "a": 2}'])
def test_a_key_that_stands_twice_is_refused(name: str, inner: str, tmp_path: Path) -> None:
    row = f'{{"q": "Which?", "c": ["a", "b"], {inner}}}'
    data = tmp_path / name
    data.write_text(f"[\n{row}]" if name.endswith(".json") else f"\n{row}\n")
    with pytest.raises(DataError, match=r", line 2: the key '(g|a)' stands there twice$"):
        load_questions(TaskRequest(farm(tmp_path), data=str(data)))
