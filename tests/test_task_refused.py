"""Definitions and rows of which no questions can be made: what is said of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from taskhelp import ROWS, Ask, asker

from llprobe.errors import DataError, TaskError, UsageError
from llprobe.task import TaskRequest, load_questions


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    return asker(tmp_path)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "both": ({"options": ["a", "a", "b"], "answer": 0}, "the option 'a' is both true and false"),
    "no false": ({"options": ["a", "a"], "answer": [0, 1]}, "no option is false"),
    "no true": ({"options": ["a", "b"], "answer": []}, "no option is true"),
    "one": ({"options": ["a"], "answer": 0}, "it has 1 option, 2 are needed"),
    "none": ({"options": [], "answer": 0}, "it has 0 options, 2 are needed"),
    "empty option": ({"options": ["a", " "], "answer": 0}, "option 1 is empty"),
    "range": ({"options": ["a", "b"], "answer": 2}, "there is no option 2, .* 0 to 1"),
    "negative": ({"options": ["a", "b"], "answer": -1}, "there is no option -1"),
    "text": ({"options": ["a", "b"], "answer": "c"}, "the answer 'c' is not one of the options"),
    "surrogate": ({"options": ["a", "\ud800"], "answer": 0}, "it holds half a surrogate pair"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_row_of_a_users_file_is_an_error_with_its_line(ask: Ask, case: str) -> None:
    fields, said = BAD[case]
    with pytest.raises(DataError, match=rf"rows.jsonl, line 3: {said}"):
        ask([*ROWS, {"q": "?", **fields}])


@pytest.mark.parametrize("case", BAD)
def test_a_bad_row_of_a_published_file_is_skipped_and_listed(ask: Ask, case: str) -> None:
    fields, said = BAD[case]
    questions = ask([ROWS[0], {"q": "?", **fields}, ROWS[1]], llprobe={"bad_rows": "skip"})
    assert [item.id for item in questions.items] == ["t-0", "t-2"]
    assert [skipped.id for skipped in questions.skipped] == ["t-1"]
    with pytest.raises(DataError, match=rf"none of the 1 questions .* t-0: {said}"):
        ask([{"q": "?", **fields}], llprobe={"bad_rows": "skip"})


def test_an_empty_prompt_is_refused(ask: Ask) -> None:
    with pytest.raises(DataError, match="line 1: the prompt is empty"):
        ask(doc_to_text="{{'  '}}\n")


def test_a_best_answer_that_is_false_is_refused(ask: Ask) -> None:
    row = {"q": "?", "options": ["a", "b", "c"], "answer": 0, "top": 1}
    with pytest.raises(DataError, match="the best answer 'b' is not among the true ones"):
        ask([row], llprobe={"best": "top"})


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"options": "no list"}, "line 1: .*doc_to_choice: gives 'no list', which is not a list"),
        ({"options": [1, 2]}, r"line 1: .*doc_to_choice: gives \[1, 2\], not a list of texts"),
        ({"options": None}, "line 1: .*doc_to_choice: gives None, not a list of texts"),
        ({"answer": True}, "line 1: .*doc_to_target: gives True, not an option's index"),
        ({"q": None}, "line 1: .*doc_to_text: gives None, not a text"),
        ({"answer": {}}, "line 1: .*doc_to_target: gives {}, not an option's index"),
    ],
)
def test_a_field_of_the_wrong_type_is_named(ask: Ask, fields: dict[str, Any], said: str) -> None:
    keys = {"doc_to_text": "q"} if "q" in fields else {}
    with pytest.raises(DataError, match=said):
        ask([{**ROWS[0], **fields}], llprobe={"bad_rows": "skip"}, **keys)


@pytest.mark.parametrize("key", ["doc_to_text", "doc_to_choice", "doc_to_target"])
def test_a_template_that_names_a_missing_field_is_refused(ask: Ask, key: str) -> None:
    with pytest.raises(DataError, match=f"line 1: .*{key}: there is no field 'nope'; found: q, "):
        ask(**{key: "nope"})


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{nobody}}", "line 3, doc_to_text: cannot be rendered .'nobody' is undefined"),
        ("{{ q.__class__.__mro__ }}", "cannot be rendered .*unsafe"),
        ("{{ ''.__class__.__base__.__subclasses__() }}", "cannot be rendered .*unsafe"),
        ("{{ options.append('x') }}", "cannot be rendered .*unsafe"),
        ("{% include '/etc/hostname' %}", "cannot be rendered"),
        ("{{ 1 // 0 }}", "cannot be rendered .*zero"),
        ("{{ q + 1 }}", "cannot be rendered"),
        ("{{ range(10**9) | list }}", "cannot be rendered"),
        ("{{ lipsum() }}", "'lipsum' is undefined"),
    ],
)
def test_a_template_that_fails_or_reaches_for_python(ask: Ask, template: str, said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        ask(doc_to_text=template)
    assert "rows.jsonl, line 1" in str(caught.value)


def test_a_random_choice_is_no_filter(ask: Ask) -> None:
    with pytest.raises(TaskError, match=r"line 3, doc_to_text: not a jinja .*random"):
        ask(doc_to_text="{{ options | random }}")


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused(ask: Ask, limit: int) -> None:
    with pytest.raises(UsageError, match=f"the limit is {limit}; ask at least 1"):
        ask(ROWS, {"limit": limit})


@pytest.mark.parametrize("key", ["group", "best", "correct"])
def test_a_field_that_is_not_there_is_named(ask: Ask, key: str) -> None:
    with pytest.raises(DataError, match="line 1: the field 'nope' is missing"):
        ask(llprobe={key: "nope"})


def test_a_task_without_data_says_so() -> None:
    with pytest.raises(UsageError, match="task lama needs a data file: give it with --data FILE"):
        load_questions(TaskRequest("lama"))


def test_settings_of_a_task_that_has_none(ask: Ask) -> None:
    with pytest.raises(UsageError, match="task t has no settings"):
        ask(request={"settings": (("per_group", "3"),)})


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"data": "", "generator": "mps"}, "llprobe.generator: no generator named 'mps'; .*calc"),
        ({"reader": "calculation"}, "llprobe.reader: no reader named 'calculation'; known: arc, "),
        ({"reader": "os.path"}, "llprobe.reader: no reader named 'os.path'"),
    ],
)
def test_an_unknown_generator_or_reader(ask: Ask, own: dict[str, str], said: str) -> None:
    with pytest.raises(TaskError, match=said):
        ask(llprobe=own)
