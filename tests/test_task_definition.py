"""Task definitions: what a YAML file may say, and the one line for each mistake in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from llprobe.errors import TaskError, UnknownName
from llprobe.task import load_definition, task_names

GOOD = """\
task: colours
output_type: multiple_choice
doc_to_text: "Q: {{question}}\\nA:"
doc_to_choice: [red, green]
doc_to_target: answer
llprobe:
  data: colours.jsonl
"""


def written(folder: Path, text: str | bytes) -> str:
    path = folder / "task.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def test_the_bundled_tasks_are_named_as_their_files() -> None:
    names = task_names()
    assert names == [
        "arc",
        "calculation",
        "facts",
        "hellaswag",
        "lama",
        "logic",
        "logiqa",
        "mgsm",
        "mmlu",
        "mps_cal",
        "mps_rea",
        "prompts",
        "reclor",
        "truth",
        "truthfulqa",
        "xmps_cal",
        "xmps_rea",
    ]
    for name in names:
        definition = load_definition(name)
        assert definition.name == name
        assert definition.about
        assert definition.version != "0"


def test_the_bundled_tasks_bring_the_papers_number_of_worked_examples() -> None:
    numbers = {name: load_definition(name).num_fewshot for name in task_names()}
    assert numbers == {
        "arc": 4,
        "calculation": 4,
        "facts": 4,
        "hellaswag": 3,
        "lama": 4,
        "logic": 3,
        "logiqa": 3,
        "mgsm": 4,
        "mmlu": 4,
        "mps_cal": 4,
        "mps_rea": 4,
        "prompts": 0,
        "reclor": 3,
        "truth": 6,
        "truthfulqa": 6,
        "xmps_cal": 4,
        "xmps_rea": 4,
    }


def test_which_bundled_tasks_need_data() -> None:
    assert [name for name in task_names() if not load_definition(name).needs_data] == [
        "calculation",
        "facts",
        "logic",
        "mps_cal",
        "mps_rea",
        "truth",
        "xmps_cal",
        "xmps_rea",
    ]


def test_defaults_are_those_of_the_harness(tmp_path: Path) -> None:
    definition = load_definition(written(tmp_path, GOOD))
    assert definition.name == "colours"
    assert definition.fewshot_delimiter == "\n\n"
    assert definition.target_delimiter == " "
    assert definition.num_fewshot == 0
    assert definition.description == ""
    assert definition.doc_to_choice == ("red", "green")
    assert definition.source.data == str(tmp_path / "colours.jsonl")


def test_a_byte_order_mark_is_no_matter(tmp_path: Path) -> None:
    assert load_definition(written(tmp_path, b"\xef\xbb\xbf" + GOOD.encode())).name == "colours"


def test_a_definition_is_frozen(tmp_path: Path) -> None:
    definition = load_definition(written(tmp_path, GOOD))
    with pytest.raises(AttributeError):
        definition.name = "other"  # type: ignore[misc]


def test_an_unknown_task_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean calculation"):
        load_definition("calculaton")


def without(key: str) -> str:
    return "".join(line for line in GOOD.splitlines(keepends=True) if not line.startswith(key))


MISTAKES = {
    "unknown key": (GOOD + "doc_to_txt: x\n", r"task.yaml, line 8, doc_to_txt: .*doc_to_text"),
    "far key": (GOOD + "zzz: x\n", r"line 8, zzz: unknown key; known: task,"),
    "own key": (GOOD + "  reeder: mps\n", r"line 8, llprobe.reeder: .*did you mean reader"),
    "repeated key": (GOOD + "task: x\n", r"line 8, task: the key stands twice"),
    "no task": (without("task:"), r"task.yaml, line 1, task: the key is missing"),
    "no text": (without("doc_to_text"), r"doc_to_text: the key is missing"),
    "no choice": (without("doc_to_choice"), r"doc_to_choice: the key is missing"),
    "no target": (without("doc_to_target"), r"doc_to_target: the key is missing"),
    "name": (GOOD.replace("colours\n", "two words\n"), r"line 1, task: 'two words' is no name"),
    "output type": (GOOD.replace("multiple_choice", "perplexity"), r"line 2, output_type"),
    "text type": (GOOD.replace('"Q: {{question}}\\nA:"', "7"), r"line 3, doc_to_text: .*not 7"),
    "choice type": (GOOD.replace("[red, green]", "3"), r"line 4, doc_to_choice: must be a text"),
    "bare yes": (GOOD.replace("[red, green]", "[yes, no]"), r"line 4, doc_to_choice: .*not True"),
    "target type": (GOOD.replace("answer", "1.5"), r"line 5, doc_to_target: must be a text"),
    "target list": (GOOD.replace("answer", "[1.5]"), r"line 5, doc_to_target: must be a text"),
    "few-shot count": (GOOD + "num_fewshot: -1\n", r"line 8, num_fewshot: must be a whole number"),
    "few-shot truth": (GOOD + "num_fewshot: yes\n", r"line 8, num_fewshot: must be a whole number"),
    "too few samples": (GOOD + "num_fewshot: 2\n", r"line 8, num_fewshot: 2, but .* holds 0"),
    "samples": (GOOD + "fewshot_config:\n  samples: [a]\n", r"line 9, fewshot_config.samples"),
    "sampler": (GOOD + "fewshot_config:\n  sampler: x\n", r"line 9, fewshot_config.sampler"),
    "config": (GOOD + "fewshot_config: 3\n", r"line 8, fewshot_config: must be keys with values"),
    "config key": (
        GOOD + "fewshot_config:\n  splits: x\n",
        r"line 9, fewshot_config.splits: unknown key; did you mean split",
    ),
    "two sources": (GOOD + "  generator: calculation\n", r"line 8, llprobe.generator: .*no data"),
    "settings": (GOOD + "  settings: [a]\n", r"line 8, llprobe.settings: must be names"),
    "bad rows": (GOOD + "  bad_rows: maybe\n", r"line 8, llprobe.bad_rows: must be error or skip"),
    "template": (GOOD.replace("{{question}}", "{{question"), r"line 3, doc_to_text: not a jinja"),
    "python": (
        GOOD.replace("answer", "!function a.b"),
        r"line 5, doc_to_target: !function is refused, .*Python",
    ),
    "other tag": (GOOD + "metadata: !x 1\n", r"line 8, metadata: !x is refused"),
    "object": (
        GOOD + "metadata: !!python/object:a.b {}\n",
        r"line 8, metadata: not a value .*python/object",
    ),
    "not YAML": (GOOD + "description: 'open\n", r"task.yaml, line \d+: not YAML"),
    "tab": ("task:\n\tx: 1\n", r"task.yaml, line 2: not YAML"),
    "two documents": (GOOD + "---\n" + GOOD, r"line 8: not YAML"),
    "not a mapping": ("- task\n", r"task.yaml: a task definition is a list of `key: value` lines"),
    "empty": ("", r"task.yaml: a task definition is"),
    "bad date": (
        GOOD + "metadata: 2024-13-45\n",
        r"line 8, metadata: must be keys with values, not '2024-13-45'",
    ),
    "control character": (GOOD + "description: \x01\n", r"task.yaml: not YAML"),
    "deep": (GOOD + "metadata: " + "[" * 600 + "\n", r"task.yaml.*: not (YAML|a value)"),
    "itself": (GOOD + "metadata: &a {x: *a}\n", r"line 8, metadata.x: not a value .*recursive"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_named_by_file_line_and_key(tmp_path: Path, case: str) -> None:
    text, said = MISTAKES[case]
    with pytest.raises(TaskError, match=said) as caught:
        load_definition(written(tmp_path, text))
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_another_encoding_is_named_by_line(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"task.yaml, line 8: not UTF-8 \(byte 0xe9\)"):
        load_definition(written(tmp_path, GOOD.encode() + "description: été\n".encode("latin-1")))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"nowhere.yaml: cannot be read \(No such file"):
        load_definition(str(tmp_path / "nowhere.yaml"))
    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises(TaskError, match=r"folder.yaml: cannot be read"):
        load_definition(str(tmp_path / "folder.yaml"))
