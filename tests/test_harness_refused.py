"""What is refused of a task file of lm-evaluation-harness: every mistake, each with its line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from harnessyaml import EXPECTED, JINJA, ROWS, Ask, asked, asker, json_lines

from llprobe.errors import TaskError
from llprobe.task.validate import validate


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    return asker(tmp_path)


# --- what is refused ----------------------------------------------------------------------------

REFUSED = {
    "process_docs": (
        "process_docs: !function utils.f",
        r"line 10, process_docs: !function is refu",
    ),
    "process_docs text": (
        "process_docs: utils.f",
        r"line 10, process_docs: is refused: it runs Py",
    ),
    "process_results": ("process_results: x", r"line 10, process_results: is refused"),
    "samples": (
        "fewshot_config:\n  samples: !function a.b",
        r"line 11, fewshot_config.samples: !function is refused",
    ),
    "metric": ("metric_list:\n  - metric: !function a.b", r"line 11, metric_list: !function is re"),
    "config docs": ("fewshot_config:\n  process_docs: f", r"line 11, fewshot_config.process_docs"),
    "image": ("doc_to_image: x", r"line 10, doc_to_image: is refused: llprobe reads text only"),
    "prefix": ("gen_prefix: x", r"line 10, gen_prefix: is refused: write it at the end of doc_to"),
    "class": ("class: x", r"line 10, class: is refused"),
    "unknown": ("doc_to_chioce: x", r"line 10, doc_to_chioce: unknown key; did you mean doc_to_ch"),
    "tag": ("tag: [1]", r"line 10, tag: must be a name or a list of names"),
    "split": (
        "fewshot_split: dev",
        r"line 10, fewshot_split: there is no split 'dev' in data_file",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_with_line_and_key(ask: Ask, case: str) -> None:
    line, said = REFUSED[case]
    with pytest.raises(TaskError, match=rf"weather.yaml, {said}") as caught:
        ask(JINJA + line + "\n")
    assert "\n" not in str(caught.value)


def test_what_is_set_to_nothing_is_not_refused(ask: Ask) -> None:
    text = (
        JINJA + "process_docs: null\nunsafe_code: false\nfewshot_split: null\nnum_fewshot: null\n"
    )
    assert asked(ask(text)) == EXPECTED


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ("https://example.org/x.jsonl", r"line 4, dataset_kwargs.data_files: .*downloads no data"),
        ("7", r"line 4, dataset_kwargs.data_files: must be a file"),
        ("{}", r"line 4, dataset_kwargs.data_files: names no file"),
        ("{a: x.jsonl, b: y.jsonl}", r"line 6, test_split: there is no split 'test' .* a, b"),
        ("nowhere.jsonl", r"nowhere.jsonl: cannot be read"),
    ],
)
def test_data_files_that_cannot_be(ask: Ask, files: str, said: str) -> None:
    with pytest.raises(TaskError, match=said):
        ask(JINJA.replace("{train: train.jsonl, test: test.jsonl}", files))


def test_a_split_must_be_chosen(ask: Ask) -> None:
    with pytest.raises(TaskError, match=r"test_split: the key is missing; .*: train, test"):
        ask(JINJA.replace("test_split: test\n", ""))


# --- every mistake, not just the first ----------------------------------------------------------


def found(path: Path, **files: str) -> list[str]:
    for name, text in files.items():
        (path / name).write_text(text, encoding="utf-8")
    folder = f"{path}/"
    return [str(each).replace(folder, "") for each in validate(str(path / "t.yaml")).mistakes]


def starts(said: list[str]) -> list[str]:
    return [line.split(": ")[0] for line in said]


def test_every_mistake_of_a_file_is_found_at_once(tmp_path: Path) -> None:
    text = """\
task: two words
output_type: perplexity
doc_to_text: 7
doc_to_choice: "{{ options"
doc_to_target: !function a.b
doc_to_target: 0
num_fewshot: -1
zzz: 1
process_docs: !function utils.f
dataset_kwargs: 5
dataset_path: json
fewshot_config:
  sampler: rnd
  oops: 1
llprobe:
  data: 3
  bad_rows: maybe
  reeder: x
"""
    said = found(tmp_path, **{"t.yaml": text})
    assert sorted(starts(said), key=lambda s: int(s.split()[2].strip(","))) == [
        "t.yaml, line 1, task",
        "t.yaml, line 2, output_type",
        "t.yaml, line 3, doc_to_text",
        "t.yaml, line 4, doc_to_choice",
        "t.yaml, line 5, doc_to_target",
        "t.yaml, line 6, doc_to_target",
        "t.yaml, line 7, num_fewshot",
        "t.yaml, line 8, zzz",
        "t.yaml, line 9, process_docs",
        "t.yaml, line 10, dataset_kwargs",
        "t.yaml, line 13, fewshot_config.sampler",
        "t.yaml, line 14, fewshot_config.oops",
        "t.yaml, line 16, llprobe.data",
        "t.yaml, line 17, llprobe.bad_rows",
        "t.yaml, line 18, llprobe.reeder",
    ]


def test_every_bad_row_and_worked_example_is_found(tmp_path: Path) -> None:
    text = JINJA.replace("{train: train.jsonl, test: test.jsonl}", "rows.jsonl")
    text += "num_fewshot: 2\nfewshot_config:\n  sampler: first_n\n  samples:\n"
    text += "    - {stem: x, a: p, b: q, label: 5}\n    - {a: p, b: q, label: 0}\n"
    good: Mapping[str, Any] = {"stem": "x", "a": "p", "b": "q", "label": 0}
    rows = [good, {**good, "label": 2}, {**good, "b": ""}, {"stem": "x"}, good]
    said = found(tmp_path, **{"t.yaml": text, "rows.jsonl": json_lines([dict(r) for r in rows])})
    assert starts(said) == [
        "t.yaml, line 13, fewshot_config.samples, worked example 1",
        "t.yaml, line 13, fewshot_config.samples, worked example 2",
        "rows.jsonl, line 2",
        "rows.jsonl, line 3",
        "rows.jsonl, line 4",
    ]


def test_a_file_that_cannot_be_read_on_is_one_more_mistake(tmp_path: Path) -> None:
    text = JINJA.replace("{train: train.jsonl, test: test.jsonl}", "rows.jsonl")
    rows = json_lines([{**ROWS[0], "label": 9}]) + "{oops\n" + json_lines(ROWS)
    said = found(tmp_path, **{"t.yaml": text, "rows.jsonl": rows})
    assert starts(said) == ["rows.jsonl, line 1", "rows.jsonl, line 2, column 2"]


def test_a_good_file_has_no_mistakes(tmp_path: Path) -> None:
    text = JINJA.replace("{train: train.jsonl, test: test.jsonl}", "rows.jsonl")
    assert found(tmp_path, **{"t.yaml": text, "rows.jsonl": json_lines(ROWS)}) == []
    checked = validate(str(tmp_path / "t.yaml"))
    assert (checked.n_questions, checked.n_skipped, checked.notes) == (3, 0, ())
