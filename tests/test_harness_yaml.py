"""Multiple-choice YAML of lm-evaluation-harness, hand-written in its format, runs unchanged."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from llprobe.errors import DataError, TaskError, UsageError
from llprobe.task import Questions, TaskRequest, load_definition, load_questions
from llprobe.task.validate import validate

Ask = Callable[..., Questions]
ROWS: list[dict[str, Any]] = [
    {"stem": "Ice is frozen", "a": "water", "b": "sand", "label": 0, "right": "water"},
    {"stem": "Grass is mostly", "a": "blue", "b": "green", "label": 1, "right": "green"},
    {"stem": "Snow is", "a": "hot", "b": "cold", "label": 1, "right": "cold"},
]
HEAD = """\
task: weather
dataset_path: json
dataset_kwargs:
  data_files: {train: train.jsonl, test: test.jsonl}
output_type: multiple_choice
test_split: test
doc_to_text: "Sentence: {{stem}}"
"""
JINJA = HEAD + 'doc_to_choice: "{{[a, b]}}"\ndoc_to_target: label\n'


def json_lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Write files, the YAML among them, and load the questions of the task."""

    def load(yaml: str, request: dict[str, Any] | None = None, **files: str) -> Questions:
        written = {"train.jsonl": json_lines(ROWS[:1]), "test.jsonl": json_lines(ROWS[1:])}
        for name, text in (written | {"weather.yaml": yaml} | files).items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return load_questions(TaskRequest(str(tmp_path / "weather.yaml"), **(request or {})))

    return load


def asked(questions: Questions) -> list[tuple[str, tuple[str, ...], tuple[int, ...]]]:
    return [(item.prompt, item.choices, item.correct) for item in questions.items]


EXPECTED = [
    ("Sentence: Grass is mostly", (" blue", " green"), (1,)),
    ("Sentence: Snow is", (" hot", " cold"), (1,)),
]


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


# --- include ------------------------------------------------------------------------------------


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


# --- jinja that tries to reach Python, or to fill the machine ------------------------------------

ATTACKS = {
    "class": ("{{ ''.__class__ }}", "__class__.*unsafe"),
    "walk": ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "unsafe"),
    "attr": ("{{ '' | attr('__class__') }}", "unsafe"),
    "format": ("{{ '{0.__class__}'.format(1) }}", "unsafe"),
    "globals": ("{{ cycler.__init__.__globals__.os }}", "unsafe"),
    "item": ("{{ stem['__class__'].__mro__ }}", "unsafe|undefined|no attribute|has no"),
    "self": ("{{ self.__init__ }}", "unsafe"),
    "change": ("{{ options.append(1) }}", "unsafe"),
    "range": ("{{ range(10**9) | list }}", "Range too big"),
    "product": ("{{ 'a' * 10**10 }}", "too large"),
    "list": ("{{ 10**9 * [1] }}", "too large"),
    "power": ("{{ 2 ** (10**9) }}", "too large"),
    "pad": ("{{ 'x'.ljust(10**10) }}", "too large"),
    "center": ("{{ 'x' | center(10**10) }}", "too large"),
    "width": ("{{ '%9999999999d' % 1 }}", "too large"),
    "taken width": ("{{ '%*d' % (10**10, 1) }}", "too large"),
    "new format": ("{{ '{:{w}}'.format(1, w=10**10) }}", "too large"),
    "format filter": ("{{ '%9999999999s' | format(1) }}", "too large"),
    "file": ("{% include '/etc/passwd' %}", "no loader"),
    "import": ("{% import 'os' as os %}", "no loader"),
    "extends": ("{% extends 'x' %}", "no loader"),
    "chance": ("{{ range(9) | random }}", "No filter named 'random'"),
    "lorem": ("{{ lipsum() }}", "'lipsum' is undefined"),
    "open": ("{{ open('/etc/passwd') }}", "'open' is undefined"),
}


@pytest.mark.parametrize("case", ATTACKS)
@pytest.mark.parametrize("key", ["doc_to_text", "doc_to_choice", "doc_to_target", "description"])
def test_jinja_reaches_neither_python_nor_the_disk(ask: Ask, key: str, case: str) -> None:
    template, said = ATTACKS[case]
    keys = {"doc_to_text": "{{stem}}", "doc_to_choice": "{{options}}", "doc_to_target": "label"}
    head = HEAD[: HEAD.index("doc_to_text")]
    text = head + "".join(f"{k}: {json.dumps(v)}\n" for k, v in (keys | {key: template}).items())
    rows = [{"stem": "x", "options": ["a", "b"], "label": 0}]
    started = time.monotonic()
    said = f"{said}|'(stem|options)' is undefined"  # a description is rendered without a row
    with pytest.raises(TaskError, match=rf"{key}.*({said})") as caught:
        ask(text, **{"test.jsonl": json_lines(rows)})
    assert time.monotonic() - started < 5
    assert "\n" not in str(caught.value)


def test_ordinary_arithmetic_and_formats_are_allowed(ask: Ask) -> None:
    template = "{{ 7 * 6 }} {{ 2**10 }} {{ '%d of 5000000' % 7000000 }} {{ '{:>3}'.format('a') }}"
    got = ask(JINJA.replace("Sentence: {{stem}}", template + " {{ '%03d' | format(5) }}"))
    assert got.items[0].prompt == "42 1024 7000000 of 5000000   a 005"


def test_a_file_of_nested_aliases_is_refused_quickly(ask: Ask) -> None:
    bomb = "metadata:\n  a0: &a0 [x, x]\n"
    bomb += "".join(f"  a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))
    text = JINJA.replace("doc_to_target: label", "doc_to_target: *a39")
    started = time.monotonic()
    with pytest.raises(TaskError, match=r"doc_to_target: must be a text, not \[\[\["):
        ask(bomb + text)
    assert time.monotonic() - started < 5


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
