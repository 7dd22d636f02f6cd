"""Bad requests, tasks and data, tried: each gets one clear line and the right exit code."""

import json
from pathlib import Path
from typing import Any

import pytest
from badhelp import every_score, model, prepared, questions
from clihelp import Cli, export_rows, scores_of, write_rows


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    return prepared(tmp_path_factory.mktemp("bad"))


@pytest.fixture
def cli(shared: Cli, tmp_path: Path) -> Cli:
    """Give the shared command line; nothing that a test does may change what is stored."""
    return Cli(shared.folder, TMP_TEST=str(tmp_path))


@pytest.fixture(autouse=True)
def _untouched(shared: Cli) -> Any:
    before = scores_of(shared.db)
    yield
    assert before.items() <= every_score(shared.db).items()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("-t", "calculaton"),
            "no task, group or tag named 'calculaton'; did you mean calculation",
        ),
        (("-t", "prompts"), "task prompts needs a data file: give it with --data FILE"),
        (("-t", "calculation", "--data", "q.jsonl"), "makes its own questions; leave out --data"),
        (("-t", "calculation", "-L", "0"), "limit: must be a whole number, 1 or more, not 0"),
        (("-t", "calculation", "-L", "-3"), "limit: must be a whole number, 1 or more, not -3"),
        (
            ("-t", "calculation", "-f", "-1"),
            "shots: must be a whole number, 0 or more, or default, not -1",
        ),
        (("-t", "calculation", "-f", "99"), "worked examples, not 99"),
        (("-t", "calculation,calculation"), "tasks: calculation is given twice; give it once"),
        (("-t", ","), "tasks: none is named"),
        (("-t", "missing.yaml"), "missing.yaml"),
        (("-t", "calculation", "--lens", "norm,norm"), "lenses: norm is given twice"),
        (
            ("-t", "calculation", "--lens", "tuned"),
            "no lens named 'tuned'; known: norm, paper, raw",
        ),
        (("-t", "calculation", "--layers", "1-9"), "--layers 1-9: this model has layers 0 to 3"),
        (
            ("-t", "calculation", "--layers", "ten"),
            "layers: must be like 1-30, [10, 20, -1] or all",
        ),
        (("-t", "calculation", "-b", "1"), "-b 1: a batch holds at least 2 tokens"),
        (("-t", "calculation", "-ub", "0"), "-ub 0: must be at least 1"),
        (("-t", "calculation", "--ctx", "3"), "--ctx 3: a context holds at least 8 tokens"),
        (("-t", "calculation", "--threads", "0"), "--threads 0: must be at least 1"),
        (("-t", "calculation", "--buffer-mb", "0"), "--buffer-mb 0: must be at least 1"),
        (("-t", "calculation", "--shots-file", "none.txt"), "none.txt"),
    ],
)
def test_a_request_that_cannot_be_carried_out(cli: Cli, words: tuple[str, ...], said: str) -> None:
    done = cli("run", "-m", model(cli), *words)
    assert (done.code, done.out) == (2, "")
    assert done.line == done.err.strip()
    assert said in done.line


GOOD = {"id": "a", "prompt": "the city", "choices": [" of", " to"], "correct": [0]}
ROWS: dict[str, tuple[Any, str]] = {
    "no JSON": ("{'id': 1}", "line 2, column 2: not JSON"),
    "half a line": ('{"id": "b", "prompt"', "line 2, column 21: not JSON"),
    "no object": ("[1, 2]", "line 2: each row must be a JSON object"),
    "no correct option": ({"correct": []}, "line 2: no option is true"),
    "no false option": ({"correct": [0, 1]}, "line 2: no option is false"),
    "one option": ({"choices": [" of"]}, "line 2: it has 1 option, 2 are needed"),
    "no option": ({"choices": []}, "line 2: it has 0 options, 2 are needed"),
    "empty prompt": ({"prompt": " "}, "line 2: the prompt is empty"),
    "empty option": ({"choices": [" of", " "]}, "line 2: option 1 is empty"),
    "both": (
        {"choices": [" of", " to", " of"], "correct": [0]},
        "line 2: the option 'of' is both true and false",
    ),
    "no such option": ({"correct": [2]}, "line 2: there is no option 2, they are numbered 0 to 1"),
    "best is false": ({"best": 1}, "line 2: the best answer ' to' is not among the true ones"),
    "a field missing": ({"prompt": None}, "line 2: the field 'prompt' must be a text, not null"),
    "an unknown field": ({"answer": 0}, "line 2: unknown field 'answer'"),
    "the same id": ({"id": "a"}, "line 2: the id 'a' was there before"),
}


