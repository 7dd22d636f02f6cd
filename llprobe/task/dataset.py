"""The harness' data keys: `dataset_path`, `dataset_kwargs.data_files` and the names of splits.

    dataset_path: json            # csv, parquet, text; anything else is a data set of the hub
    dataset_kwargs:
      data_files: {train: shots.jsonl, test: questions.jsonl}
    test_split: test

Files are relative to the YAML file in which they are named. Rows come as the hub's library
would give them: of a CSV file, a column of nothing but numbers holds numbers. Downloads nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from llprobe.errors import DataError
from llprobe.task.content import file_form
from llprobe.task.files import (
    data_rows,
    delimited,
    json_array,
    json_field,
    json_lines,
    read_text,
    suffix_of,
)
from llprobe.task.parquet import parquet_rows
from llprobe.task.records import Row
from llprobe.task.yamlfile import Section, shown

__all__ = ["Dataset", "parse_dataset", "split_rows"]

_FORMS = ("json", "csv", "parquet", "text")
_KWARGS = ("data_files", "data_dir", "delimiter", "field", "sep")
_OF_SUFFIX = {
    ".json": "json", ".jsonl": "json", ".ndjson": "json", ".csv": "csv", ".tsv": "csv",
    ".parquet": "parquet",
}  # fmt: skip
_SPLITS = ("training_split", "validation_split", "test_split", "fewshot_split")
_ONLY = "train"
"""What the hub's library calls the one split of files that are not sorted into splits."""
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Dataset:
    """Where a task of the harness has its questions and its worked examples."""

    path: str
    """How the files are read (json, csv, parquet, text), or a data set's name on the hub."""
    name: str
    """The configuration of a data set of the hub; empty for none."""
    files: Mapping[str, tuple[str, ...]]
    """The files of each split; empty for a data set of the hub."""
    asked: str
    """The split that the questions are from; empty where the file does not say."""
    shots: str
    """The split that the worked examples are from; empty where they stand in the YAML file."""
    delimiter: str = ","
    field: str = ""
    """Of a JSON file, the field that holds the rows; empty where the file is a list or lines."""

    def given(self, path: str) -> Dataset:
        """Return how a file is read that a user gives for this one's: by its suffix, if it tells.

        Else, and in all that a suffix does not tell, as the task's own.
        """
        form = _OF_SUFFIX.get(suffix_of(path), self.path)
        return replace(self, path=form, field=self.field if form == self.path else "")

    @property
    def questions(self) -> tuple[str, ...]:
        """The files of the questions; empty for a data set of the hub."""
        return self.files.get(self.asked, ())

    @property
    def examples(self) -> tuple[str, ...]:
        """The files of the worked examples; empty where they are elsewhere."""
        return self.files.get(self.shots, ())

    @property
    def title(self) -> str:
        """Where the data are, for messages."""
        name = f" ({self.name})" if self.name else ""
        return f"{self.path}{name}, split {self.asked}" if self.asked else f"{self.path}{name}"


def parse_dataset(top: Section, *, has_samples: bool) -> Dataset | None:
    """Return what a parsed task file says of its data; None where it names none.

    TaskError names file, line and key.
    """
    path = top.text("dataset_path", "")
    if not path:
        return None
    wanted = {key: top.text(key, "") for key in _SPLITS}
    wanted["fewshot_split"] = wanted["fewshot_split"] or _config_split(top)
    asked = next((key for key in ("test_split", "validation_split") if wanted[key]), "")
    in_yaml = has_samples and not wanted["fewshot_split"]
    shots = "" if in_yaml else _shots_key(wanted, asked)
    if path not in _FORMS:
        name = top.text("dataset_name", "")
        return Dataset(path, name, {}, wanted.get(asked, ""), wanted.get(shots, ""))
    kwargs = top.section("dataset_kwargs")
    kwargs.only(_KWARGS)
    files = _data_files(kwargs)
    split = _asked(top, files, asked, wanted.get(asked, ""))
    examples = "" if in_yaml else _split(top, files, shots, wanted.get(shots, ""))
    delimiter = kwargs.text("delimiter", _sep(kwargs))
    return Dataset(path, "", files, split, examples, delimiter, kwargs.text("field", ""))


