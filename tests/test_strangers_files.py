"""What somebody else's task file may do: whatever it holds, one line says what is wrong with it."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from taskhelp import HEAD, PLAIN

from llprobe.errors import LlprobeError
from llprobe.sweep import read_sweep
from llprobe.task import TaskRequest, expand, include, load_definition, load_questions
from llprobe.task.library import add
from llprobe.task.validate import validate

DOUBLING = (
    "{% set n = namespace(t=q) %}{% for i in range(48) %}{% set n.t = n.t ~ n.t %}{% endfor %}"
)
LOOPS = "{% for i in range(90000) %}{% for j in range(90000) %}{% endfor %}{% endfor %}"
DEEP = "{% for i in [1] %}" * 25 + "{{q}}" + "{% endfor %}" * 25


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLPROBE_READ_SECONDS", "1")


@pytest.fixture
def tight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLPROBE_READ_MB", "400")


def aliases(key: str) -> str:
    """Give keys whose values, each nine times the one before, stand for gigabytes."""
    lines = [f"{key}0: &{key}0 [boom, boom]"]
    lines += [f"{key}{n}: &{key}{n} [{', '.join([f'*{key}{n - 1}'] * 9)}]" for n in range(1, 10)]
    return ", ".join(lines)


def written(folder: Path, data: str = "rows.jsonl", more: str = "", **keys: str) -> str:
    """Write a task of one row; give its path."""
    row = {"q": "one?", "options": ["a", "b"], "answer": 1}
    if not (folder / "rows.jsonl").exists():
        (folder / "rows.jsonl").write_text(json.dumps(row) + "\n")
    lines = [f"{key}: {json.dumps(value)}\n" for key, value in (PLAIN | keys).items()]
    lines.append(f"llprobe: {{data: {json.dumps(data)}}}\n")
    (folder / "t.yaml").write_text(HEAD + "".join(lines) + more)
    return str(folder / "t.yaml")


def complaint(read: Callable[[], object]) -> str:
    """Give the one line in which reading ends."""
    with pytest.raises(LlprobeError) as problem:
        read()
    line = str(problem.value)
    assert "\n" not in line
    assert len(line) <= 500
    return line


def questions(path: str, **wanted: str) -> Callable[[], object]:
    return lambda: load_questions(TaskRequest(path, **wanted))  # type: ignore[arg-type]


# --- time and memory ------------------------------------------------------------------------------


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("template", [LOOPS, "{{ ('n' * 44 ~ '?')|regex_replace('(n+)+$', 'm') }}"])
def test_a_template_without_an_end_is_ended(template: str, tmp_path: Path) -> None:
    path = written(tmp_path, doc_to_text=template + "{{q}}")
    assert complaint(questions(path)).endswith("more than 1 s; LLPROBE_READ_SECONDS allows more")
    (mistake,) = validate(path).mistakes
    assert "more than 1 s" in str(mistake)


@pytest.mark.usefixtures("tight")
@pytest.mark.parametrize(
    "template",
    [
        DOUBLING + "{{ n.t|length }}",
        DOUBLING.replace("~", "+") + "{{ n.t|length }}",
        "{{ ('k' * 500000)|replace('k', 'm' * 9000)|length }}",
        "{{ [q]|batch(500000000, 'z')|list|length }}",
    ],
)
def test_a_template_that_makes_a_giant_is_refused(template: str, tmp_path: Path) -> None:
    assert "emory" in complaint(questions(written(tmp_path, doc_to_text=template)))


@pytest.mark.parametrize("key", ["doc_to_text", "doc_to_choice", "doc_to_target", "description"])
def test_a_template_that_is_nested_too_deeply_is_named(key: str, tmp_path: Path) -> None:
    path = written(tmp_path, **{key: DEEP})
    assert f"{key}: not a jinja template" in complaint(questions(path))
    assert [key in str(mistake) for mistake in validate(path).mistakes] == [True]


@pytest.mark.usefixtures("tight")
@pytest.mark.parametrize(
    ("more", "said"),
    [
        (f"metadata: {{{aliases('b')}, version: *b9}}\n", "version: must be a number"),
        (f"metadata: {{{aliases('b')}}}\n? *b9\n: 1\n", "a key must be a text"),
    ],
)
def test_aliases_that_stand_for_gigabytes_are_refused(more: str, said: str, tmp_path: Path) -> None:
    assert said in complaint(questions(written(tmp_path, more=more)))


@pytest.mark.usefixtures("tight")
def test_a_sweep_file_is_read_within_limits(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(f"name: s\nmodels: [m]\ntasks: [facts]\nset: {{{aliases('b')}, x: *b9}}\n")
    assert "s.yaml" in complaint(lambda: read_sweep(path))


@pytest.mark.usefixtures("tight")
def test_parquet_that_unfolds_to_gigabytes_is_refused(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    words = arrow.array(["What says moo? " * 220_000])
    column = arrow.DictionaryArray.from_arrays(arrow.array([0] * 3000, arrow.int32()), words)
    rows = {"q": column, "options": arrow.array([["a", "b"]] * 3000), "answer": [0] * 3000}
    parquet.write_table(arrow.table(rows), tmp_path / "bomb.parquet", compression="zstd")
    said = complaint(questions(written(tmp_path, "bomb.parquet")))
    assert "memory" in said or "bomb.parquet" in said


@pytest.mark.usefixtures("tight")
@pytest.mark.parametrize("name", ["line.jsonl", "list.json", "cell.csv", "cell.tsv"])
def test_a_file_larger_than_the_memory_is_refused(name: str, tmp_path: Path) -> None:
    with (tmp_path / name).open("wb") as file:
        file.write(b"[" if name.endswith(".json") else b'{"q": "')
        file.truncate(2 << 30)
    assert f"{name}: cannot be read" in complaint(questions(written(tmp_path, name)))


@pytest.mark.parametrize("name", ["line.jsonl", "list.json"])
def test_json_that_is_nested_too_deeply_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("[" * 200_000)
    assert name in complaint(questions(written(tmp_path, name)))


def test_a_question_of_very_many_options_is_read(tmp_path: Path) -> None:
    options = [f"the number {number}" for number in range(50_000)]
    row = {"q": "Which is even?", "options": [*options, options[7]], "answer": 4}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row))
    (item,) = load_questions(TaskRequest(written(tmp_path))).items
    assert len(item.choices) == 50_000
    assert item.correct == (4,)


# --- files that are none --------------------------------------------------------------------------


def odd_file(kind: str, path: Path) -> str:
    """Make what is no plain file; give the words that name it."""
    match kind:
        case "a pipe":
            os.mkfifo(path)
        case "a folder":
            path.mkdir()
        case "a device":
            path.symlink_to("/dev/zero")
        case "a socket":
            with socket.socket(socket.AF_UNIX) as made:
                made.bind(os.path.relpath(path))
            return "cannot be read"
        case _:
            path.symlink_to(path.name)
            return "symbolic links"
    return f"it is {kind}"


KINDS = ["a pipe", "a folder", "a device", "a socket", "a link in a circle"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_plain_file_is_named_wherever_it_stands(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path)
    odd = {ending: f"odd{ending}" for ending in (".jsonl", ".csv", ".parquet", ".txt", ".yaml")}
    for name in odd.values():
        words = odd_file(kind, tmp_path / name)
    for name in (odd[".jsonl"], odd[".csv"], odd[".parquet"]):
        assert words in complaint(questions(path, data=name))
        assert words in complaint(lambda name=name: add(name))
    for name in (odd[".jsonl"], odd[".txt"], odd[".yaml"]):
        assert words in complaint(questions(path, shots_file=name))
    for name in (odd[".jsonl"], odd[".csv"], odd[".parquet"]):
        assert words in complaint(questions(written(tmp_path, name)))
    assert words in complaint(lambda: load_definition(odd[".yaml"]))
    assert words in complaint(lambda: expand([odd[".yaml"]]))
    assert words in complaint(lambda: add(odd[".yaml"]))
    assert words in complaint(lambda: read_sweep(odd[".yaml"]))
    assert words in str(validate(odd[".yaml"]).mistakes[0])


@pytest.mark.parametrize("kind", KINDS)
def test_an_included_file_that_is_none_is_named(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    odd_file(kind, tmp_path / "odd.yaml")
    assert "include" in complaint(questions(written(tmp_path, more="include: odd.yaml\n")))


@pytest.mark.parametrize("name", ["x" * 400, "x\0y"])
def test_an_include_that_no_file_can_be_called_is_named(name: str, tmp_path: Path) -> None:
    path = written(tmp_path, more=f"include: {json.dumps(name)}\n")
    assert "include" in complaint(questions(path))


# --- many files -----------------------------------------------------------------------------------


def test_a_file_is_included_once_however_often_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    real = include.read_text
    monkeypatch.setattr(
        include, "read_text", lambda path, error: [read.append(path), real(path, error)][1]
    )
    for number in range(8):
        (tmp_path / f"x{number}.yaml").write_text(
            f"include: [{', '.join([f'x{number + 1}.yaml'] * 6)}]\nk{number}: 1\nk: {number}\n"
        )
    (tmp_path / "x8.yaml").write_text("k: 8\nk8: 1\n")
    section = include.read_task_file(str(tmp_path / "x0.yaml"))
    assert section.values == {"k": 0, **{f"k{number}": 1 for number in range(9)}}
    assert len(read) == 9


@pytest.mark.parametrize("chain", [True, False])
def test_more_included_files_than_can_be_meant_are_refused(chain: bool, tmp_path: Path) -> None:
    for number in range(2000):
        more = f"include: x{number + 1}.yaml\n" if chain else ""
        (tmp_path / f"x{number}.yaml").write_text(f"k{number}: 1\n{more}")
    names = "x0.yaml" if chain else json.dumps([f"x{number}.yaml" for number in range(2000)])
    said = complaint(questions(written(tmp_path, more=f"include: {names}\n")))
    assert "at most 100 files" in said


def test_odd_files_beside_a_group_take_down_none_of_it(tmp_path: Path) -> None:
    written(tmp_path)
    for number, kind in enumerate(KINDS[:3] + KINDS[4:]):
        odd_file(kind, tmp_path / f"a{number}.yaml")
    with (tmp_path / "huge.yaml").open("wb") as file:
        file.truncate(64 << 30)
    (tmp_path / "deep.yaml").write_text("[" * 20_000)
    (tmp_path / "keys.yaml").write_text(f"metadata: {{{aliases('b')}}}\n? *b9\n: 1\n")
    (tmp_path / "name.yaml").write_text("include: " + "x" * 400)
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.yaml")).write_text("task: [")
    (tmp_path / "g.yaml").write_text("group: g\ntask: [t]\n")
    assert expand([str(tmp_path / "g.yaml")]) == (str(tmp_path / "t.yaml"),)


def test_a_folder_is_read_once_for_all_members_of_a_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"t{number}" for number in range(20)]
    text = Path(written(tmp_path)).read_text()
    for name in names:
        (tmp_path / f"{name}.yaml").write_text(text.replace("task: t\n", f"task: {name}\n"))
    (tmp_path / "g.yaml").write_text(f"group: g\ntask: [{', '.join(names)}]\n")
    read: list[str] = []
    real = include.read_text
    monkeypatch.setattr(
        include, "read_text", lambda path, error: [read.append(path), real(path, error)][1]
    )
    monkeypatch.setattr("llprobe.task.bounded._within", True)
    assert len(expand([str(tmp_path / "g.yaml")])) == 20
    here = [path for path in read if path.startswith(str(tmp_path))]
    assert len(here) == 23  # each file of the folder, and the group's own once more
