"""Readers of files as they are published or written: what they give, and what they refuse.

The rows here are made up. The published samples, and the golden prompts made from them, lie
beside the repository; those tests are skipped where they are missing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from samplefiles import shared

from llprobe.errors import DataError
from llprobe.task import Questions, TaskRequest, load_questions

Read = Callable[[str, str, str | bytes], Questions]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write a file and read it as a task's data."""

    def load(task: str, name: str, content: str | bytes) -> Questions:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return load_questions(TaskRequest(task, data=str(path)))

    return load


def lines(*rows: Any) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_prompts_are_taken_as_they_stand(read: Read) -> None:
    rows = [
        {"id": "a", "prompt": "2+2=", "choices": ["4", "5"], "correct": [0]},
        {"id": 7, "prompt": "b {{x}}", "choices": [" c", " d", "e"], "correct": [2, 1], "best": 1},
        {"id": "c", "prompt": "p ", "choices": ["q", "r"], "correct": [1], "group": "g"},
    ]
    questions = read("prompts", "p.jsonl", lines(*rows))
    first, second, third = questions.items
    assert (first.id, first.prompt, first.choices) == ("a", "2+2=", ("4", "5"))
    assert (second.id, second.prompt, second.correct, second.best) == ("7", "b {{x}}", (1, 2), 1)
    assert (third.prompt, third.choices, third.group) == ("p", (" q", " r"), "g")
    assert questions.preamble == ""


GOOD = {"id": "a", "prompt": "p", "choices": ["b", "c"], "correct": [0]}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"prompt": ""}, "the prompt is empty"),
        ({"prompt": 3}, "the field 'prompt' must be a text, not a number"),
        ({"choices": "bc"}, "the field 'choices' must be a list of texts, not a text"),
        ({"choices": ["b", 1]}, "the field 'choices' must be a list of texts"),
        ({"choices": ["b"]}, "it has 1 option, 2 are needed"),
        ({"choices": ["b", "b"]}, "the option 'b' is both true and false"),
        ({"correct": []}, "no option is true"),
        ({"correct": [0, 1]}, "no option is false"),
        ({"correct": [2]}, "there is no option 2"),
        ({"correct": 0}, "the field 'correct' must be a list of indices"),
        ({"correct": [True]}, "the field 'correct' must be a list of indices"),
        ({"best": "b"}, "the field 'best' must be an index"),
        ({"best": 1}, "the best answer 'c' is not among the true ones"),
        ({"group": 4}, "the field 'group' must be a text"),
        ({"id": ""}, "the field 'id' must be a text or a number"),
        ({"id": "first"}, "the id 'first' was there before"),
        ({"corect": [0]}, "unknown field 'corect'; known: id, prompt"),
    ],
)
def test_a_bad_row_of_prompts_is_named_by_line(
    read: Read, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(DataError, match=rf"p.jsonl, line 3: {said}") as caught:
        read(
            "prompts", "p.jsonl", lines({**GOOD, "id": "first"}) + "\n" + lines({**GOOD, **change})
        )
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["id", "prompt", "choices", "correct"])
def test_a_missing_field_of_prompts_is_named(read: Read, key: str) -> None:
    row = {name: value for name, value in GOOD.items() if name != key}
    with pytest.raises(DataError, match=rf"p.jsonl, line 1: the field '{key}' is missing; found:"):
        read("prompts", "p.jsonl", lines(row))


