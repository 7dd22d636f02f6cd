"""The command line with other answers, scores and groups than the plain ones, on tiny models."""

import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from clihelp import Cli, export_rows, plan_of, tiny_model, write_questions, write_rows

import llprobe
from llprobe import report
from llprobe.store import Store
from llprobe.store.migrations import MIGRATIONS

YAML = """\
task: shapes
output_type: multiple_choice
doc_to_text: "Q: {{q}}\\nA:"
doc_to_choice: options
doc_to_target: answer
num_fewshot: 1
fewshot_config:
  samples: [{q: capital, options: [city, until, the], answer: 1}]
generation_kwargs: {until: ["\\n"], max_gen_toks: 4}
llprobe: {data: shapes.jsonl, group: kind, facets: [size, colour]}
"""
CHAT = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    return Cli(tmp_path_factory.mktemp("cli"))


@pytest.fixture(scope="module")
def model(cli: Cli) -> Path:
    return tiny_model(cli.folder, chat_template=CHAT)


@pytest.fixture(scope="module")
def task(cli: Cli) -> Path:
    kinds = ["big/red", "big/blue", "small/red", "small/red"]
    rows = [
        {"q": f"{kind} {n}", "options": ["the", "city", "until"], "answer": n % 3, "kind": kind}
        for n, kind in enumerate(kinds)
    ]
    write_rows(cli.folder / "shapes.jsonl", rows)
    path = cli.folder / "shapes.yaml"
    path.write_text(YAML)
    return path


def test_letters_are_scored_beside_texts(cli: Cli, model: Path, task: Path) -> None:
    done = cli("run", "-m", model, "-t", task, "--answer", "letter", "-F", "json")
    assert done.code == 0, done.err
    assert [row["answer"] for row in done.rows] == ["letter"]
    (first, *_) = export_rows(cli)
    assert first["choices"] == [" A", " B", " C"]
    assert "A. " in first["prompt"]
    table = cli("show", "last").out
    assert "letter" in table


def test_written_answers_have_a_table_of_their_own(cli: Cli, model: Path, task: Path) -> None:
    done = cli("run", "-m", model, "-t", task, "--answer", "generate", "--by", "colour")
    assert done.code == 0, done.err
    title, heading, whole, red, blue = done.out.splitlines()
    assert title.startswith("Written answers")
    assert heading.split() == ["task", "group", "items", "exact", "number", "tokens", "each",
                               "cut", "off"]  # fmt: skip
    assert (whole.split()[:2], red.split()[:3], blue.split()[:3]) == (
        ["shapes", "4"], ["shapes", "red", "3"], ["shapes", "blue", "1"]
    )  # fmt: skip
    rows = export_rows(cli)
    accepted = [row["accepted"][0].strip() for row in rows]
    assert accepted == ["the", "city", "until", "the"]
    assert all(0 < row["n_tokens"] <= 4 for row in rows)
    again = cli("run", "-m", model, "-t", task, "--answer", "generate", "-F", "json")
    assert "model loaded" not in again.err
    assert again.rows[0]["items"] == 4


def test_a_chat_goes_through_the_models_template(cli: Cli, model: Path, task: Path) -> None:
    shown = cli("tasks", "show", task, "--chat", "-m", model, "-F", "json")
    assert shown.code == 0, shown.err
    tokens = "".join(shown.rows[0]["tokens"][0])
    assert "<user>Q: big/red 0\nA:\n<assistant>the" in tokens
    assert "<assistant>until\n" in tokens
    for answer in ("cloze", "letter", "generate"):
        done = cli("run", "-m", model, "-t", task, "--chat", "--answer", answer, "-F", "json")
        assert done.code == 0, done.err
        assert done.rows[0]["items"] == 4
    prompts = [row["prompt"] for row in export_rows(cli)]
    assert all(prompt.startswith("<user>Q: capital") for prompt in prompts)


def test_exported_prompts_and_options_of_a_chat_are_what_was_scored(
    cli: Cli, model: Path, task: Path
) -> None:
    assert cli("run", "-m", model, "-t", task, "--chat", "--fresh", "-F", "json").code == 0
    rows = export_rows(cli)
    assert len(rows) == 4
    for row in rows:
        shown = cli(
            "tasks", "show", task, "--item", row["id"], "--chat", "-m", model, "-F", "json"
        ).rows[0]
        assert shown["choices"] == row["choices"] == ["the", "city", "until"]
        for choice, tokens, n in zip(row["choices"], shown["tokens"], row["n_tokens"], strict=True):
            assert "".join(tokens).endswith(row["prompt"] + choice)
            assert len(tokens) - shown["scoring_starts"] == n


def test_a_chat_of_an_older_version_has_its_turns_by_role(
    cli: Cli, model: Path, task: Path
) -> None:
    assert cli("run", "-m", model, "-t", task, "--chat", "--fresh", "-F", "json").code == 0
    with sqlite3.connect(cli.db) as db:
        changed = db.execute(
            "UPDATE cells SET record = json_remove(record, '$.chat') "
            "WHERE json_extract(record, '$.chat') IS NOT NULL"
        ).rowcount
    assert changed
    row = export_rows(cli)[0]
    assert row["prompt"].startswith("[user] Q: capital\nA:\n[assistant] until\n[user] Q: ")
    assert row["choices"] == ["the", "city", "until"]


def test_a_model_without_a_template_has_no_chat(cli: Cli, task: Path) -> None:
    plain = tiny_model(cli.folder, "plain")
    done = cli("run", "-m", plain, "-t", task, "--chat")
    assert done.code != 0
    assert "no chat template: run without --chat" in done.line


