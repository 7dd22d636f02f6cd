"""Multiple-choice YAML of lm-evaluation-harness, hand-written in its format, runs unchanged."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from harnessyaml import EXPECTED, HEAD, JINJA, ROWS, Ask, asked, asker, json_lines

from llprobe.errors import DataError, UsageError
from llprobe.task import load_definition


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    return asker(tmp_path)


@pytest.mark.parametrize(
    ("choice", "target"),
    [
        ('"{{[a, b]}}"', "label"),
        ('"{{[a, b]}}"', "right"),
        ('"{{[a, b]}}"', '"{{label}}"'),
        ('"{{[a, b]}}"', '"{{right}}"'),
        ('"{{[a, b]}}"', '"{{[a, b].index(right)}}"'),
        ('"{{[a, b]}}"', "1"),
        ('"{{[a, b]}}"', "[1]"),
        ("\"['{{a}}', '{{b}}']\"", "label"),
        ('["{{a}}"]', None),
    ],
)
def test_choices_and_targets_in_every_form(ask: Ask, choice: str, target: str | None) -> None:
    if target is None:  # options of a list are texts, not templates, in the harness as well
        with pytest.raises(DataError, match="it has 1 option, 2 are needed"):
            ask(HEAD + f"doc_to_choice: {choice}\ndoc_to_target: 0\n")
        return
    got = ask(HEAD + f"doc_to_choice: {choice}\ndoc_to_target: {target}\n")
    assert asked(got) == EXPECTED


def test_listed_choices_with_integer_and_string_targets(ask: Ask) -> None:
    rows = [{"stem": "x", "label": 1, "word": "no"}, {"stem": "y", "label": 0, "word": "yes"}]
    for target in ("label", "word", '"{{word}}"'):
        text = HEAD + f'doc_to_choice: ["yes", "no"]\ndoc_to_target: {target}\n'
        got = ask(text, **{"test.jsonl": json_lines(rows)})
        assert [item.correct for item in got.items] == [(1,), (0,)]
        assert got.items[0].choices == (" yes", " no")


def test_choices_as_a_mapping_are_its_values(ask: Ask) -> None:
    got = ask(HEAD + "doc_to_choice: {first: hot, second: cold}\ndoc_to_target: label\n")
    assert got.items[0].choices == (" hot", " cold")


def test_choices_as_a_field_name(ask: Ask) -> None:
    rows = [{"stem": "x", "options": ["p", "q", "r"], "label": 2}]
    text = HEAD + "doc_to_choice: options\ndoc_to_target: label\n"
    got = ask(text, **{"test.jsonl": json_lines(rows)})
    assert asked(got) == [("Sentence: x", (" p", " q", " r"), (2,))]


def test_the_form_of_arc(ask: Ask) -> None:
    row = {
        "question": "What melts?",
        "choices": {"text": ["ice", "stone"], "label": ["A", "B"]},
        "answerKey": "A",
    }
    text = HEAD.replace('"Sentence: {{stem}}"', '"Question: {{question}}\\nAnswer:"')
    text += 'doc_to_choice: "{{choices.text}}"\n'
    text += 'doc_to_target: "{{choices.label.index(answerKey.lstrip())}}"\n'
    got = ask(text, **{"test.jsonl": json_lines([row])})
    assert asked(got) == [("Question: What melts?\nAnswer:", (" ice", " stone"), (0,))]


def test_a_prompt_that_is_empty_on_purpose(ask: Ask) -> None:
    """Minimal pairs: two sentences, nothing before them."""
    rows = [{"good": "The dog barks.", "bad": "The dog bark."}]
    text = HEAD.replace('"Sentence: {{stem}}"', '""')
    text += 'doc_to_choice: "{{[good, bad]}}"\ndoc_to_target: 0\n'
    got = ask(text, **{"test.jsonl": json_lines(rows)})
    assert asked(got) == [("", (" The dog barks.", " The dog bark."), (0,))]


def test_worked_examples_in_the_file(ask: Ask) -> None:
    text = JINJA + (
        "num_fewshot: 1\nfewshot_config:\n  sampler: first_n\n  samples:\n"
        '    - {stem: Fire is, a: hot, b: wet, label: 0}\n    - {stem: "2", a: x, b: y, label: 1}\n'
        'description: "Choose.\\n"\nfewshot_delimiter: "\\n##\\n"\ntarget_delimiter: " -> "\n'
    )
    got = ask(text)
    assert got.preamble == "Choose.\nSentence: Fire is -> hot\n##\n"
    assert got.items[0].choices == (" -> blue", " -> green")
    assert got.notes == ()


def test_worked_examples_from_a_split(ask: Ask) -> None:
    got = ask(JINJA + "fewshot_split: train\nnum_fewshot: 1\n")
    assert got.preamble == "Sentence: Ice is frozen water\n\n"
    assert asked(got) == EXPECTED
    assert got.notes == (
        "the worked examples are the first ones, in order; none is drawn at random",
    )
    for key in ("training_split: train\n", "fewshot_config: {split: train}\n"):
        assert ask(JINJA + key + "num_fewshot: 1\n").hash == got.hash
    assert ask(JINJA + "training_split: train\n", {"num_fewshot": 1}).hash == got.hash
    with pytest.raises(UsageError, match="task weather has 1 worked examples, not 2"):
        ask(JINJA + "fewshot_split: train\n", {"num_fewshot": 2})


def test_a_worked_example_is_not_asked_as_well(ask: Ask) -> None:
    got = ask(JINJA + "num_fewshot: 1\n")
    assert got.preamble == "Sentence: Grass is mostly green\n\n"
    assert asked(got) == EXPECTED[1:]


def test_validation_is_asked_where_there_is_no_test_split(ask: Ask) -> None:
    text = JINJA.replace("test_split: test", "validation_split: train\ntest_split: null")
    assert [item.prompt for item in ask(text).items] == ["Sentence: Ice is frozen"]


FILES = {
    "json": ("rows.json", json.dumps(ROWS[1:])),
    "json of lines": ("rows.json", json_lines(ROWS[1:])),
    "csv": ("rows.csv", "stem,a,b,label\nGrass is mostly,blue,green,1\nSnow is,hot,cold,1\n"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_is_not_split(ask: Ask, case: str) -> None:
    name, content = FILES[case]
    form = case.split(maxsplit=1)[0]
    for files in (name, f"[{name}]", f"{{test: {name}}}"):
        text = JINJA.replace("path: json", f"path: {form}")
        text = text.replace("{train: train.jsonl, test: test.jsonl}", files)
        assert asked(ask(text, **{name: content})) == EXPECTED


def test_several_files_are_one_after_the_other(ask: Ask) -> None:
    text = JINJA.replace("test: test.jsonl", "test: [test.jsonl, more/b.jsonl]")
    got = ask(text, **{"more/b.jsonl": json_lines(ROWS[:1])})
    assert [item.prompt for item in got.items][-1] == "Sentence: Ice is frozen"
    assert [item.id for item in got.items] == ["weather-0", "weather-1", "weather-2"]


def test_numbers_of_a_csv_file_are_numbers(ask: Ask) -> None:
    """As for the harness: an index stays one where the options are digits, too."""
    text = HEAD.replace("path: json", "path: csv").replace("test.jsonl", "t.csv")
    text += 'doc_to_choice: "{{[a|string, b|string]}}"\ndoc_to_target: label\n'
    got = ask(text, **{"t.csv": "stem,a,b,label\n2 + 1,1,3,1\n0 + 1,0,1,1\n"})
    assert [(item.choices, item.correct) for item in got.items] == [
        ((" 1", " 3"), (1,)),
        ((" 0", " 1"), (1,)),
    ]


def test_a_csv_file_with_another_delimiter_and_empty_cells(ask: Ask) -> None:
    text = JINJA.replace("path: json", "path: csv").replace(
        "{train: train.jsonl, test: test.jsonl}", 'x.csv\n  delimiter: ";"'
    )
    text = text.replace("Sentence: {{stem}}", "{{stem}}{{hint or ''}}{{n}}{{ok}}")
    got = ask(text, **{"x.csv": "stem;hint;n;ok;a;b;label\nx;;1.5;True;p;q;0\ny;h;2;False;p;q;0\n"})
    assert [item.prompt for item in got.items] == ["x1.5True", "yh2.0False"]


def test_parquet(ask: Ask, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    pd.DataFrame(ROWS[1:]).to_parquet(tmp_path / "x.parquet")
    text = JINJA.replace("path: json", "path: parquet")
    assert asked(ask(text.replace("test.jsonl", "x.parquet"))) == EXPECTED


def test_a_text_file_is_a_row_a_line(ask: Ask) -> None:
    text = HEAD.replace("path: json", "path: text").replace("test.jsonl", "x.txt")
    text = text.replace("{{stem}}", "{{text}}")
    text += 'doc_to_choice: ["good", "bad"]\ndoc_to_target: 0\n'
    got = ask(text, **{"x.txt": "one\r\ntwo\n"})
    assert [item.prompt for item in got.items] == ["Sentence: one", "Sentence: two"]


def test_a_data_set_of_the_hub_takes_its_data_from_the_user(ask: Ask, tmp_path: Path) -> None:
    text = JINJA.replace("path: json", "path: someone/weather\ndataset_name: mild").replace(
        "data_files: {train: train.jsonl, test: test.jsonl}", "trust_remote_code: true"
    )
    with pytest.raises(
        UsageError, match=r"needs a data file \(someone/weather \(mild\), split test"
    ):
        ask(text)
    data = {"data": str(tmp_path / "test.jsonl")}
    assert asked(ask(text, data)) == EXPECTED
    shots = "fewshot_split: dev\nnum_fewshot: 5\n"
    with pytest.raises(UsageError, match=r"its own are in someone/weather, split dev.*ask for 0"):
        ask(text + shots, data)
    assert asked(ask(text + shots, data | {"num_fewshot": 0})) == EXPECTED


def test_what_only_scores_is_ignored_with_a_note(ask: Ask) -> None:
    text = JINJA + (
        "metric_list:\n  - {metric: acc, aggregation: mean, higher_is_better: true}\n"
        "should_decontaminate: true\ndoc_to_decontamination_query: stem\nrepeats: 1\n"
        "filter_list: null\ntask_alias: w\nmetadata: {version: 1.0, note: x}\n"
    )
    got = ask(text)
    assert asked(got) == EXPECTED
    (note,) = got.notes
    assert note.startswith("ignored, since llprobe scores in its own way: metric_list, repeats, sh")
    assert got.hash == ask(JINJA).hash


@pytest.mark.parametrize(
    ("key", "tags"),
    [
        ("tag: rain", ("rain",)),
        ("tag: [rain, sun]", ("rain", "sun")),
        ("group: [rain]", ("rain",)),
        ("tag:\n  - rain\ngroup: sun", ("rain", "sun")),
    ],
)
def test_tags(ask: Ask, tmp_path: Path, key: str, tags: tuple[str, ...]) -> None:
    ask(JINJA + key + "\n")
    assert load_definition(str(tmp_path / "weather.yaml")).tags == tags