BROKEN: dict[str, tuple[str, str, str | bytes, str]] = {
    "empty jsonl": ("prompts", "f.jsonl", "", "f.jsonl: the file holds no rows"),
    "blank jsonl": ("mps_cal", "f.jsonl", " \n\n", "f.jsonl: the file holds no rows"),
    "cut jsonl": ("mps_cal", "f.jsonl", '{"a": 1}'[:-2], "line 1, column 7: not JSON"),
    "list in jsonl": ("mps_cal", "f.jsonl", "\n[1]\n", "line 2: each row must be a JSON object"),
    "deep jsonl": ("mps_cal", "f.jsonl", "[" * 100_000, "line 1: JSON that cannot be read"),
    "long number": ("mps_cal", "f.jsonl", "9" * 5000, "line 1: JSON that cannot be read"),
    "latin-1": ("prompts", "f.jsonl", b'\n{"id": "\xe9"}', r"line 2: not UTF-8 \(byte 0xe9\)"),
    "utf-16": ("truthfulqa", "f.csv", "Type".encode("utf-16"), "line 1: not UTF-8"),
    "empty json": ("reclor", "f.json", "", r"f.json, line 1: not a JSON list of objects"),
    "no rows json": ("reclor", "f.json", " [ ]\n", "f.json: the file holds no rows"),
    "object json": ("reclor", "f.json", '{"a": 1}', "f.json, line 1: not a JSON list of objects"),
    "cut json": ("reclor", "f.json", "[\n", "f.json, line 2: not JSON"),
    "bare json": ("reclor", "f.json", "[\n1]", "f.json, line 2: each row must be a JSON object"),
    "broken json": ("reclor", "f.json", '[\n{"a": }]', "f.json, line 2: not JSON"),
    "deep json": ("reclor", "f.json", "[\n" + "[" * 100_000, "line 2: JSON that cannot be read"),
    "empty csv": ("truthfulqa", "f.csv", "", "f.csv: the file is empty"),
    "blank csv": ("truthfulqa", "f.csv", "\n\n", "f.csv: the file is empty"),
    "no column": ("truthfulqa", "f.csv", "Question,Best\na,b\n", "line 1: no column 'Best Answer'"),
    "header only": ("lama", "f.tsv", "Prompt\tAns\tCandidate Ans\n", "the file holds no rows"),
    "short row": ("lama", "f.tsv", "Prompt\tAns\tCandidate Ans\na\tb\n", "line 2: 2 cells where"),
    "twice": (
        "lama",
        "f.tsv",
        "Prompt\tPrompt\tAns\tCandidate Ans\n",
        "line 1: .* stands there twice",
    ),
    "open quote": (
        "truthfulqa",
        "f.csv",
        'Question,Best Answer,Correct Answers,Incorrect Answers\na,b,c,d\n\n"a,b\nc,d\n',
        r"f.csv, line 4: cannot be read \(unexpected end of data\)",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_one_line_with_its_name(read: Read, case: str) -> None:
    task, name, content, said = BROKEN[case]
    with pytest.raises(DataError, match=said) as caught:
        read(task, name, content)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none.tsv: cannot be read \(No such file"):
        load_questions(TaskRequest("lama", data=str(tmp_path / "none.tsv")))


def test_word_problems_become_one_line(read: Read) -> None:
    row = {
        "question": "Ann has 2.\nHow many?",
        "truth_answer": ["1+1=2\r\n#### 2", "two"],
        "error": ["1+1=3\n#### 3"],
        "m_truth_answer": "dos",
    }
    item = read("mps_cal", "m.jsonl", lines(row)).items[0]
    assert item.prompt == "Q: Ann has 2. How many?\nA:"
    assert item.choices == (" 1+1=2 The answer is 2", " two", " 1+1=3 The answer is 3")
    assert (item.correct, item.best) == ((0, 1), 0)


def test_word_problems_with_one_solution_as_text(read: Read) -> None:
    row = {"question": "q", "truth_answer": "a", "error": "b"}
    assert read("mps_cal", "m.jsonl", lines(row)).items[0].choices == (" a", " b")


@pytest.mark.parametrize("key", ["question", "truth_answer", "error"])
def test_a_word_problem_without_a_field(read: Read, key: str) -> None:
    row = {"question": "q", "truth_answer": ["a"], "error": ["b"]}
    del row[key]
    with pytest.raises(DataError, match=f"m.jsonl, line 1: the field '{key}' is missing"):
        read("mps_cal", "m.jsonl", lines(row))


def test_word_problems_that_cannot_be_asked_are_skipped(read: Read) -> None:
    rows = [
        {"question": "q", "truth_answer": ["a"], "error": ["a", "b"]},
        {"question": "q", "truth_answer": ["", "a"], "error": ["b", "b"]},
        {"question": "q", "truth_answer": ["a", "b"], "error": []},
        {"question": "q", "truth_answer": [], "error": ["a", "b"]},
    ]
    questions = read("mps_cal", "m.jsonl", lines(*rows))
    assert [item.choices for item in questions.items] == [(" a", " b")]
    assert [(skipped.id, skipped.reason) for skipped in questions.skipped] == [
        ("mps_cal-0", "the option 'a' is both true and false"),
        ("mps_cal-2", "no option is false"),
        ("mps_cal-3", "no option is true"),
    ]
    assert questions.notes == ("1 repeated options merged: mps_cal-1",)


def test_cloze_candidates_other_than_the_answer(read: Read) -> None:
    text = (
        "Prompt\tAns\tCandidate Ans\tSubject\r\n"
        'The "<mask>" one.\tb\ta, b, c, b\tx\r\n'
        "At <mask>.\tD.C., USA\tParis, Rome, D.C., USA\tx\r\n"
        "Alone <mask>.\tb\tb\tx\r\n"
        "Within <mask>.\tana\tbanana, ana\tx\r\n"
    )
    questions = read("lama", "l.tsv", text)
    assert questions.items[0].prompt == 'Q: The "<mask>" one.\nA:'
    assert [item.choices for item in questions.items] == [
        (" b", " a", " c"),
        (" D.C., USA", " Paris", " Rome"),
        (" ana", " banana"),
    ]
    assert {item.correct for item in questions.items} == {(0,)}
    assert [skipped.reason for skipped in questions.skipped] == ["it has 1 option, 2 are needed"]


def test_logical_questions(read: Read) -> None:
    row = {"context": "c", "question": "q", "answers": ["w", "x", "y", "z"], "label": 2}
    item = read("reclor", "r.json", json.dumps([row])).items[0]
    assert item.prompt == "P: c\nQ: q\nA:"
    assert item.choices == (" w", " x", " y", " z")
    assert (item.correct, item.best) == ((2,), 2)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"label": None}, "the field 'label' must be an index, not None"),
        ({"answers": 3}, "the field 'answers' must be a list of texts, not a number"),
        ({"context": None}, "the field 'context' must be a text, not null"),
    ],
)
def test_a_bad_logical_question(read: Read, change: dict[str, Any], said: str) -> None:
    row = {"context": "c", "question": "q", "answers": ["w", "x"], "label": 0}
    text = f"[\n{json.dumps(row)},\n{json.dumps({**row, **change})}]"
    with pytest.raises(DataError, match=f"r.json, line 3: {said}"):
        read("reclor", "r.json", text)


