"""From a definition and rows to questions: rendering, truth, limits, preamble, hash."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llprobe.errors import DataError, LlprobeError, TaskError, UsageError
from llprobe.task import Questions, Skipped, TaskRequest, load_questions

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


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Write a task and its data, and load the questions."""

    def load(
        rows: list[dict[str, Any]] | str = ROWS,
        request: dict[str, Any] | None = None,
        **keys: Any,
    ) -> Questions:
        own = {"data": "rows.jsonl", **keys.pop("llprobe", {})}
        definition = {**PLAIN, **keys, "llprobe": own}
        lines = [f"{key}: {json.dumps(value)}\n" for key, value in definition.items()]
        (tmp_path / "t.yaml").write_text(HEAD + "".join(lines), encoding="utf-8")
        text = rows if isinstance(rows, str) else "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / "rows.jsonl").write_text(text, encoding="utf-8")
        return load_questions(TaskRequest(str(tmp_path / "t.yaml"), **(request or {})))

    return load


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


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused(ask: Ask, limit: int) -> None:
    with pytest.raises(UsageError, match=f"the limit is {limit}; ask at least 1"):
        ask(ROWS, {"limit": limit})


def test_ids_can_be_a_field_and_must_differ(ask: Ask) -> None:
    rows = [{**ROWS[0], "name": "x"}, {**ROWS[1], "name": 7}]
    assert [item.id for item in ask(rows, llprobe={"id": "name"}).items] == ["x", "7"]
    with pytest.raises(DataError, match="line 3: the id 'x' was there before"):
        ask([*rows, rows[0]], llprobe={"id": "name"})
    with pytest.raises(DataError, match="line 1: the field 'name' is missing; found: q, options"):
        ask(ROWS, llprobe={"id": "name"})
    with pytest.raises(DataError, match="line 1: the field 'name' must be a text or a number"):
        ask([{**ROWS[0], "name": " "}], llprobe={"id": "name"})


@pytest.mark.parametrize("key", ["group", "best", "correct"])
def test_a_field_that_is_not_there_is_named(ask: Ask, key: str) -> None:
    with pytest.raises(DataError, match="line 1: the field 'nope' is missing"):
        ask(llprobe={key: "nope"})


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


def test_data_given_by_hand_goes_first(ask: Ask, tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text(json.dumps(ROWS[1]))
    assert [item.prompt for item in ask(request={"data": str(other)}).items] == ["Q: two?\nA:"]


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
