"""From a definition and rows to questions: rendering, truth, limits, hash."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from taskhelp import ROWS, Ask, asker

from llprobe.errors import DataError
from llprobe.task import Skipped, TaskRequest, load_questions


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    return asker(tmp_path)


def test_options_follow_the_prompt_after_the_delimiter(ask: Ask) -> None:
    questions = ask()
    assert questions.task == "t"
    assert questions.preamble == ""
    assert [item.id for item in questions.items] == ["t-0", "t-1"]
    assert questions.items[0].prompt == "Q: one?\nA:"
    assert questions.items[0].choices == (" a", " b", " c")
    assert [item.correct for item in questions.items] == [(1,), (0,)]
    assert [item.best for item in questions.items] == [1, 0]


# Of the first row; each of these makes option 1 the answer.
@pytest.mark.parametrize(
    ("keys", "choices"),
    [
        ({"doc_to_choice": ["x", "y"]}, (" x", " y")),
        ({"doc_to_choice": [0, 1.5], "doc_to_target": 1}, (" 0", " 1.5")),
        ({"doc_to_choice": "{{options}}", "doc_to_target": 1}, (" a", " b", " c")),
        ({"doc_to_choice": "{{[q, options[0]]}}", "doc_to_target": "{{'a'}}"}, (" one?", " a")),
        ({"doc_to_choice": "{{options[:2]}}", "doc_to_target": "{{1}}"}, (" a", " b")),
        ({"doc_to_target": "{{options[1]}}"}, (" a", " b", " c")),
        ({"doc_to_target": "{{[1]}}"}, (" a", " b", " c")),
        ({"doc_to_target": [1]}, (" a", " b", " c")),
        ({"target_delimiter": ""}, ("a", "b", "c")),
        ({"target_delimiter": "\n"}, ("\na", "\nb", "\nc")),
    ],
)
def test_every_form_of_choices_and_targets(
    ask: Ask, keys: dict[str, Any], choices: tuple[str, ...]
) -> None:
    item = ask(ROWS[:1], **keys).items[0]
    assert item.choices == choices
    assert (item.correct, item.best) == ((1,), 1)


def test_digits_that_are_an_options_text_are_that_option(ask: Ask) -> None:
    row = {"q": "1 + 1", "options": ["3", "2", "1"], "answer": "2"}
    assert ask([row]).items[0].correct == (1,)


def test_several_true_options_and_the_best_of_them(ask: Ask) -> None:
    row = {"q": "?", "options": ["a", "b", "c"], "answer": [2, 0], "top": 0, "kind": "x/y"}
    item = ask([row]).items[0]
    assert (item.correct, item.best) == ((0, 2), 2)
    named = ask([row], llprobe={"best": "top", "group": "kind"}).items[0]
    assert (named.correct, named.best, named.group) == ((0, 2), 0, "x/y")


def test_the_true_options_can_have_a_field_of_their_own(ask: Ask) -> None:
    row = {"q": "?", "options": ["a", "b", "c"], "answer": "c", "true": ["b", 2]}
    item = ask([row], llprobe={"correct": "true"}).items[0]
    assert (item.correct, item.best) == ((1, 2), 2)


def test_white_space_at_the_prompts_end_moves_into_the_options(ask: Ask) -> None:
    item = ask(doc_to_text="Q: {{q}}\nA: ", target_delimiter="").items[0]
    assert item.prompt == "Q: one?\nA:"
    assert item.choices == (" a", " b", " c")


def test_a_templates_last_line_break_is_kept(ask: Ask) -> None:
    assert ask(doc_to_text="{{q}}\n", target_delimiter="").items[0].choices[0] == "\na"


def test_white_space_within_an_option_stays(ask: Ask) -> None:
    row = {"q": "?", "options": [" two spaces", "b "], "answer": 0}
    assert ask([row]).items[0].choices == ("  two spaces", " b ")


def test_repeated_options_are_merged_counted_and_listed(ask: Ask) -> None:
    row = {"q": "?", "options": ["b", "a", "b", "a", "c"], "answer": [3, 1, 4]}
    questions = ask([*ROWS, row])
    item = questions.items[2]
    assert item.choices == (" b", " a", " c")
    assert (item.correct, item.best) == ((1, 2), 1)
    assert questions.notes == ("2 repeated options merged: t-2",)


def test_a_long_note_lists_ten_and_counts_the_rest(ask: Ask) -> None:
    rows = [{"q": "?", "options": ["a", "b", "b"], "answer": 0}] * 12
    (note,) = ask(rows).notes
    assert note.startswith("12 repeated options merged: t-0, t-1,")
    assert note.endswith("t-9 and 2 more")


def test_the_harness_filter_is_there(ask: Ask) -> None:
    questions = ask(doc_to_text="{{ q | regex_replace('[?]', '!') }}")
    assert questions.items[0].prompt == "one!"


def test_the_limit_counts_questions_that_can_be_asked(ask: Ask) -> None:
    bad = {"q": "?", "options": ["a"], "answer": 0}
    rows = [bad, ROWS[0], bad, ROWS[1], bad]
    questions = ask(rows, {"limit": 2}, llprobe={"bad_rows": "skip"})
    assert [item.id for item in questions.items] == ["t-1", "t-3"]
    reason = "it has 1 option, 2 are needed"
    assert questions.skipped == (Skipped("t-0", reason), Skipped("t-2", reason))
    assert len(ask(rows, {"limit": 1}, llprobe={"bad_rows": "skip"}).items) == 1
    assert len(ask(ROWS, {"limit": 100}).items) == 2


def test_ids_can_be_a_field_and_must_differ(ask: Ask) -> None:
    rows = [{**ROWS[0], "name": "x"}, {**ROWS[1], "name": 7}]
    assert [item.id for item in ask(rows, llprobe={"id": "name"}).items] == ["x", "7"]
    with pytest.raises(DataError, match="line 3: the id 'x' was there before"):
        ask([*rows, rows[0]], llprobe={"id": "name"})
    with pytest.raises(DataError, match="line 1: the field 'name' is missing; found: q, options"):
        ask(ROWS, llprobe={"id": "name"})
    with pytest.raises(DataError, match="line 1: the field 'name' must be a text or a number"):
        ask([{**ROWS[0], "name": " "}], llprobe={"id": "name"})


def test_data_given_by_hand_goes_first(ask: Ask, tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text(json.dumps(ROWS[1]))
    assert [item.prompt for item in ask(request={"data": str(other)}).items] == ["Q: two?\nA:"]


def test_the_hash_changes_with_everything_that_is_asked_and_nothing_else(ask: Ask) -> None:
    base = ask().hash
    assert base == ask().hash
    assert base == ask(doc_to_target="{{answer}}").hash
    changed = [
        ask(description="D"),
        ask(doc_to_text="Q: {{q}}\nA;"),
        ask(target_delimiter="\n"),
        ask(request={"limit": 1}),
        ask([{**ROWS[0], "answer": 2}, ROWS[1]]),
        ask([ROWS[1], ROWS[0]]),
        ask([{**ROWS[0], "answer": [1, 2]}, ROWS[1]]),
        ask([{**ROWS[0], "answer": [2, 1]}, ROWS[1]]),
    ]
    assert len({base, *(questions.hash for questions in changed)}) == len(changed) + 1


texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8).filter(str.strip)


@given(
    prompt=texts,
    choices=st.lists(texts, min_size=2, max_size=6),
    data=st.data(),
)
def test_whatever_a_user_writes_is_scored_as_it_stands_or_refused(
    tmp_path_factory: pytest.TempPathFactory, prompt: str, choices: list[str], data: st.DataObject
) -> None:
    indices = st.integers(0, len(choices) - 1)
    correct = data.draw(st.lists(indices, min_size=1, unique=True))
    row = {"id": "x", "prompt": prompt, "choices": choices, "correct": correct}
    path = tmp_path_factory.mktemp("p") / "p.jsonl"
    path.write_text(json.dumps(row, ensure_ascii=data.draw(st.booleans())), encoding="utf-8")
    true = {choices[index] for index in correct}
    false = {each for index, each in enumerate(choices) if index not in correct}
    if true & false or not false:
        with pytest.raises(DataError, match="line 1"):
            load_questions(TaskRequest("prompts", data=str(path)))
        return
    (item,) = load_questions(TaskRequest("prompts", data=str(path))).items
    assert {item.prompt + choice for choice in item.choices} == {prompt + each for each in choices}
    assert {item.prompt + item.choices[index] for index in item.correct} == {
        prompt + each for each in true
    }
    assert item.prompt + item.choices[item.best] == prompt + choices[correct[0]]
    assert len(set(item.choices)) == len(item.choices)
    assert item.prompt == item.prompt.rstrip()