def test_logical_questions_without_labels(read: Read) -> None:
    row = {"context": "c", "question": "q", "answers": ["w", "x"]}
    with pytest.raises(DataError, match="line 1: no 'label': the test part has no answers"):
        read("reclor", "r.json", json.dumps([row]))


TRUTHFUL = "\ufeffCategory,Question,Best Answer,Correct Answers,Incorrect Answers\n"


def test_truthful_answers_end_with_a_period(read: Read) -> None:
    text = TRUTHFUL + 'Food,Q?,Yes it is,"No way.; Yes it is; ","a;b; c;"\n'
    item = read("truthfulqa", "t.csv", text).items[0]
    assert item.prompt == "Q: Q?\nA:"
    assert item.choices == (" No way.", " Yes it is.", " a;b.", " c.")
    assert (item.correct, item.best, item.group) == ((0, 1), 1, "Food")


def test_a_best_answer_that_is_not_among_the_true_ones(read: Read) -> None:
    text = (
        TRUTHFUL
        + 'x,q,"Yes, it  is.","No; yes, it is","a; b"\n'
        + "x,q,Best,No; Yes,a; b\n"
        + "x,q,a,No; Yes,a; b\n"
    )
    questions = read("truthfulqa", "t.csv", text)
    spelled, added = questions.items
    assert (spelled.choices[spelled.best], len(spelled.choices)) == (" yes, it is.", 4)
    assert (added.choices[added.best], added.correct) == (" Best.", (0, 1, 2))
    assert [note.split(":")[0] for note in questions.notes] == [
        "1 best answers found among the true ones in another spelling",
        "1 best answers put among the true ones",
    ]
    assert [skipped.reason for skipped in questions.skipped] == [
        "the option 'a.' is both true and false"
    ]


def test_a_truthful_question_without_a_best_answer(read: Read) -> None:
    with pytest.raises(DataError, match=r"t.csv, line 2: 'Best Answer' holds 0 answers"):
        read("truthfulqa", "t.csv", TRUTHFUL + "x,q,,a,b\n")


