"""Data of a task as its file says: compressed, within a field, another file in its place; names."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from clihelp import Cli, tiny_model, write_questions

from llprobe.errors import DataError, TaskError
from llprobe.paths import split_at_commas
from llprobe.task import TaskRequest, load_questions
from llprobe.task.content import rows

ROWS = [{"q": f"{word}?", "right": "yes", "other": "no, never"} for word in ("one", "two")]
TASK = """\
task: t
output_type: multiple_choice
dataset_path: {form}
dataset_kwargs: {{data_files: {{test: {file}}}{more}}}
test_split: test
doc_to_text: "{{{{q}}}}"
doc_to_choice: "{{{{[right, other]}}}}"
doc_to_target: 0
"""


def lines(rows: list[dict[str, str]]) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def asked(folder: Path, form: str, file: str, more: str = "", data: str | None = None) -> list[str]:
    """Write a task; return the prompts and options of its questions."""
    (folder / "t.yaml").write_text(TASK.format(form=form, file=file, more=more))
    path = None if data is None else str(folder / data)
    items = load_questions(TaskRequest(str(folder / "t.yaml"), path)).items
    return [text.strip() for item in items for text in (item.prompt, *item.choices)]


WANTED = ["one?", "yes", "no, never", "two?", "yes", "no, never"]


def test_compressed_lines_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines(ROWS).encode()))
    assert asked(tmp_path, "json", "a.jsonl.gz") == WANTED
    assert [row.fields for row in rows(str(tmp_path / "a.jsonl.gz"))] == ROWS


@pytest.mark.parametrize("cut", [12, -6])
def test_what_is_compressed_and_damaged_is_said(cut: int, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines(ROWS).encode())[:cut])
    with pytest.raises(DataError, match=r"a\.jsonl\.gz: is compressed, and damaged"):
        asked(tmp_path, "json", "a.jsonl.gz")


def test_rows_within_a_field_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"made": "by hand", "rows": ROWS, "more": []}))
    assert asked(tmp_path, "json", "a.json", ", field: rows") == WANTED
    with pytest.raises(DataError, match="in the field 'made'; lists are in: rows, more"):
        asked(tmp_path, "json", "a.json", ", field: made")
    with pytest.raises(DataError, match="the file holds no rows"):
        asked(tmp_path, "json", "a.json", ", field: more")


def test_another_file_is_read_as_the_tasks_own(tmp_path: Path) -> None:
    table = "q;right;other\none?;yes;no, never\ntwo?;yes;no, never\n"
    for name in ("a.csv", "b.csv", "c.txt"):
        (tmp_path / name).write_text(table)
    (tmp_path / "d.jsonl").write_text(lines(ROWS))
    (tmp_path / "e.json").write_text(json.dumps({"rows": ROWS}))
    (tmp_path / "f.json").write_text(json.dumps({"rows": ROWS}))
    more = ", delimiter: ';'"
    for data in ("b.csv", "c.txt", "d.jsonl"):
        assert asked(tmp_path, "csv", "a.csv", more, data) == WANTED
    assert asked(tmp_path, "json", "e.json", ", field: rows", "f.json") == WANTED


def test_a_whole_character_in_two_escapes_is_read(tmp_path: Path) -> None:
    row = {"q": "\U0001f600?", "right": "yes", "other": "no"}
    (tmp_path / "a.jsonl").write_text(json.dumps(row))
    assert asked(tmp_path, "json", "a.jsonl")[0] == "\U0001f600?"


@pytest.mark.parametrize("key", ["task", "description", "metadata"])
def test_half_a_character_in_a_task_file_is_said(key: str, tmp_path: Path) -> None:
    value = '{about: "half\\uD800"}' if key == "metadata" else '"half\\uD800"'
    (tmp_path / "t.yaml").write_text(f"output_type: multiple_choice\n{key}: {value}\n")
    with pytest.raises(TaskError, match=r"t\.yaml, line 2, .*half a character"):
        load_questions(TaskRequest(str(tmp_path / "t.yaml")))


@pytest.mark.parametrize("cell", [None, b"cow"])
def test_a_cell_that_is_no_text_is_no_part_of_a_prompt(cell: object, tmp_path: Path) -> None:
    """It would be scored as `None` or `b'cow'`."""
    columns = {"q": ["one?", cell], "right": ["yes"] * 2, "other": ["no"] * 2}
    if isinstance(cell, bytes):
        columns["q"] = [b"one?", cell]
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(TaskError, match=r"row [12]: .*\(a field (is empty|holds bytes)"):
        asked(tmp_path, "parquet", "a.parquet")


def test_a_column_that_stands_twice_is_refused(tmp_path: Path) -> None:
    texts = pa.array(["x"])
    table = pa.Table.from_arrays([texts] * 4, ["q", "right", "other", "right"])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(DataError, match="the column 'right' stands there twice"):
        asked(tmp_path, "parquet", "a.parquet")


# --- names ---------------------------------------------------------------------------------------


def test_a_comma_in_a_files_name_parts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a, b").mkdir()
    (tmp_path / "a, b" / "m,1.gguf").touch()
    (tmp_path / "x").touch()
    assert split_at_commas("a, b/m,1.gguf") == ["a, b/m,1.gguf"]
    assert split_at_commas(" x , a, b/m,1.gguf,y,") == ["x", "a, b/m,1.gguf", "y"]
    assert split_at_commas("facts,calculation") == ["facts", "calculation"]
    assert split_at_commas("\0,b") == ["\0", "b"]
    assert split_at_commas("," * 2000) == []


def test_a_model_and_a_task_with_commas_are_run(tmp_path: Path) -> None:
    folder = tmp_path / "a, b"
    folder.mkdir()
    model = tiny_model(folder, "m,1")
    (folder / "a.jsonl").write_text(lines(ROWS))
    (folder / "t.yaml").write_text(TASK.format(form="json", file="a.jsonl", more=""))
    cli = Cli(tmp_path)
    done = cli("run", "-m", model, "-t", folder / "t.yaml", "-F", "json")
    assert done.code == 0, done.err
    both = cli("run", "-m", model, "-t", "prompts", "--data", write_questions(folder / "q,1.jsonl"))
    assert both.code == 0, both.err


def test_a_key_that_is_unknown_is_still_named(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(lines(ROWS))
    with pytest.raises(TaskError, match=r"kwargs\.fields: unknown key; did you mean field"):
        asked(tmp_path, "json", "a.jsonl", ", fields: rows")
