"""Published data sets in the forms in which they are served: what is read, skipped and refused.

The sentences are our own; only the forms are those of the data sets.
"""

from __future__ import annotations

import importlib
import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_readers import shared

from llprobe.errors import DataError
from llprobe.task import Questions, TaskRequest, file_form, load_definition, load_questions, rows

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


def parquet(path: Path, content: list[dict[str, Any]]) -> bytes:
    pa, pq = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    pq.write_table(pa.Table.from_pylist(content), path)
    return path.read_bytes()


def lines(content: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in content)


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write a file, whatever it is called, and read it as a task's data."""

    def load(task: str, content: str | bytes, **request: Any) -> Questions:
        path = tmp_path / "data.x"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return load_questions(TaskRequest(task, data=str(path), **request))

    return load


@pytest.mark.parametrize("form", FORMS)
def test_json_lines_json_and_parquet_give_the_same(read: Read, form: str, tmp_path: Path) -> None:
    task, content = FORMS[form]
    if form == "hellaswag":  # a column of a Parquet file has one type
        content = [{**row, "label": str(row["label"])} for row in content]
    listed = read(task, lines(content))
    assert len(listed.items) == len(content)
    assert not listed.skipped
    assert read(task, json.dumps(content, indent=1)).hash == listed.hash
    assert read(task, parquet(tmp_path / "p", content)).hash == listed.hash


def test_arc_letters_digits_and_a_mix(read: Read) -> None:
    first, second, third = read("arc", lines(ARC)).items
    assert first.prompt == "Q: Which of these gives off light of its own?\nA:"
    assert first.choices == (" a candle", " a mirror", " the moon")
    assert [item.correct for item in (first, second, third)] == [(0,), (1,), (2,)]


def test_hellaswag_contexts(read: Read) -> None:
    first, second = read("hellaswag", lines(HELLASWAG)).items
    assert first.prompt == "Sharpening pencils: A boy holds a pencil over a bin. He"
    assert first.choices[0] == " turns it in the sharpener."
    assert (first.correct, first.group) == ((0,), "activitynet")
    assert second.prompt == "Home: How to hang a picture. Find a stud. Knock on the wall."
    assert (second.choices[0], second.group) == (" Mark the place.", "wikihow")
    whole = [{"ctx": "She", "endings": ["waves.", "wave."], "label": "1"}]
    item = read("hellaswag", lines(whole)).items[0]
    assert (item.prompt, item.correct, item.group) == ("She", (1,), "")


def test_mmlu_by_subject(read: Read) -> None:
    first, second = read("mmlu", lines(MMLU)).items
    assert (first.prompt, first.group) == ("Q: What is 3 times 4?\nA:", "arithmetic")
    assert (first.correct, second.correct, second.group) == ((1,), (0,), "letters")


TSV = 'Eva has 20 nuts and eats 2. How many are left?\t18\n"How many is 9 times 120?\t1,080\r\n'


def test_mgsm_with_and_without_a_header(read: Read) -> None:
    bare = read("mgsm", TSV)
    assert [item.prompt for item in bare.items] == [
        "Q: Eva has 20 nuts and eats 2. How many are left?\nA:",
        'Q: "How many is 9 times 120?\nA:',
    ]
    headed = (
        "question\tanswer\tanswer_number\nEva has 20 nuts and eats 2. How many are left?\t\t18\n"
    )
    assert read("mgsm", headed).items == bare.items[:1]
    assert read("mgsm", lines(MGSM)).items[0] == bare.items[0]


def test_mgsm_wrong_options_are_near_and_the_same_everywhere(read: Read) -> None:
    item = read("mgsm", TSV).items[0]
    numbers = [int(choice) for choice in item.choices]
    assert len(set(numbers)) == 4
    assert numbers == sorted(numbers)
    assert numbers[item.best] == 18
    assert all(10 <= number <= 38 for number in numbers)
    assert item.choices == (" 10", " 18", " 26", " 33")


def test_mgsm_options_do_not_tell_the_answer_by_place_or_length(read: Read) -> None:
    draw = random.Random(4)
    answers = [draw.randint(0, 5000) for _ in range(400)]
    items = read("mgsm", "".join(f"Riddle {n}?\t{a}\n" for n, a in enumerate(answers))).items
    places = [item.best for item in items]
    assert all(70 <= places.count(place) <= 130 for place in range(4))
    assert all(len({len(choice) for choice in item.choices}) == 1 for item in items)


