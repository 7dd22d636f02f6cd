"""Values of a task file are what stands in it."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llprobe.errors import TaskError
from llprobe.task import TaskRequest, load_questions
from llprobe.task.yamlfile import parse_yaml_value

TEXTS = (
    "12:30", "1:02:03", "007", "1.10", "1_000", "0x1F", "0b11", "0o17", ".inf", "-.INF", ".nan",
    "1.0e+3", "+5", "5.", "-0.0e+0", "2001-01-01", "2001-12-14 21:59:43.10", "9" * 400,
)  # fmt: skip
NUMBERS = {"0": 0, "5": 5, "-12": -12, "1.5": 1.5, "-0.25": -0.25, "100000": 100_000}


@pytest.mark.parametrize("text", TEXTS)
def test_a_number_of_unusual_writing_is_a_text(text: str) -> None:
    assert parse_yaml_value(f"[{text}]", "t.yaml") == [text]


@pytest.mark.parametrize("text", NUMBERS)
def test_a_plain_number_is_a_number(text: str) -> None:
    (value,) = parse_yaml_value(f"[{text}]", "t.yaml")
    assert (value, type(value)) == (NUMBERS[text], type(NUMBERS[text]))


@given(st.from_regex(r"[-+]?[0-9_.:xXoeE]{1,12}", fullmatch=True))
def test_whatever_looks_like_a_number_reads_back_as_it_is_written(text: str) -> None:
    try:
        value: Any = parse_yaml_value(f"[{text}]", "t.yaml")[0]
    except TaskError:  # `1: 2` and the like is no number
        return
    if not isinstance(value, dict):
        assert str(value) == text


@pytest.mark.parametrize("value", ["!!int noon", "!!float x", "!!timestamp noon", "!!bool maybe"])
def test_a_tag_that_does_not_fit_is_said(value: str) -> None:
    with pytest.raises(TaskError, match=r"t\.yaml, line 1: not a value"):
        parse_yaml_value(f"[{value}]", "t.yaml")


@pytest.mark.parametrize("text", ["12:30", "007", "1.10", "0x1F", "2001-01-01"])
def test_an_option_is_scored_as_it_is_written(text: str, tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text('{"q": "When?"}\n')
    (tmp_path / "t.yaml").write_text(
        "task: t\noutput_type: multiple_choice\ndoc_to_text: '{{q}}'\n"
        f"doc_to_choice: [{text}, never]\ndoc_to_target: 0\nllprobe: {{data: q.jsonl}}\n"
    )
    (item,) = load_questions(TaskRequest(str(tmp_path / "t.yaml"))).items
    assert [choice.strip() for choice in item.choices] == [text, "never"]
