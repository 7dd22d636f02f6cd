"""The user's task folder: files added, and how a name finds them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from libraryhelp import OWN, left_over, own_shelf, own_task, written
from publishedforms import ARC, HELLASWAG, MMLU, lines, parquet

from llprobe.errors import DataError, TaskError, UnknownName, UsageError
from llprobe.task import TaskRequest, load_definition, load_questions, task_names
from llprobe.task.library import add, remove, shelf, shelved, tasks_reading

LAMA = "Prompt\tAns\tCandidate Ans\nThe <mask>.\tb\ta, b\nA <mask>.\tc\ta, c\n"
MPS = lines([{"question": "q", "truth_answer": ["a"], "error": ["b"]}])


@pytest.fixture(autouse=True)
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return own_shelf(tmp_path, monkeypatch)


def test_the_folder_is_the_platforms_or_the_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LLPROBE_TASKS")
    assert shelf().parts[-2:] == ("llprobe", "tasks")
    monkeypatch.setenv("LLPROBE_TASKS", "~/mine")
    assert shelf() == Path.home() / "mine"


def test_a_data_file_is_found_by_the_name_of_its_task(tmp_path: Path, tasks: Path) -> None:
    file = written(tmp_path, "lama.tsv", LAMA)
    assert load_definition("lama").needs_data
    assert add(file) == "lama"
    Path(file).unlink()
    assert not load_definition("lama").needs_data
    assert len(load_questions(TaskRequest("lama")).items) == 2
    assert [(each.name, each.task, each.path) for each in shelved()] == [
        ("lama", "lama", tasks / "lama" / "lama.tsv")
    ]
    assert not left_over(tasks)


def test_a_file_given_with_the_command_goes_before_the_added_one(tmp_path: Path) -> None:
    add(written(tmp_path, "lama.tsv", LAMA))
    other = written(tmp_path, "other.tsv", LAMA[: LAMA.index("A <")])
    assert len(load_questions(TaskRequest("lama", data=other)).items) == 1


def test_a_data_file_under_a_name_of_its_own(tmp_path: Path) -> None:
    file = written(tmp_path, "facts-of-mine.tsv", LAMA)
    assert add(file) == "facts-of-mine"
    questions = load_questions(TaskRequest("facts-of-mine"))
    assert (questions.task, questions.items[0].id) == ("facts-of-mine", "facts-of-mine-0")
    assert questions.preamble == load_questions(TaskRequest("lama", data=file)).preamble
    assert add(file, "again") == "again"
    assert [each.name for each in shelved()] == ["again", "facts-of-mine"]
    with pytest.raises(UnknownName, match="did you mean facts-of-mine"):
        load_definition("facts-of-min")
    remove("again")
    assert [each.name for each in shelved()] == ["facts-of-mine"]
    with pytest.raises(UsageError, match="no task again was added"):
        remove("again")


def test_the_form_says_whose_questions_a_file_holds(tmp_path: Path) -> None:
    contents: dict[str, str | bytes] = {
        "arc": lines(ARC),
        "hellaswag": json.dumps(HELLASWAG),
        "lama": LAMA,
        "logiqa": "\na\nc\nq\nA.x\nB.y\nC.z\nD.w\n",
        "mgsm": "How many?\t12\n",
        "mmlu": parquet(tmp_path / "p", MMLU),
        "reclor": json.dumps(
            [{"context": "c", "question": "q", "answers": ["a", "b"], "label": 0}]
        ),
        "truthfulqa": "Question,Best Answer,Correct Answers,Incorrect Answers\nq,a,a,b\n",
        "prompts": lines([{"id": "a", "prompt": "p", "choices": ["b", "c"], "correct": [0]}]),
    }
    for task, content in contents.items():
        assert tasks_reading(written(tmp_path, "file", content)) == [task]


def test_where_several_tasks_read_a_file_its_name_decides(tmp_path: Path, tasks: Path) -> None:
    assert tasks_reading(written(tmp_path, "x", MPS)) == [
        "mps_cal",
        "mps_rea",
        "xmps_cal",
        "xmps_rea",
    ]
    assert add(written(tmp_path, "mps_rea_en.jsonl", MPS)) == "mps_rea_en"
    assert (tasks / "mps_rea_en" / "mps_rea.jsonl").is_file()
    assert len(load_questions(TaskRequest("mps_rea_en")).items) == 1
    with pytest.raises(UsageError, match="could be for mps_cal, mps_rea, xmps_cal, xmps_rea: say"):
        add(written(tmp_path, "en.jsonl", MPS))
    assert add(str(tmp_path / "en.jsonl"), task="xmps_cal") == "en"
    with pytest.raises(UsageError, match="there is a bundled task mps_cal; add the file under"):
        add(written(tmp_path, "mps_cal.jsonl", MPS))


def test_a_file_that_no_task_reads(tmp_path: Path, tasks: Path) -> None:
    file = written(tmp_path, "f.csv", "a,b\n1,2\n")
    with pytest.raises(UsageError, match=r"f.csv: no bundled task reads this; known forms .*arc"):
        add(file)
    with pytest.raises(DataError, match=r"f.csv, line 1: no column 'Prompt'; found: a,b"):
        add(file, task="lama")
    assert not tasks.exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "f.tsv: the file is empty"),
        (LAMA.encode("utf-16"), "f.tsv, line 1: not UTF-8"),
        (LAMA + "short\trow\n", "f.tsv, line 4: 2 cells where the first line has 3"),
    ],
)
def test_a_broken_file_is_not_added(
    tmp_path: Path, tasks: Path, content: str | bytes, said: str
) -> None:
    with pytest.raises(DataError, match=said):
        add(written(tmp_path, "f.tsv", content))
    assert not tasks.exists()
    with pytest.raises(DataError, match=r"none.tsv: cannot be read \(No such file"):
        add(str(tmp_path / "none.tsv"))


def test_what_is_there_is_replaced_only_when_asked(tmp_path: Path, tasks: Path) -> None:
    file = written(tmp_path, "lama.tsv", LAMA)
    add(file)
    with pytest.raises(UsageError, match="there is a task lama already"):
        add(file)
    shorter = written(tmp_path, "s.tsv", LAMA[: LAMA.index("A <")])
    assert add(shorter, "lama", replace=True) == "lama"
    assert len(load_questions(TaskRequest("lama")).items) == 1
    assert not left_over(tasks)


@pytest.mark.parametrize("name", ["two words", "a,b", "a/b", "", ".hidden", "-x", "x.yaml", ".."])
def test_names_that_a_command_could_not_take(tmp_path: Path, name: str) -> None:
    file = written(tmp_path, "own/lama.tsv", LAMA)
    if name:
        with pytest.raises(UsageError, match="is no name for a task"):
            add(file, name)
    with pytest.raises((UnknownName, TaskError)):
        load_definition(name)


def test_a_bundled_task_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is a bundled task arc; add the file under another"):
        add(written(tmp_path, "x.tsv", LAMA), "arc")
    with pytest.raises(UsageError, match="there is a bundled task paper"):
        add(written(tmp_path, "x.tsv", LAMA), "paper")
    with pytest.raises(UsageError, match="there is a bundled task facts"):
        add(own_task(tmp_path / "mine", OWN.replace("colours\n", "facts\n", 1)))


def test_a_task_of_the_users_own_comes_with_its_data(tmp_path: Path) -> None:
    source = tmp_path / "mine"
    assert add(own_task(source)) == "colours"
    for path in (source / "items" / "colours.jsonl", source / "colours.yaml"):
        path.unlink()
    questions = load_questions(TaskRequest("colours"))
    assert [item.prompt for item in questions.items] == ["Q: Grass?\nA:"]
    assert [(each.name, each.task) for each in shelved()] == [("colours", "")]
    assert add(own_task(source), "hues") == "hues"
    assert load_questions(TaskRequest("hues")).task == "hues"
    assert "colours" not in task_names()


def test_a_group_is_not_added(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"g.yaml is a group: add its tasks one by one"):
        add(written(tmp_path, "g.yaml", "group: g\ntask: [arc, facts]\n"))


HARNESS = """\
include: base/common.yaml
task: hues
dataset_path: json
dataset_kwargs:
  data_files: {train: base/shots.jsonl, test: [one.jsonl, two.jsonl]}