def _sep(kwargs: Section) -> str:
    return kwargs.text("sep", ",")


def _config_split(top: Section) -> str:
    return top.section("fewshot_config").text("split", "")


def _shots_key(wanted: Mapping[str, str], asked: str) -> str:
    """Return the key of the split that worked examples are from, in the harness' order."""
    order = ("fewshot_split", "training_split", "validation_split")
    return next((key for key in order if wanted[key]), asked)


def _data_files(kwargs: Section) -> dict[str, tuple[str, ...]]:
    value = kwargs.get("data_files")
    if value is None:
        raise kwargs.error("data_files", "the key is missing; name the data file here")
    if not isinstance(value, dict):
        return {_ONLY: _files(kwargs, value)}
    if not value:
        raise kwargs.error("data_files", "names no file")
    return {str(split): _files(kwargs, each) for split, each in value.items()}


def _files(kwargs: Section, value: Any) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not listed or not all(isinstance(e, str) for e in listed):
        said = f"must be a file, a list of files or `split: file` lines, not {shown(value)}"
        raise kwargs.error("data_files", said)
    return tuple(_file(kwargs, each) for each in listed)


def _file(kwargs: Section, name: str) -> str:
    if "://" in name:
        raise kwargs.error("data_files", f"{name} is refused: llprobe downloads no data; save it")
    origin = kwargs.origins.get("data_files", kwargs.origin)
    return str(Path(origin).parent / kwargs.text("data_dir", "") / name)


def _asked(top: Section, files: Mapping[str, Any], key: str, name: str) -> str:
    if not key and len(files) > 1:
        splits = ", ".join(files)
        raise top.error("test_split", f"the key is missing; say which to ask: {splits}")
    return _split(top, files, key, name)


def _split(top: Section, files: Mapping[str, Any], key: str, name: str) -> str:
    """Return the split of a name; files that are not sorted into splits are whatever is asked."""
    if not name or list(files) == [_ONLY]:
        return next(iter(files))
    if name not in files:
        known = ", ".join(files)
        raise top.error(key, f"there is no split {name!r} in data_files; there are: {known}")
    return name


def split_rows(files: Sequence[str], dataset: Dataset) -> Iterator[Row]:
    """Yield the rows of files of a data set, numbered through.

    DataError names file and line of what is broken.
    """
    number = 0
    for path in files:
        for row in _rows(path, dataset):
            yield replace(row, number=number)
            number += 1


def _rows(path: str, dataset: Dataset) -> Iterator[Row]:
    form = dataset.path
    if form == "csv":
        delimiter = "\t" if suffix_of(path) == ".tsv" else dataset.delimiter
        return _typed(list(delimited(path, delimiter)))
    if form == "json" and dataset.field:
        return json_field(path, dataset.field)
    readers: dict[str, Callable[[str], Iterator[Row]]] = {
        "json": _json, "parquet": parquet_rows, "text": _lines,
    }  # fmt: skip
    return readers.get(form, data_rows)(path)


def _json(path: str) -> Iterator[Row]:
    return json_array(path) if file_form(path) == "json" else json_lines(path)


def _lines(path: str) -> Iterator[Row]:
    lines = read_text(path).removesuffix("\n").split("\n")
    if lines == [""]:
        raise DataError(f"{path}: the file holds no rows")
    for number, line in enumerate(lines):
        yield Row(number, f"{path}, line {number + 1}", {"text": line.removesuffix("\r")})


def _typed(rows: list[Row]) -> Iterator[Row]:
    """Yield CSV rows with numbers where a whole column has them, and None for empty cells."""
    columns = list(rows[0].fields)
    kinds = {column: _kind([row.fields[column] for row in rows]) for column in columns}
    for row in rows:
        cells = {name: kinds[name](cell) if cell else None for name, cell in row.fields.items()}
        yield replace(row, fields=cells)


def _kind(cells: Sequence[str]) -> Callable[[str], Any]:
    filled = [cell for cell in cells if cell]
    if filled and all(cell in {"True", "False"} for cell in filled):
        return "True".__eq__
    if filled and all(_INTEGER.fullmatch(cell) for cell in filled):
        return int if len(filled) == len(cells) else float
    return float if filled and all(_NUMBER.fullmatch(cell) for cell in filled) else str