@pytest.mark.parametrize("what", ROWS)
def test_a_row_that_cannot_be_asked_is_named_by_its_line(
    cli: Cli, tmp_path: Path, what: str
) -> None:
    row, said = ROWS[what]
    text = row if isinstance(row, str) else json.dumps(GOOD | {"id": "b"} | row)
    path = tmp_path / "rows.jsonl"
    path.write_text(f"{json.dumps(GOOD)}\n{text}\n")
    done = cli.run(model(cli), path)
    assert (done.code, done.out) == (2, "")
    assert done.line.startswith(f"error: {path}, {said}"), done.line


@pytest.mark.parametrize(
    ("task", "name", "text", "said"),
    [
        ("truthfulqa", "t.csv", "Question,Best Answer\n", "line 1: no column"),
        ("truthfulqa", "t.csv", "", "is empty"),
        ("reclor", "r.json", "[\n oops]", "line 2: not JSON"),
        ("reclor", "r.json", "{}", "line 1: not a JSON list of objects"),
        ("lama", "l.tsv", "a\tb\n", "line 1: no column"),
        ("mps_cal", "m.jsonl", '{"question": "q"}\n', "line 1: the field"),
        ("mps_cal", "m.jsonl", "", "holds no rows"),
        ("mps_cal", "m.jsonl", b"\xff\xfe\n", "line 1: not UTF-8"),
    ],
)
def test_a_published_file_that_is_malformed_is_named_by_its_line(
    cli: Cli, tmp_path: Path, task: str, name: str, text: str | bytes, said: str
) -> None:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    done = cli("run", "-m", model(cli), "-t", task, "--data", path)
    assert done.code == 2
    assert str(path) in done.line
    assert said in done.line


YAML = "task: mine\noutput_type: multiple_choice\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (YAML + "doc_to_text: [a\n", "line 4"),
        (YAML + "doc_to_text: !function utils.f\n", "!function"),
        (YAML + "doc_to_text: '{{ prompt'\n", "mine"),
        (YAML.replace("multiple_choice", "perplexity"), "output_type"),
        ("- a\n", "mine"),
        ("", "mine"),
    ],
)
def test_a_task_file_that_is_malformed_is_named(
    cli: Cli, tmp_path: Path, text: str, said: str
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    done = cli("run", "-m", model(cli), "-t", path, "--data", questions(cli))
    assert done.code == 2
    assert "mine.yaml" in done.line
    assert said in done.line


def test_a_missing_data_file_is_named(cli: Cli) -> None:
    done = cli.run(model(cli), cli.folder / "none.jsonl")
    assert done.code == 2
    assert "none.jsonl: cannot be read (No such file or directory)" in done.line


def test_repeated_options_are_merged_and_counted(tmp_path: Path, cli: Cli) -> None:
    own = Cli(tmp_path)
    twice = GOOD | {"choices": [" of", " to", " to"]}
    path = write_rows(tmp_path / "q.jsonl", [twice])
    done = own.run(model(cli), path)
    assert done.code == 0
    assert "prompts: 1 repeated options merged: a" in done.err
    assert "prompts: 1 repeated options merged: a" in own("show").err
    assert export_rows(own)[0]["choices"] == [" of", " to"]


def test_questions_that_do_not_fit_are_skipped_counted_and_listed(tmp_path: Path, cli: Cli) -> None:
    own = Cli(tmp_path)
    long = [GOOD | {"id": f"long{i}", "prompt": "the city " * 20} for i in range(5)]
    path = write_rows(tmp_path / "q.jsonl", [GOOD, *long])
    done = own.run(model(cli), path, "--ctx", "16", "-F", "json")
    assert (done.code, done.rows[0]["items"]) == (0, 1)
    assert "prompts: 5 skipped (long0: needs " in done.err
    assert "`llprobe show` lists 2 more" in done.err
    shown = own("show").err
    for i in range(5):
        assert f"prompts: skipped long{i}: needs " in shown
    assert [row["id"] for row in export_rows(own)] == ["a"]


def test_a_context_too_small_for_every_question_is_told(tmp_path: Path, cli: Cli) -> None:
    own = Cli(tmp_path)
    path = write_rows(tmp_path / "q.jsonl", [GOOD | {"prompt": "the city " * 20}])
    done = own.run(model(cli), path, "--ctx", "16")
    assert "prompts: 1 skipped (a: needs " in done.err
    assert "has no scored items" in done.err
    assert done.out == ""
    assert "Traceback" not in done.err