def test_pmi_takes_the_options_own_scores_off(cli: Cli, model: Path, task: Path) -> None:
    done = cli("run", "-m", model, "-t", task, "--pmi", "--metric", "pmi", "-F", "json")
    assert done.code == 0, done.err
    (row,) = done.rows
    assert row["metric"] == "pmi"
    assert len(row["prior_by_layer"]) == len(row["pmi_by_layer"]) > 0
    rows = export_rows(cli)
    assert len(rows) == 4
    for item in rows:
        logprob, prior = np.array(item["logprob"]), np.array(item["prior"])
        other = np.delete(np.arange(3), item["best"])
        pmi = logprob - prior
        assert item["pmi"] == (pmi[item["best"]] > pmi[other]).all(axis=0).astype(int).tolist()
    run = llprobe.read_run("last", db=cli.db)
    assert len(run.cells) == 1
    assert set(run.frame().columns) >= {"logprob", "layer"}
    assert "(options alone)" not in cli("show", "last").out


def test_the_prior_is_that_of_the_options_after_the_stem(cli: Cli, model: Path, task: Path) -> None:
    cli("run", "-m", model, "-t", task, "--pmi", "-F", "json")
    prior = [row["prior"] for row in export_rows(cli)]
    with llprobe.open_model(model) as opened:
        expected = opened.option_logprobs("A:", [" the", " city", " until"])
    for row in prior:
        assert np.allclose(row, expected, rtol=2e-3)


def test_pmi_without_a_prior_says_what_to_do(cli: Cli, model: Path, task: Path) -> None:
    refused = cli("run", "-m", model, "-t", task, "-L", "2", "--metric", "pmi")
    assert refused.code == 2
    assert "needs --pmi" in refused.line
    cli("run", "-m", model, "-t", task, "-L", "2")
    done = cli("show", "last", "--metric", "pmi")
    assert (done.code, done.out) == (2, "")
    assert "run it again with --pmi" in done.line


@pytest.mark.parametrize(
    ("by", "groups"),
    [
        ("group", ["", "big/red", "big/blue", "small/red"]),
        ("size", ["", "big", "small"]),
        ("facet", ["", "size big", "size small", "colour red", "colour blue"]),
    ],
)
def test_groups_are_added_up_by_any_part(
    cli: Cli, model: Path, task: Path, by: str, groups: list[str]
) -> None:
    done = cli("run", "-m", model, "-t", task, "--by", by, "-F", "json")
    assert [row["group"] for row in done.rows] == groups
    assert sum(row["items"] for row in done.rows if row["group"].startswith(groups[1][:4])) <= 4


def test_an_unknown_part_is_named_with_the_known_ones(cli: Cli, model: Path, task: Path) -> None:
    cli("run", "-m", model, "-t", task)
    done = cli("show", "last", "--by", "weight")
    assert (done.code, done.out) == (2, "")
    assert "group, facet, size, colour" in done.line


@pytest.mark.parametrize("metric", ["mc2", "mc3", "acc_norm_tokens", "acc_norm_bytes"])
def test_other_scores_are_shown_at_every_layer(
    cli: Cli, model: Path, task: Path, metric: str
) -> None:
    cli("run", "-m", model, "-t", task)
    rows = cli("show", "last", "--metric", metric, "-F", "json").rows
    wide = cli("show", "last", "--metric", metric, "--wide", "-F", "json").rows
    assert [next(v for k, v in row.items() if k != "layer") for row in wide] == pytest.approx(
        rows[0][f"{metric}_by_layer"], abs=1e-6
    )
    assert rows[0]["best"] == pytest.approx(max(rows[0][f"{metric}_by_layer"]), abs=1e-6)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--set", "per_group"), "write NAME=VALUE"),
        (("--set", "colour=red"), "no setting of these tasks named 'colour'"),
        (("--set", "per_group=many"), "must be a whole number"),
        (("--x-all",), "no setting of these tasks named 'all'"),
        (("--answer", "essay"), "no answer format named 'essay'"),
        (("--metric", "mc4"), "no metric named 'mc4'"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(
    cli: Cli, model: Path, words: tuple[str, ...], said: str
) -> None:
    done = cli("run", "-m", model, "-t", "calculation", *words)
    assert (done.code, done.out) == (2, "")
    assert said in done.line


def test_settings_change_what_is_asked(cli: Cli) -> None:
    plain = cli("tasks", "show", "xmps_cal", "--set", "language=th", "-F", "json").rows[0]
    whole = cli("tasks", "show", "xmps_cal", "--set", "language=th", "--x-all", "-F", "json")
    assert plain["id"] == whole.rows[0]["id"]
    assert plain["group"] == "th"
    assert plain["prompt"] != whole.rows[0]["prompt"]


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Give a database as the first version of the schema had it."""
    path = tmp_path / "old.db"
    db = sqlite3.connect(path)
    MIGRATIONS[0](db)
    db.execute("PRAGMA user_version = 1")
    db.commit()
    db.close()
    return path


def test_questions_of_an_older_database_get_their_new_columns(old: Path, tmp_path: Path) -> None:
    questions = write_questions(tmp_path / "q.jsonl", 3)
    plan = plan_of([tiny_model(tmp_path)], questions)
    asked = plan.cells[0].questions
    db = sqlite3.connect(old)
    db.execute(
        "INSERT INTO questions VALUES (?, ?, ?, ?, ?)",
        (asked.hash, asked.task, asked.version, asked.preamble, json.dumps([])),
    )
    db.commit()
    db.close()
    with Store(old) as store:
        store.begin(plan, "llprobe run")
        (cell,) = store.cells(plan.id)
        assert (cell.answer, cell.prior) == ("cloze", asked.prior)
        assert report.summaries(store, plan.id) == []