def test_a_cell_over_several_lines_keeps_the_line_numbers_right(read: Read) -> None:
    text = TRUTHFUL + 'x,"q\nr",a,a,b\nx,q,,a,b\n'
    with pytest.raises(DataError, match=r"t.csv, line 4: 'Best Answer'"):
        read("truthfulqa", "t.csv", text)


# The published samples.

FILES = {
    "lama": "lama.tsv",
    "mps_cal": "mps_cal_en.jsonl",
    "xmps_cal_es": "xmps_cal_es.jsonl",
    "reclor": "reclor.json",
    "truthfulqa": "truthfulqa.csv",
}


@pytest.mark.parametrize(
    ("name", "asked", "skipped", "merged"),
    [
        ("lama", 300, 0, 0),
        ("mps_cal", 200, 0, 10),
        ("xmps_cal_es", 100, 0, 5),
        ("reclor", 60, 0, 0),
        ("truthfulqa", 815, 2, 3),
    ],
)
def test_the_published_samples(name: str, asked: int, skipped: int, merged: int) -> None:
    task = "mps_cal" if name == "xmps_cal_es" else name
    questions = load_questions(TaskRequest(task, data=str(shared("data", FILES[name]))))
    assert (len(questions.items), len(questions.skipped)) == (asked, skipped)
    notes = [note.split(":")[0] for note in questions.notes]
    assert notes == ([f"{merged} repeated options merged"] if merged else [])


def golden(name: str) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = json.loads(shared("golden", f"{name}.json").read_text("utf-8"))
    return content


def shots_of(preamble: str) -> tuple[str, list[dict[str, str]]]:
    """Take a golden preamble apart into its instruction and its worked examples."""
    instruction, *examples = re.split(r"\n\n(?=[PQ]: )", preamble.removesuffix("\n\n"))
    fields = {"P": "context", "Q": "question", "A": "answer"}
    shots = []
    for example in examples:
        pieces = re.split(r"(?:^|\n)([PQA]): ", example)[1:]
        shots.append(
            {fields[key]: text for key, text in zip(pieces[::2], pieces[1::2], strict=True)}
        )
    return instruction, shots


@pytest.mark.parametrize("name", FILES)
def test_golden_prompts_and_options_come_out_exactly(name: str, tmp_path: Path) -> None:
    wanted = golden(name)
    start = "P: " if name == "reclor" else "Q: "
    first = wanted[0]["prompt"]
    instruction, shots = shots_of(first[: first.rindex(f"\n\n{start}") + 2])
    assert len(shots) == {"reclor": 3, "truthfulqa": 6}.get(name, 4)
    path = tmp_path / "shots.jsonl"
    path.write_text(lines(*shots))
    request = TaskRequest(
        "mps_cal" if name == "xmps_cal_es" else name,
        data=str(shared("data", FILES[name])),
        limit=len(wanted),
        shots_file=str(path),
        instruction=instruction,
    )
    questions = load_questions(request)
    for item, number in zip(questions.items, wanted, strict=True):
        assert item.id == number["id"].replace("xmps_cal_es", "mps_cal")
        assert questions.preamble + item.prompt == number["prompt"]
        assert list(item.choices) == number["choices"]
        assert list(item.correct) == number["correct"]
        assert item.best == number["best"]


@pytest.mark.parametrize("name", FILES)
def test_the_same_from_a_preamble_as_text(name: str, tmp_path: Path) -> None:
    first = golden(name)[0]["prompt"]
    start = "P: " if name == "reclor" else "Q: "
    path = tmp_path / "preamble.txt"
    path.write_text(first[: first.rindex(f"\n\n{start}") + 2], encoding="utf-8")
    task = "mps_cal" if name == "xmps_cal_es" else name
    data = str(shared("data", FILES[name]))
    questions = load_questions(TaskRequest(task, data=data, limit=1, shots_file=str(path)))
    assert questions.preamble + questions.items[0].prompt == first


@pytest.mark.parametrize("name", ["lama", "mps_cal", "reclor", "truthfulqa"])
def test_the_bundled_worked_examples_are_our_own(name: str) -> None:
    theirs = golden(name)[0]["prompt"]
    data = str(shared("data", FILES[name]))
    preamble = load_questions(TaskRequest(name, data=data, limit=1)).preamble
    published = Path(data).read_text("utf-8-sig")
    for line in filter(None, preamble.split("\n")):
        assert line not in theirs
        assert len(line) < 20 or line[3:] not in published