def test_logiqa_forms(read: Read) -> None:
    first, second = read("logiqa", lines(LOGIQA)).items
    assert first.prompt == "P: All herons fish.\nQ: Which follows?\nA:"
    assert (first.correct, second.correct) == ((0,), (3,))
    text = "\nB\nAll herons fish.\nWhich follows?\nA.None fishes.\nB. It fishes.\nC.C, no.\nD.D\n"
    item, again = read("logiqa", text + text).items
    assert item.choices == (" None fishes.", " It fishes.", " C, no.", " D")
    assert (item.correct, again.prompt) == ((1,), first.prompt)
    letter = {"context": "c", "question": "q", "options": ["x", "y"], "label": "b"}
    assert read("logiqa", lines([letter])).items[0].correct == (1,)
    second_edition = {"text": "c", "question": "q", "options": ["x", "y"], "answer": 1}
    assert read("logiqa", lines([second_edition])).items[0].prompt == "P: c\nQ: q\nA:"


def test_truthfulqa_targets(read: Read) -> None:
    questions = read("truthfulqa", json.dumps(TARGETS))
    first, second = questions.items
    assert first.prompt == "Q: Do lemmings leap to their death?\nA:"
    assert first.choices == tuple(f" {answer}" for answer in TARGETS[0]["mc2_targets"])
    assert (first.correct, first.best) == ((0, 1), 0)
    assert (second.choices[second.best], second.correct) == (" It is a solid.", (0, 1))
    assert questions.notes == ("1 best answers put among the true ones: truthfulqa-1",)
    assert read("truthfulqa", lines(HUB_TARGETS)).hash == questions.hash


def test_triples_take_candidates_from_their_relation(read: Read) -> None:
    questions = read("lama", lines(TRIPLES))
    lyon, porto, *_ = questions.items
    assert lyon.prompt == "Q: Lyon ligt in <mask>.\nA:"
    assert sorted(lyon.choices) == [" Frankrijk", " Italie", " Portugal"]  # Europa is true of it
    assert (lyon.choices[0], lyon.correct, lyon.group) == (" Frankrijk", (0,), "nl/P17")
    assert len(porto.choices) == 4
    other = {**TRIPLES[0], "language": "fr", "template": "[X] est en [Y]."}
    assert [skip.reason for skip in read("lama", lines([*TRIPLES, other])).skipped] == [
        "it has 1 option, 2 are needed"
    ]
    many = [{**TRIPLES[0], "sub_label": f"s{n}", "obj_label": f"o{n}"} for n in range(30)]
    assert {len(item.choices) for item in read("lama", lines(many)).items} == {10}
    header = "\t".join(TRIPLES[0])
    table = "\n".join("\t".join(str(cell) for cell in row.values()) for row in TRIPLES)
    assert read("lama", f"{header}\n{table}\n").hash == questions.hash


def test_a_repeated_option_is_merged_and_a_hopeless_question_skipped(read: Read) -> None:
    content = [
        {"question": "q", "choices": ["a", "b", "b"], "answer": 0},
        {"question": "q", "choices": ["a", "a"], "answer": 0},
        {"question": " ", "choices": ["", "a"], "answer": 1},
    ]
    questions = read("mmlu", lines(content))
    assert (len(questions.items), questions.notes) == (1, ("1 repeated options merged: mmlu-0",))
    assert [skip.reason for skip in questions.skipped] == [
        "the option 'a' is both true and false",
        "option 0 is empty",
    ]


