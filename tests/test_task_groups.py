"""Groups and tags: what a name given to `-t` stands for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from llprobe.errors import TaskError, UnknownName
from llprobe.task import expand, load_definition, load_questions, task_names
from llprobe.task.groups import group_file, named_groups, tagged
from llprobe.task.records import TaskRequest
from llprobe.task.shelf import new_entry
from llprobe.task.validate import validate

PAPER = (
    "calculation",
    "mps_cal",
    "mps_rea",
    "xmps_cal",
    "xmps_rea",
    "facts",
    "logic",
    "truth",
)
Write = Callable[..., str]


@pytest.fixture(autouse=True)
def _shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLPROBE_TASKS", str(tmp_path / "shelf"))


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write files in a folder and give the path of the first."""

    def files(**texts: str) -> str:
        for name, text in texts.items():
            (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
        return str(tmp_path / f"{next(iter(texts))}.yaml")

    return files


def task(name: str, more: str = "") -> str:
    return (
        f"task: {name}\noutput_type: multiple_choice\ndoc_to_text: q\ndoc_to_choice: [a, b]\n"
        f"doc_to_target: 0\n{more}llprobe:\n  data: rows.jsonl\n"
    )


def in_folder(folder: Path, *names: str) -> tuple[str, ...]:
    return tuple(str(folder / f"{name}.yaml") for name in names)


def test_the_papers_suite_is_whole_and_can_be_asked() -> None:
    assert expand(["paper"]) == PAPER
    assert set(PAPER) <= set(task_names())
    for name in PAPER:
        asked = 2 * (4 if name.startswith("xmps") else 1)  # so many of each language
        assert len(load_questions(TaskRequest(name, limit=2)).items) == asked


def test_a_group_is_no_task() -> None:
    assert "paper" not in task_names()
    assert [group.name for group in named_groups()] == ["paper"]
    with pytest.raises(UnknownName):
        load_definition("paper")


def test_tasks_stand_for_themselves_once_in_order(write: Write) -> None:
    path = write(a=task("a"))
    assert expand(["truth", path, "facts", "paper"]) == (
        "truth", path, "facts", *(name for name in PAPER if name not in {"truth", "facts"}),
    )  # fmt: skip


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="no task, group or tag named 'papre'; did you mean pap"):
        expand(["papre"])


def test_members_are_found_beside_the_file_by_name_tag_and_path(
    write: Write, tmp_path: Path
) -> None:
    path = write(
        g="group: g\ntask: [one, wet, four.yaml, facts, sub]\n",
        x1=task("one"),
        x2=task("two", "tag: wet\n"),
        x3=task("three", "tag: [wet, cold]\n"),
        four=task("other"),
        s="group: sub\ntask:\n  - one\n  - lama\n",
    )
    beside = in_folder(tmp_path, "x1", "x2", "x3", "four")
    assert expand([path]) == (*beside, "facts", "lama")


def test_groups_within_groups(write: Write, tmp_path: Path) -> None:
    text = """\
group: g
group_alias: all of it
aggregate_metric_list:
  - metric: acc
    weight_by_size: false
task:
  - group: first
    group_alias: "1"
    task: [facts, {group: deeper, task: [one]}]
  - task: logic
  - paper
metadata: {version: 2}
"""
    path = write(g=text, one=task("one"))
    expected = ("facts", *in_folder(tmp_path, "one"), "logic")
    assert expand([path]) == (*expected, *(name for name in PAPER if name not in expected))
    group = group_file(path)
    assert group is not None
    assert (group.name, group.about) == ("g", "all of it")


def test_a_group_can_include_its_list(write: Write) -> None:
    assert expand([write(g="group: g\ninclude: base.yaml\n", base="task: [facts, truth]\n")]) == (
        "facts",
        "truth",
    )


def test_added_tasks_and_their_tags_are_found(tmp_path: Path) -> None:
    with new_entry("mine", replace=False) as folder:
        (folder / "task.yaml").write_text(task("own", "tag: rain\n"), encoding="utf-8")
        (folder / "rows.jsonl").write_text(json.dumps({"q": "x"}) + "\n", encoding="utf-8")
    assert expand(["mine"]) == ("mine",)
    assert expand(["rain", "facts"]) == ("mine", "facts")
    assert tagged() == {"rain": ("mine",)}
    (tmp_path / "g.yaml").write_text("group: g\ntask: [rain]\n", encoding="utf-8")
    assert expand([str(tmp_path / "g.yaml")]) == ("mine",)


BAD = {
    "unknown member": ("group: g\ntask: [fact]\n", r"g.yaml, line 2, task: no task, .*mean facts"),
    "cycle": ("group: g\ntask: [h]\n", r"g.yaml, line 2, task: the group g holds itself"),
    "inline cycle": ("group: g\ntask: [{group: g, task: [facts]}]\n", r"the group g holds itself"),
    "empty": ("group: g\ntask: []\n", r"line 2, task: the group g must have a list of tasks"),
    "no list": ("group: g\n", r"g.yaml, line 1, task: the group g must have a list"),
    "no name": ("task: [facts]\n", r"g.yaml, line 1, group: the key is missing"),
    "changes": (
        "group: g\ntask: [{task: facts, num_fewshot: 3}]\n",
        r"line 2, task: facts cannot be changed here; give it a YAML file with `include`",
    ),
    "number": ("group: g\ntask: [3]\n", r"line 2, task: a member must be a name or a group, not 3"),
    "unknown key": ("group: g\ntsk: x\ntask: [facts]\n", r"line 2, tsk: unknown key; .*task"),
    "own key": ("group: g\ntask: [facts]\nllprobe: {data: x}\n", r"line 3, llprobe.data: unknown"),
    "inline key": ("group: g\ntask: [{group: h, taks: [x]}]\n", r"unknown key taks in the group h"),
    "inline name": ("group: g\ntask: [{group: 3, task: [x]}]\n", r"needs a name, `group: NAME`"),
    "path": ("group: g\ntask: [no.yaml]\n", r"no.yaml: cannot be read"),
    "function": ("group: g\ntask: !function a.b\n", r"line 2, task: !function is refused"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_group_is_one_line(write: Write, case: str) -> None:
    text, said = BAD[case]
    path = write(g=text, h="group: h\ntask: [g]\n")
    with pytest.raises(TaskError, match=said) as caught:
        expand([path])
    assert "\n" not in str(caught.value)
    assert [str(each) for each in validate(path).mistakes] == [str(caught.value)]


def test_files_beside_it_that_cannot_be_read_are_named_where_a_member_is_missing(
    write: Write,
) -> None:
    path = write(g="group: g\ntask: [one]\n", broken="task: [\n")
    with pytest.raises(TaskError, match=r"no task, .* named 'one'.*broken.yaml.*not YAML"):
        expand([path])
    assert expand([write(g="group: g\ntask: [facts]\n")]) == ("facts",)


def test_a_groups_file_is_validated_whole(write: Write) -> None:
    said = validate(write(g="group: g\ntask: [fcts, facts, lgic]\nzzz: 1\n")).mistakes
    assert len(said) == 3
    good = validate(write(g="group: g\ntask: [facts, logic]\n"))
    assert (good.mistakes, good.tasks) == ((), ("facts", "logic"))


def test_a_groups_file_as_a_task_says_so(write: Write) -> None:
    with pytest.raises(TaskError, match=r"task: this file is a group of tasks.*run it with -t"):
        load_definition(write(g="group: g\ntask: [facts]\n"))
