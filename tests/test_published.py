"""Published data sets in the forms in which they are served: what is read of them."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import yaml
from publishedforms import (
    ARC,
    FORMS,
    HELLASWAG,
    HUB_TARGETS,
    LOGIQA,
    MGSM,
    MMLU,
    TARGETS,
    TRIPLES,
    Read,
    lines,
    parquet,
    reader,
)
from samplefiles import shared

from llprobe.errors import DataError
from llprobe.task import TaskRequest, file_form, load_definition, load_questions, rows


@pytest.fixture
def read(tmp_path: Path) -> Read:
    return reader(tmp_path)


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