BAD: dict[str, tuple[str, dict[str, Any], str]] = {
    "arc key": ("arc", {"answerKey": "F"}, "'answerKey' is 'F', the labels are A, B, C"),
    "arc word": ("arc", {"answerKey": "ABC"}, "'answerKey' is 'ABC'"),
    "arc no key": ("arc", {"answerKey": ""}, "'answerKey' is empty: this part has no answers"),
    "arc key type": ("arc", {"answerKey": 2}, "'answerKey' must be a text, not a number"),
    "arc choices": ("arc", {"choices": ["a", "b"]}, "'choices' must hold the lists 'text' and"),
    "arc texts": (
        "arc",
        {"choices": {"text": [1], "label": ["A"]}},
        "'choices', 'text', must be a list of texts",
    ),
    "arc lengths": (
        "arc",
        {"choices": {"text": ["x"], "label": ["A", "B"]}},
        "'choices' has 1 texts and 2 labels",
    ),
    "arc question": ("arc", {"question": None}, "'question' must be a text, not null"),
    "ending": ("hellaswag", {"endings": "x"}, "'endings' must be a list of texts"),
    "label": ("hellaswag", {"label": "4"}, "'label' is 4, but there are 4 options"),
    "label text": ("hellaswag", {"label": "x"}, "'label' must be an index, not 'x'"),
    "no label": ("hellaswag", {"label": ""}, "'label' is empty: this part has no answers"),
    "source": ("hellaswag", {"source_id": 3}, "'source_id' must be a text, not a number"),
    "mmlu answer": ("mmlu", {"answer": True}, "'answer' must be an index, not True"),
    "mmlu range": ("mmlu", {"answer": 2}, "'answer' is 2, but there are 2 options"),
    "mmlu withheld": ("mmlu", {"answer": -1}, "'answer' is empty"),
    "mmlu subject": ("mmlu", {"subject": ["x"]}, "'subject' must be a text"),
    "number": ("mgsm", {"answer_number": "many"}, "'answer_number' must be a whole number"),
    "half": ("mgsm", {"answer_number": 2.5}, "'answer_number' must be a whole number, not 2.5"),
    "truth": ("mgsm", {"answer_number": True}, "'answer_number' must be a whole number"),
    "commas": ("mgsm", {"answer_number": "1,2"}, "'answer_number' must be a whole number"),
    "option": ("logiqa", {"options": [1]}, "'options' must be a list of texts"),
    "letter": ("logiqa", {"correct_option": "e"}, "'correct_option' must be an index"),
    "query": ("logiqa", {"query": 1}, "'query' must be a text"),
    "mc1": ("targets", {"mc1_targets": {"a": 0}}, "'mc1_targets' holds 0 true answers"),
    "mc2": ("targets", {"mc2_targets": {"a": 2}}, "'mc2_targets' must give each answer with 1"),
    "mc lengths": (
        "targets",
        {"mc2_targets": {"choices": ["a"], "labels": []}},
        "'mc2_targets' must give each answer",
    ),
    "template": (
        "triples",
        {"template": "[X] is"},
        r"'template' must have one \[X\] and one \[Y\]",
    ),
    "subject": ("triples", {"sub_label": None}, "'sub_label' must be a text, not null"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_row_is_named_by_line_and_field(read: Read, case: str) -> None:
    form, change, said = BAD[case]
    task, content = FORMS[form]
    with pytest.raises(DataError, match=rf"data.x, line 3: (the field )?{said}") as caught:
        read(task, lines([content[0]]) + "\n" + lines([{**content[0], **change}]))
    assert "\n" not in str(caught.value)


MISSING = [
    ("arc", "question"),
    ("arc", "choices"),
    ("arc", "answerKey"),
    ("hellaswag", "endings"),
    ("hellaswag", "label"),
    ("mmlu", "question"),
    ("mmlu", "choices"),
    ("mmlu", "answer"),
    ("mgsm", "question"),
    ("mgsm", "answer_number"),
    ("logiqa", "context"),
    ("logiqa", "query"),
    ("logiqa", "options"),
    ("logiqa", "correct_option"),
    ("targets", "question"),
    ("targets", "mc1_targets"),
    ("targets", "mc2_targets"),
    ("triples", "obj_label"),
    ("triples", "template"),
]


@pytest.mark.parametrize(("form", "key"), MISSING)
def test_a_missing_field_is_named_with_the_row_of_a_parquet_file(
    read: Read, form: str, key: str, tmp_path: Path
) -> None:
    task, content = FORMS[form]
    row = {name: value for name, value in content[0].items() if name != key}
    with pytest.raises(DataError, match=f"data.x, row 1: the field '{key}' is missing; found: "):
        read(task, parquet(tmp_path / "p", [row]))


BROKEN: dict[str, tuple[str, str | bytes, str]] = {
    "empty": ("arc", "", "data.x: the file is empty"),
    "blank": ("mgsm", b"\xef\xbb\xbf \n\n", "data.x: the file is empty"),
    "cut": ("mmlu", '{"question": "q"', r"data.x, line 1, column 17: not JSON"),
    "latin-1": ("arc", b'{"question": "\xe9"}', r"data.x, line 1: not UTF-8 \(byte 0xe9\)"),
    "utf-16": ("logiqa", "B\nc".encode("utf-16"), "data.x, line 1: not UTF-8"),
    "latin-1 table": ("mgsm", b"q\t1\nq\xe9\t2\n", "data.x, line 2: not UTF-8"),
    "no parquet": ("arc", b"PAR1 and nothing of it", "data.x: cannot be read as Parquet after"),
    "cells": ("mgsm", "q\t1\n\nq\t2\t3\n", "data.x, line 3: 3 cells, a question and a number"),
    "table": ("arc", "question,answer\nq,a\n", "data.x, line 2: the field 'choices' is missing"),
    "no letter": ("logiqa", "\nAll herons fish.\n", "data.x, line 2: the answer's letter"),
    "short": ("logiqa", "a\nc\nq\nA.x\n", "data.x, line 1: the last question has 4 lines, 7"),
    "targets": ("truthfulqa", "[]", "data.x: the file holds no rows"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_one_line_with_its_name(read: Read, case: str) -> None:
    task, content, said = BROKEN[case]
    with pytest.raises(DataError, match=said) as caught:
        read(task, content)
    assert "\n" not in str(caught.value)


def test_parquet_files_that_are_empty_or_cut(read: Read, tmp_path: Path) -> None:
    whole = parquet(tmp_path / "p", MMLU)
    with pytest.raises(DataError, match=r"cannot be read as Parquet after row 0 \("):
        read("mmlu", whole[:-20])
    pa = importlib.import_module("pyarrow")
    importlib.import_module("pyarrow.parquet").write_table(
        pa.Table.from_pylist(MMLU).slice(0, 0), tmp_path / "none"
    )
    with pytest.raises(DataError, match=r"data.x: the file holds no rows"):
        read("mmlu", (tmp_path / "none").read_bytes())


def test_without_pyarrow_the_error_says_what_to_install(
    read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = parquet(tmp_path / "p", MMLU)

    for name in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)  # what makes an import fail
    with pytest.raises(DataError, match=r"need pyarrow.* pip install 'llprobe\[parquet\]'"):
        read("mmlu", content)


def test_rows_of_any_form(tmp_path: Path) -> None:
    wanted = [(0, {"a": "x", "b": "1"}), (1, {"a": "y, z", "b": "2"})]
    dicts = [fields for _, fields in wanted]
    contents = {
        "parquet": parquet(tmp_path / "p", dicts),
        "jsonl": ("\ufeff" + lines(dicts)).encode(),
        "json": ("\n " + json.dumps(dicts)).encode(),
        "csv": b'a,b\nx,1\n"y, z",2\n',
        "tsv": b"a\tb\r\nx\t1\r\ny, z\t2\r\n",
    }
    path = tmp_path / "anything"
    for form, content in contents.items():
        path.write_bytes(content)
        assert file_form(str(path)) == form
        assert [(row.number, row.fields) for row in rows(str(path))] == wanted
    with pytest.raises(DataError, match=r"nowhere: cannot be read \(No such file"):
        file_form(str(tmp_path / "nowhere"))


@pytest.mark.parametrize("task", ["arc", "hellaswag", "logiqa", "mgsm", "mmlu"])
def test_the_worked_examples_render_and_stand_before_every_question(task: str, read: Read) -> None:
    content = next(rows for name, rows in FORMS.values() if name == task)
    definition = load_definition(task)
    preamble = read(task, lines(content)).preamble
    assert preamble.startswith(definition.description)
    for sample in definition.samples:
        assert f" {sample['answer']}\n\n" in preamble
        assert str(sample.get("question", sample.get("context"))) in preamble


@pytest.mark.parametrize(
    ("task", "file", "asked", "skipped"),
    [
        ("lama", "lama.tsv", 300, 0),
        ("mps_cal", "mps_cal_en.jsonl", 200, 0),
        ("mps_rea", "mps_cal_en.jsonl", 200, 0),
        ("xmps_cal", "xmps_cal_es.jsonl", 100, 0),
        ("reclor", "reclor.json", 60, 0),
        ("truthfulqa", "truthfulqa.csv", 815, 2),
    ],
)
def test_the_published_samples_are_read_whole(
    task: str, file: str, asked: int, skipped: int
) -> None:
    questions = load_questions(TaskRequest(task, data=str(shared("data", file))))
    assert (len(questions.items), len(questions.skipped)) == (asked, skipped)
    assert all("both true and false" in skip.reason for skip in questions.skipped)


def test_where_the_data_sets_lie_is_told_in_the_yaml_files() -> None:
    folder = Path(__file__).resolve().parents[1] / "tasks"
    named = {
        path.stem: loaded["llprobe"]["hub"]
        for path in folder.glob("*.yaml")
        for loaded in [yaml.safe_load(path.read_text("utf-8"))]
        if "hub" in loaded.get("llprobe", {})
    }
    assert sorted(named) == ["arc", "hellaswag", "logiqa", "mgsm", "mmlu", "truthfulqa"]
    assert all(set(hub) <= {"repo", "file", "revision"} for hub in named.values())
