"""Published data sets that cannot be read: bad rows and broken files are named by line."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest
from publishedforms import FORMS, MMLU, Read, lines, parquet, reader

from llprobe.errors import DataError


@pytest.fixture
def read(tmp_path: Path) -> Read:
    return reader(tmp_path)


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

    monkeypatch.setattr("llprobe.task.bounded._within", True)  # where the import fails
    for name in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)  # what makes an import fail
    with pytest.raises(DataError, match=r"need pyarrow.* pip install 'llprobe\[parquet\]'"):
        read("mmlu", content)