test_split: test
training_split: train
"""


def test_a_task_of_the_harness_comes_with_all_its_files(tmp_path: Path) -> None:
    source = tmp_path / "mine"
    written(source, "base/common.yaml", OWN[OWN.index("output") : OWN.index("llprobe")])
    for name in ("base/shots", "one", "two"):
        written(source, f"{name}.jsonl", lines([{"question": name, "answer": "red"}]))
    assert add(written(source, "hues.yaml", HARNESS)) == "hues"
    wanted = load_questions(TaskRequest(str(source / "hues.yaml")))
    shutil.rmtree(source)
    questions = load_questions(TaskRequest("hues"))
    assert [item.prompt for item in questions.items] == ["Q: one\nA:", "Q: two\nA:"]
    assert questions.hash == wanted.hash


def test_a_task_of_the_users_own_without_data_or_with_data_elsewhere(
    tmp_path: Path, tasks: Path
) -> None:
    bare = own_task(tmp_path / "mine", OWN[: OWN.index("llprobe:")])
    with pytest.raises(UsageError, match=r"colours.yaml names no data file; put it there as"):
        add(bare)
    far = own_task(tmp_path / "mine", OWN.replace("items/", "../"))
    written(tmp_path, "colours.jsonl", lines([{"question": "Grass?", "answer": "green"}]))
    with pytest.raises(UsageError, match=r"colours.jsonl must lie beside the task's YAML file"):
        add(far)
    assert not shelved()
    assert not left_over(tasks)


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLPROBE_TASKS", written(tmp_path, "file", "x"))
    with pytest.raises(
        UsageError, match=r"file cannot be written: .*LLPROBE_TASKS chooses another"
    ):
        add(written(tmp_path, "lama.tsv", LAMA))


def test_data_of_a_task_that_is_gone(tasks: Path) -> None:
    written(tasks, "old/forgotten.tsv", LAMA)
    (tasks / "empty").mkdir()
    assert [each.name for each in shelved()] == ["old"]
    with pytest.raises(TaskError, match="there is no task 'forgotten' to read it"):
        load_definition("old")
