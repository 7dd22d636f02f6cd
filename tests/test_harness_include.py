"""What a task file of lm-evaluation-harness includes, and what it may not."""

from __future__ import annotations

from pathlib import Path

import pytest
from harnessyaml import JINJA, ROWS, Ask, asker, json_lines

from llprobe.errors import TaskError
from llprobe.task import load_definition


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    return asker(tmp_path)


def test_an_included_file_is_merged_under(ask: Ask, tmp_path: Path) -> None:
    base = JINJA.replace("task: weather\n", "task: base\nfewshot_delimiter: X\n")
    got = ask("task: top\ninclude: _base_yaml\ntarget_delimiter: '='\n", _base_yaml=base)
    assert got.task == "top"
    assert got.items[0].choices == ("=blue", "=green")
    assert load_definition(str(tmp_path / "weather.yaml")).fewshot_delimiter == "X"


def test_the_first_of_several_included_files_goes_before_the_next(ask: Ask) -> None:
    got = ask(
        "task: t\ninclude: [a.yaml, b.yaml]\n",
        **{"a.yaml": "target_delimiter: '1'\n", "b.yaml": JINJA + "target_delimiter: '2'\n"},
    )
    assert got.items[0].choices == ("1blue", "1green")


def test_an_included_file_includes_and_its_data_lie_beside_it(ask: Ask) -> None:
    got = ask(
        "task: t\ninclude: sub/a.yaml\n",
        **{
            "sub/a.yaml": "include: deep/b.yaml\n",
            "sub/deep/b.yaml": JINJA,
            "sub/deep/test.jsonl": json_lines(ROWS[2:]),
        },
    )
    assert [item.prompt for item in got.items] == ["Sentence: Snow is"]


def test_a_mistake_in_an_included_file_names_that_file(ask: Ask) -> None:
    with pytest.raises(TaskError, match=r"base.yaml, line 4, dataset_kwargs.data_fils: unknown"):
        ask("include: base.yaml\n", **{"base.yaml": JINJA.replace("data_files", "data_fils")})


INCLUDES = {
    "cycle": (
        "include: a.yaml\n",
        "include: weather.yaml\n",
        r"a.yaml, line 1, include: .* itself",
    ),
    "itself": ("include: weather.yaml\n", "", r"line 1, include: weather.yaml includes itself"),
    "missing": ("task: t\ninclude: b.yaml\n", "", r"line 2, include: there is no file .*b.yaml"),
    "above": ("include: ../a.yaml\n", "", r"line 1, include: ../a.yaml lies outside of .*copy it"),
    "absolute": ("include: /etc/passwd\n", "", r"line 1, include: /etc/passwd lies outside"),
    "number": ("include: 3\n", "", r"line 1, include: must be a file or a list of files, not 3"),
}


@pytest.mark.parametrize("case", INCLUDES)
def test_an_include_that_cannot_be(ask: Ask, case: str) -> None:
    text, other, said = INCLUDES[case]
    with pytest.raises(TaskError, match=said):
        ask(text, **{"a.yaml": other or JINJA})


def test_a_link_out_of_the_folder_is_not_followed(ask: Ask, tmp_path: Path) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside.yaml"
    outside.write_text(JINJA)
    (tmp_path / "link.yaml").symlink_to(outside)
    with pytest.raises(TaskError, match=r"include: link.yaml lies outside"):
        ask("include: link.yaml\n")
