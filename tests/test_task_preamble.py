"""What stands before every question of a task: its description and worked examples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from taskhelp import Ask, asker

from llprobe.errors import LlprobeError, TaskError, UsageError


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    return asker(tmp_path)


SHOTS: dict[str, Any] = {
    "samples": [{"q": "s1?", "answer": "yes"}, {"q": "s2?", "options": ["n"], "answer": 0}]
}


def test_the_preamble_is_description_and_worked_examples(ask: Ask) -> None:
    keys: dict[str, Any] = {"description": "Say.\n\n", "fewshot_config": SHOTS, "num_fewshot": 2}
    assert ask(**keys).preamble == "Say.\n\nQ: s1?\nA: yes\n\nQ: s2?\nA: n\n\n"
    assert ask(request={"num_fewshot": 1}, **keys).preamble == "Say.\n\nQ: s1?\nA: yes\n\n"
    assert ask(request={"num_fewshot": 0}, **keys).preamble == "Say.\n\n"
    assert ask(request={"instruction": "Do.", "num_fewshot": 0}, **keys).preamble == "Do.\n\n"
    assert ask(request={"instruction": "", "num_fewshot": 0}, **keys).preamble == ""
    others: dict[str, Any] = {"fewshot_delimiter": "--", "target_delimiter": "="}
    assert ask(**keys, **others).preamble == "Say.\n\nQ: s1?\nA:=yes--Q: s2?\nA:=n--"


@pytest.mark.parametrize("number", [-1, 3])
def test_more_worked_examples_than_there_are(ask: Ask, number: int) -> None:
    with pytest.raises(UsageError, match="worked examples"):
        ask(request={"num_fewshot": number}, fewshot_config=SHOTS)


def test_a_description_is_shared_and_knows_no_row(ask: Ask) -> None:
    with pytest.raises(TaskError, match=r"description: cannot be rendered .*'q' is undefined"):
        ask(description="{{q}}")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("shots.jsonl", '{"q": "x?", "answer": "y "}\n{"q": "z?", "answer": "w"}\n'),
        ("shots.json", '[{"q": "x?", "answer": "y "}, {"q": "z?", "answer": "w"}]'),
        ("shots.yaml", '- {q: "x?", answer: "y "}\n- {q: "z?", answer: w}\n'),
    ],
)
def test_worked_examples_from_a_file(ask: Ask, tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    both = ask(request={"shots_file": str(path)}, fewshot_config=SHOTS, num_fewshot=1)
    assert both.preamble == "Q: x?\nA: y \n\nQ: z?\nA: w\n\n"
    assert ask(request={"shots_file": str(path), "num_fewshot": 1}).preamble == "Q: x?\nA: y \n\n"
    with pytest.raises(UsageError, match=r"shots.*has 2 worked examples, not 3"):
        ask(request={"shots_file": str(path), "num_fewshot": 3})


def test_a_whole_preamble_from_a_text_file(ask: Ask, tmp_path: Path) -> None:
    path = tmp_path / "preamble.txt"
    path.write_text("As it\nstands {{q}}. \n\n")
    assert ask(request={"shots_file": str(path)}).preamble == "As it\nstands {{q}}. \n\n"
    for other in ({"num_fewshot": 1}, {"instruction": "x"}):
        with pytest.raises(UsageError, match="is the whole preamble"):
            ask(request={"shots_file": str(path), **other})


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("s.yaml", "a: 1\n", "s.yaml: worked examples must be a list of rows"),
        ("s.yaml", "- [\n", "s.yaml, line 2: not YAML"),
        ("s.yaml", "- {q: 1}\n- 3\n", "s.yaml: worked examples must be a list of rows"),
        (
            "s.yaml",
            "- {q: x}\n",
            "s.yaml, worked example 1: .*doc_to_target: there is no field 'answer'",
        ),
        ("s.yaml", "- {q: x, answer: []}\n", "worked example 1: it has no answer"),
        ("s.yaml", "- {q: x, answer: 2, options: [a]}\n", "worked example 1: there is no option 2"),
        ("s.jsonl", "{\n", "s.jsonl, line 1, column 2: not JSON"),
        ("s.jsonl", "", "s.jsonl: the file holds no rows"),
        ("s.doc", "x", "s.doc: cannot tell its format from '.doc'"),
    ],
)
def test_a_bad_file_of_worked_examples(
    ask: Ask, tmp_path: Path, name: str, text: str, said: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(LlprobeError, match=said) as caught:
        ask(request={"shots_file": str(path)})
    assert caught.value.exit_code == 2
