"""`llprobe tasks`: list, write, validate, show, check, add, on tasks of the test's own."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from clihelp import Cli, tiny_model, unprivileged, write_questions, write_rows

from llprobe.model import read_model
from llprobe.task import TaskRequest, load_questions

YAML = """\
task: mine
output_type: multiple_choice
doc_to_text: "Q: {{q}}\\nA:"
doc_to_choice: options
doc_to_target: answer
llprobe:
  data: rows.jsonl
  id: id
"""


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli(tmp_path, LLPROBE_TASKS=str(tmp_path / "shelf"))


def row(number: int, answer: int = 0, options: tuple[str, ...] = ("aa", "bb")) -> dict[str, Any]:
    return {"id": f"r{number}", "q": f"q{number}", "options": list(options), "answer": answer}


def own_task(cli: Cli, rows: list[dict[str, Any]], yaml: str = YAML) -> Path:
    write_rows(cli.folder / "rows.jsonl", rows)
    path = cli.folder / "mine.yaml"
    path.write_text(yaml, encoding="utf-8")
    return path


# --- ls -----------------------------------------------------------------------------------------


def test_tasks_and_groups_are_listed_with_what_they_measure(cli: Cli) -> None:
    rows = {r["name"]: r for r in cli("tasks", "ls", "-F", "json").rows}
    facts = rows["facts"]
    assert (facts["kind"], facts["questions"], facts["worked_examples"]) == ("task", 448, 4)
    assert facts["chance"] == pytest.approx(0.1)
    assert (facts["data"], facts["tags"]) == ("generated", [])
    lama = rows["lama"]
    assert (lama["questions"], lama["chance"], "--data FILE" in lama["data"]) == (None, None, True)
    paper = rows["paper"]
    assert paper["kind"] == "group"
    assert "calculation, mps_cal" in paper["about"]
    assert paper["questions"] > 1000
    assert all(r["about"] for r in rows.values() if r["kind"] != "tag")
    table = cli("tasks", "ls").out
    assert all(name in table for name in rows)


def test_added_tasks_are_listed_with_their_tags_and_broken_ones_say_so(cli: Cli) -> None:
    path = own_task(cli, [row(1), row(2, 1)], YAML + "  about: my own\ntag: [wet]\n")
    done = cli("tasks", "add", path)
    assert (done.code, "added mine" in done.err) == (0, True)
    rows = {r["name"]: r for r in cli("tasks", "ls", "-F", "json").rows}
    assert (rows["mine"]["about"], rows["mine"]["questions"]) == ("my own", 2)
    assert (rows["mine"]["data"], rows["mine"]["tags"]) == ("added", ["wet"])
    assert (rows["wet"]["kind"], rows["wet"]["about"]) == ("tag", "mine")
    next((cli.folder / "shelf" / "mine").glob("*.jsonl")).unlink()
    rows = {r["name"]: r for r in cli("tasks", "ls", "-F", "json").rows}
    assert rows["mine"]["about"].startswith("cannot be read: ")
    assert cli("tasks", "rm", "mine", "-y").code == 0
    assert "mine" not in {r["name"] for r in cli("tasks", "ls", "-F", "json").rows}


# --- new ----------------------------------------------------------------------------------------


def test_a_new_task_is_valid_can_be_shown_and_run(cli: Cli) -> None:
    done = cli("tasks", "new", "shapes", "--folder", cli.folder)
    assert done.code == 0, done.err
    path = cli.folder / "shapes.yaml"
    checked = cli("tasks", "validate", path)
    assert (checked.code, checked.out) == (0, "")
    assert checked.err == f"{path} has no mistakes: 6 questions\n"
    assert (
        "Q: How many corners does a cube have?\nA:" in cli("tasks", "show", path, "--item", 3).out
    )
    assert cli("tasks", "check", path).code == 0
    run = cli("run", "-m", tiny_model(cli.folder), "-t", path, "-F", "json")
    assert (run.code, [r["task"] for r in run.rows]) == (0, ["shapes"])
    comments = [line for line in path.read_text().splitlines() if "#" in line]
    assert len(comments) > 10


def test_a_new_task_overwrites_nothing(cli: Cli) -> None:
    for there in ("a.yaml", "a.jsonl"):
        (cli.folder / there).write_text("mine")
        done = cli("tasks", "new", "a", "--folder", cli.folder)
        assert (done.code, f"{there} is there already" in done.line) == (2, True)
        assert (cli.folder / there).read_text() == "mine"
        (cli.folder / there).unlink()
        assert not list(cli.folder.glob("a.*"))


@pytest.mark.parametrize("name", ["a b", "a/b", "../a", "a,b", ".a", ""])
def test_a_new_task_needs_a_name(cli: Cli, name: str) -> None:
    done = cli("tasks", "new", "--folder", cli.folder, "--", name)
    assert (done.code, "is no name for a task" in done.line) == (2, True)


def test_a_new_task_needs_a_folder_that_can_be_written(cli: Cli) -> None:
    done = cli("tasks", "new", "a", "--folder", cli.folder / "no")
    assert (done.code, "there is no folder" in done.line) == (2, True)
    closed = cli.folder / "closed"
    closed.mkdir(mode=0o555)
    cli.folder.chmod(0o755)
    with unprivileged():
        done = cli("tasks", "new", "a", "--folder", closed)
    assert (done.code, "cannot write" in done.line) == (2, True)


# --- validate -----------------------------------------------------------------------------------


def test_every_mistake_is_named_with_file_line_and_key(cli: Cli) -> None:
    path = own_task(cli, [row(1)], YAML.replace("doc_to_text", "doc_to_txt") + "num_fewshot: x\n")
    done = cli("tasks", "validate", path)
    assert done.code == 2
    assert done.line == f"error: {path}: 3 mistakes, listed on stdout"
    assert done.out.splitlines() == [
        f"{path}, line 3, doc_to_txt: unknown key; did you mean doc_to_text or doc_to_target?",
        f"{path}, line 1, doc_to_text: the key is missing",
        f"{path}, line 9, num_fewshot: must be a whole number, 0 or more, not 'x'",
    ]


def test_mistakes_are_data(cli: Cli) -> None:
    path = own_task(cli, [row(1), row(2, 7), row(1)])
    done = cli("tasks", "validate", path, "-F", "json")
    assert done.code == 2
    assert [(r["file"], r["line"], r["key"]) for r in done.rows] == [
        (str(cli.folder / "rows.jsonl"), 2, None),
        (str(cli.folder / "rows.jsonl"), 3, None),
    ]
    assert done.rows[0]["problem"] == "there is no option 7, they are numbered 0 to 1"
    path.write_text(YAML + "zzz: 1\n")
    (only,) = cli("tasks", "validate", path, "-F", "json").rows
    assert (only["file"], only["line"], only["key"]) == (str(path), 9, "zzz")


def test_many_mistakes_are_cut_for_people_only(cli: Cli) -> None:
    path = own_task(cli, [row(n, 5) for n in range(60)])
    done = cli("tasks", "validate", path)
    assert done.out.splitlines()[-1] == "... and 10 more; -F jsonl lists them"
    assert len(cli("tasks", "validate", path, "-F", "jsonl").out.splitlines()) == 60


def test_a_file_that_is_missing_or_no_yaml_is_one_mistake(cli: Cli) -> None:
    done = cli("tasks", "validate", cli.folder / "no.yaml")
    assert (done.code, "cannot be read" in done.out) == (2, True)
    done = cli("tasks", "validate", own_task(cli, [], "a: [\n"))
    assert (done.code, "not YAML" in done.out) == (2, True)
    done = cli(
        "tasks", "validate", own_task(cli, [row(1)], YAML.replace("options", "!function a.b"))
    )
    assert "line 4, doc_to_choice: !function is refused" in done.out


def test_notes_and_groups_are_told(cli: Cli) -> None:
    path = own_task(cli, [row(1)], "metric_list: [{metric: acc}]\n" + YAML)
    done = cli("tasks", "validate", path)
    assert (done.code, done.err.startswith("note: ignored, ")) == (0, True)
    group = cli.folder / "g.yaml"
    group.write_text("group: g\ntask: [mine, facts]\n")
    done = cli("tasks", "validate", group)
    assert (done.code, f"a group of 2, {path}, facts" in done.err) == (0, True)


# --- show ---------------------------------------------------------------------------------------


def test_the_exact_prompt_is_shown(cli: Cli) -> None:
    questions = load_questions(TaskRequest("facts", num_fewshot=2))
    item = questions.items[2]
    done = cli("tasks", "show", "facts", "--item", "3", "-f", "2")
    assert done.code == 0, done.err
    assert questions.preamble + item.prompt + "\n" in done.out
    assert f"question 3 of {len(questions.items)}, {item.id}" in done.out
    for index, choice in enumerate(item.choices):
        mark = "*" if index == item.best else " "
        assert f"\n{mark} {index}  {json.dumps(choice, ensure_ascii=False)}\n" in done.out
    by_id = cli("tasks", "show", "facts", "--item", item.id, "-f", "2")
    assert by_id.out == done.out


def test_a_question_is_data(cli: Cli) -> None:
    done = cli("tasks", "show", "truth", "-F", "json", "--seed", "3", "--instruction", "Think.")
    item = load_questions(TaskRequest("truth", seed=3, instruction="Think.")).items[0]
    (record,) = done.rows
    assert record["preamble"].startswith("Think.\n\n")
    assert (record["id"], record["prompt"], record["best"]) == (item.id, item.prompt, item.best)
    assert record["choices"] == list(item.choices)
    assert record["correct"] == list(item.correct)
    assert "tokens" not in record


def test_tokens_and_option_boundaries_are_shown(cli: Cli) -> None:
    model = tiny_model(cli.folder)
    questions = write_questions(cli.folder / "q.jsonl", 3)
    words = ("tasks", "show", "prompts", "--data", questions, "--item", "2", "-m", model)
    (record,) = cli(*words, "-F", "json").rows
    start = record["scoring_starts"]
    for choice, tokens, ids in zip(
        record["choices"], record["tokens"], record["token_ids"], strict=True
    ):
        assert len(tokens) == len(ids) > start
        assert tokens[:start] == record["tokens"][0][:start]
        text = "".join(tokens).replace("<s>", "").lstrip()
        assert text == (record["prompt"] + choice).lstrip()
    assert record["model"] == read_model(model).name
    table = cli(*words).out
    assert f"{start} tokens before the options, as tiny reads them" in table
    assert f"scoring starts here, with token {start + 1}" in table
    scored = [len(tokens) - start for tokens in record["tokens"]]
    assert re.findall(r"\((\d+) scored\)", table) == [str(n) for n in scored]


def test_a_question_that_the_model_cannot_hold_is_one_line(cli: Cli) -> None:
    long = write_rows(
        cli.folder / "q.jsonl",
        [{"id": "a", "prompt": "the " * 600, "choices": [" a", " b"], "correct": [0]}],
    )
    model = tiny_model(cli.folder)
    done = cli("tasks", "show", "prompts", "--data", long, "-m", model)
    assert (done.code, "tokens of context" in done.line) == (2, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("facts", "--item", "999"), "has no question '999'; give an id"),
        (("facts", "--item", "0"), "has no question '0'; give an id"),
        (("facts", "--item", "x"), "or a number, 1 to 448"),
        (("paper",), "paper is a group of 8 tasks; name one: calculation, "),
        (("fcts",), "no task named 'fcts'; did you mean facts"),
        (("lama",), "task lama needs a data file"),
        (("facts", "-m", "nowhere"), "no model named 'nowhere'"),
    ],
)
def test_what_cannot_be_shown_is_one_line(cli: Cli, words: tuple[str, ...], said: str) -> None:
    done = cli("tasks", "show", *words)
    assert (done.code, said in done.line) == (2, True), done.err


# --- check --------------------------------------------------------------------------------------


def test_a_habit_that_gets_too_much_right_sticks_out(cli: Cli) -> None:
    rows = [row(n, n % 2, ("short", "much longer")[:: 1 - 2 * (n % 2)]) for n in range(40)]
    path = own_task(cli, rows)
    done = cli("tasks", "check", path, "-F", "json")
    assert done.code == 1
    assert done.line == "error: chance does not explain what a habit gets right in mine"
    (found,) = done.rows
    assert (found["questions"], found["chance"]) == (40, 0.5)
    assert (found["longest"], found["shortest"], found["first"]) == (0, 1, 0.5)
    assert found["sticks_out"] == ["longest", "shortest"]
    assert "sticks out: longest, shortest" in cli("tasks", "check", path).out


def test_a_task_without_habits_is_within_noise(cli: Cli) -> None:
    path = own_task(cli, [row(n, n % 2) for n in range(40)])
    done = cli("tasks", "check", path, "facts")
    assert (done.code, done.out.count("within noise")) == (0, 2)
    rows = {r["task"]: r for r in cli("tasks", "check", path, "-F", "json").rows}
    # the narrowest counts of 40 fair coins that leave out less than 1 / 300 in all
    assert (rows["mine"]["low"], rows["mine"]["high"]) == (11 / 40, 29 / 40)


def test_without_names_every_task_that_has_its_questions_is_checked(cli: Cli) -> None:
    done = cli("tasks", "check", "-F", "json")
    names = {r["task"] for r in done.rows}
    assert {"calculation", "facts", "logic", "truth"} <= names
    assert not names & {"lama", "prompts", "paper"}
    assert done.code == 0
    assert not any(r["sticks_out"] for r in done.rows)
    # a true solution in another language is told by its length, in the paper's files as well
    design = {r["task"]: set(r["by_design"]) for r in done.rows if r["by_design"]}
    assert design == {"xmps_cal": {"longest", "shortest"}, "xmps_rea": {"longest", "shortest"}}


def test_what_sticks_out_by_design_is_told_with_the_reason(cli: Cli) -> None:
    done = cli("tasks", "check", "xmps_cal", "-F", "md")
    assert done.code == 0
    why = "by design: longest, shortest (the true option is in another language, see --x-all)"
    assert why in done.out
    everything = cli("tasks", "check", "xmps_cal", "--x-all")
    assert (everything.code, "within noise" in everything.out) == (0, True)
    same = cli("tasks", "check", "xmps_cal", "--set", "all=yes")
    assert same.out == everything.out


def test_settings_go_to_the_tasks_that_have_them(cli: Cli) -> None:
    words = ("tasks", "check", "xmps_rea", "facts", "--set", "language=zh")
    rows = cli(*words, "--set", "per_template=2", "-F", "json").rows
    assert [(r["task"], r["questions"]) for r in rows] == [("xmps_rea", 88), ("facts", 448)]
    done = cli("tasks", "check", "facts", "--set", "language=zh")
    assert (done.code, "no setting of these tasks named 'language'" in done.line) == (2, True)


def test_a_habit_that_is_declared_may_stick_out_and_no_other(cli: Cli) -> None:
    rows = [row(n, n % 2, ("short", "much longer")[:: 1 - 2 * (n % 2)]) for n in range(40)]
    one = own_task(cli, rows, YAML + "  habits: {shortest: so it is, first: not at all}\n")
    done = cli("tasks", "check", one, "-F", "json")
    assert done.code == 1
    (found,) = done.rows
    assert (found["sticks_out"], found["by_design"]) == (["longest"], {"shortest": "so it is"})
    assert found["verdict"] == "sticks out: longest; by design: shortest (so it is)"
    both = own_task(cli, rows, YAML + "  habits: {shortest: as it is, longest: as it must}\n")
    done = cli("tasks", "check", both, "-F", "json")
    assert done.code == 0
    assert (
        done.rows[0]["verdict"] == "by design: longest (as it must); by design: shortest (as it is)"
    )


def test_a_declared_habit_must_be_one(cli: Cli) -> None:
    path = own_task(cli, [row(1), row(2, 1)], YAML + "  habits: {longst: typo}\n")
    done = cli("tasks", "check", path)
    assert done.code == 2
    assert "mine.yaml, line 9, llprobe.habits: there is no habit 'longst'; known: " in done.line


def test_a_task_without_options_cannot_be_checked(cli: Cli) -> None:
    yaml = YAML.replace("multiple_choice", "generate_until").replace("doc_to_choice: options\n", "")
    path = own_task(cli, [{"id": "a", "q": "2 + 2", "answer": "four"}], yaml)
    done = cli("tasks", "check", path)
    assert (done.code, "task mine has no options" in done.line) == (2, True)
    assert cli("tasks", "add", path).code == 0
    assert "mine" not in {r["task"] for r in cli("tasks", "check", "-F", "json").rows}


def test_groups_and_data_files_can_be_checked(cli: Cli) -> None:
    done = cli("tasks", "check", "prompts", "--data", write_questions(cli.folder / "q.jsonl", 9))
    assert done.code == 0
    group = cli.folder / "g.yaml"
    group.write_text("group: g\ntask: [facts, truth]\n")
    rows = cli("tasks", "check", group, "-F", "json").rows
    assert [r["task"] for r in rows] == ["facts", "truth"]


# --- add, pull ----------------------------------------------------------------------------------


def test_an_added_task_runs_by_its_name(cli: Cli) -> None:
    path = own_task(cli, [row(1), row(2, 1)])
    assert cli("tasks", "add", path, "--name", "two").code == 0
    path.unlink()
    (cli.folder / "rows.jsonl").unlink()
    done = cli("run", "-m", tiny_model(cli.folder), "-t", "two", "-F", "json")
    assert [r["task"] for r in done.rows] == ["two"]


def test_a_name_is_not_taken_twice(cli: Cli) -> None:
    path = own_task(cli, [row(1), row(2, 1)])
    assert cli("tasks", "add", path).code == 0
    done = cli("tasks", "add", path)
    assert (done.code, "there is a task mine already" in done.line) == (2, True)
    assert cli("tasks", "add", path, "--replace").code == 0


def test_pulling_offline_is_one_line_that_says_what_to_do(cli: Cli) -> None:
    done = cli("tasks", "pull", "arc", HF_HUB_OFFLINE="1")
    assert done.code == 1
    assert "put it at" in done.line
    assert cli("tasks", "pull", "facts").code == 2
