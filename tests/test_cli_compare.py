"""`llprobe compare` and `ask` on the command line: tables, formats, and errors in one line."""

import csv
import io
import json
from pathlib import Path

import pytest
from clihelp import Cli, on_terminal
from madeup import always, made_up_model, made_up_run

from llprobe.store import Store
from llprobe.task import TaskRequest

TASKS = (TaskRequest("calculation", limit=60), TaskRequest("xmps_rea", limit=5))
LOW, HIGH = always((0.2, 0.2, 0.2, 0.3, 0.3, 0.3)), always((0.2, 0.2, 0.6, 0.9, 0.9, 0.9))


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """Give a command line with two runs of one task list, and a third of other questions."""
    cli = Cli(tmp_path_factory.mktemp("cli"))
    small, large = (made_up_model(cli.folder, name) for name in ("small", "large"))
    other = (TaskRequest("calculation", limit=60, seed=5),)
    with Store(cli.db) as store:
        made_up_run(store, [small], TASKS, LOW, name="one", lenses=("norm", "paper"))
        made_up_run(store, [large], TASKS, HIGH, name="two")
        made_up_run(store, [large], other, HIGH, name="three")
    return cli


def test_a_table_shows_both_sides_and_explains_its_marks(cli: Cli) -> None:
    done = cli("compare", "two", "one", "--at", "penultimate")
    assert done.code == 0, done.err
    title, heading, first, *_ = done.out.splitlines()
    assert title == "MC1 in % at the penultimate layer, A: large, B: small"
    assert heading.split() == [
        "task",
        "items",
        "A",
        "B",
        "B-A",
        "95%",
        "interval",
        "p",
        "can",
        "see",
    ]
    assert first.split()[0] == "calculation"
    assert "***" in first
    assert "p adjusted over 2 comparisons (Holm)" in done.out
    assert " ".join(done.err.split()) == (
        "not in both: calculation (small, paper), xmps_rea (small, paper)"
    )


@pytest.mark.parametrize(
    "words",
    [
        ("compare", "two", "one", "--by", "facet", "--at", "best"),
        ("ask", "penultimate", "one", "two"),
        ("show", "one", "--stats"),
    ],
)
def test_tables_fit_a_screen_of_80(cli: Cli, words: tuple[str, ...]) -> None:
    lines = on_terminal(cli, *words, columns=80)
    drawn = [line for line in lines if line.startswith(("calculation  ", "xmps_rea  "))]
    assert drawn
    assert max(map(len, drawn)) <= 80
    assert "…" not in "".join(lines)


def test_every_format_holds_the_same_rows(cli: Cli) -> None:
    rows = cli("compare", "two", "one", "-F", "json").rows
    assert [row["task"] for row in rows] == ["calculation", "xmps_rea"]
    assert {"difference", "low", "high", "p", "p_adjusted", "detectable", "stars"} <= set(rows[0])
    lines = cli("compare", "two", "one", "-F", "jsonl").out.splitlines()
    assert [json.loads(line) for line in lines] == rows
    read = list(csv.DictReader(io.StringIO(cli("compare", "two", "one", "-F", "csv").out)))
    assert [row["difference"] for row in read] == [str(row["difference"]) for row in rows]
    text = cli("compare", "two", "one", "-F", "md").out
    assert text.startswith("MC1 in % at the last layer, A: large, B: small\n\n| task |")


def test_a_table_goes_to_a_file(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "table.txt"
    assert cli("compare", "two", "one", "-o", path).out == ""
    assert path.read_text() == cli("compare", "two", "one").out


def test_a_feature_is_compared_within_a_run(cli: Cli) -> None:
    done = cli("compare", "one", "--across", "lens", "--at", "penultimate")
    assert "A: norm, B: paper" in done.out
    assert done.err == ""
    refused = cli("compare", "two", "--across", "lens")
    assert refused.code == 2
    assert "nothing differs in lens only" in refused.line


def test_lenses_that_are_one_at_the_last_layer_have_no_numbers_there(cli: Cli) -> None:
    for words in ((), ("--at", "-1"), ("--at", "1.0"), ("--at", "6")):
        refused = cli("compare", "one", "--across", "lens", *words)
        assert (refused.code, refused.out) == (2, "")
        assert "norm and paper are one at the last layer, by definition" in refused.line
    done = cli("compare", "one", "--across", "lens", "--curve", "-F", "json")
    assert [row["layer_a"] for row in done.rows] == [1, 2, 3, 4, 5] * 2
    assert "calculation: the lenses norm and paper are one at the last layer" in done.err
    assert cli("compare", "one", "--across", "lens", "--at", "best").code == 0


def test_every_layer_is_a_row(cli: Cli) -> None:
    rows = cli("compare", "two", "one", "--curve", "-F", "json").rows
    assert [row["layer_a"] for row in rows] == [1, 2, 3, 4, 5, 6] * 2
    refused = cli("compare", "two", "one", "--curve", "--at", "best")
    assert refused.code == 2
    assert "give one of the two" in refused.line


def test_benjamini_hochberg_is_said(cli: Cli) -> None:
    assert "(Benjamini-Hochberg)" in cli("compare", "two", "one", "--fdr").out


def test_other_questions_are_refused_unless_told(cli: Cli) -> None:
    refused = cli("compare", "two", "three")
    assert (refused.code, refused.out) == (2, "")
    assert "--unpaired" in refused.line
    done = cli("compare", "two", "three", "--unpaired")
    assert "not paired" in done.out
    assert "not in both: xmps_rea" in done.err


def test_published_tables_need_no_database(cli: Cli, tmp_path: Path) -> None:
    none = tmp_path / "none.db"
    done = cli("compare", "paper:llama2-13b", "paper:llama2-70b", "--db", none)
    assert done.code == 0, done.err
    assert "No test: published figures have no items." in done.out
    assert "95% interval" not in done.out
    assert "one row looks copied" in done.err
    assert not none.exists()
    unknown = cli("compare", "paper:llama3", "two")
    assert "no published table named 'paper:llama3'" in unknown.line


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("one",), "name two runs or more"),
        (("one", "nought"), "no run named 'nought'"),
        (("one", "two", "--at", "first"), "write last, best"),
        (("one", "two", "--metric", "mc4"), "no metric named"),
        (("one", "two", "--metric", "pmi"), "pmi"),
        (("one", "two", "--by", "colour"), "--by colour"),
    ],
)
def test_what_cannot_be_compared_is_said_in_one_line(
    cli: Cli, words: tuple[str, ...], said: str
) -> None:
    done = cli("compare", *words)
    assert (done.code, done.out) == (2, "")
    assert said in done.line


def test_a_verdict_comes_with_its_numbers(cli: Cli) -> None:
    done = cli("ask", "penultimate", "one", "two")
    question, words, blank, heading, *rows = done.out.splitlines()
    assert question == "Is the layer before the last better than the last?"
    assert words.startswith("These data cannot tell")
    assert blank == ""
    assert heading.split()[:3] == ["task", "model", "lens"]
    assert len(rows) == 6
    record = cli("ask", "penultimate", "one", "two", "-F", "json").rows[0]
    assert set(record) == {"question", "answer", "words", "rows"}
    assert record["words"] == words
    lines = cli("ask", "penultimate", "one", "two", "-F", "jsonl").out.splitlines()
    assert [json.loads(line) for line in lines] == record["rows"]
    assert cli("ask", "penultimate", "one", "-F", "md").out.startswith("**Is the layer")


def test_the_last_run_is_asked_by_default(cli: Cli) -> None:
    (record,) = cli("ask", "int-vs-float", "-F", "json").rows
    assert {row["model"] for row in record["rows"]} == {"large"}


def test_an_unknown_question_lists_the_known(cli: Cli) -> None:
    done = cli("ask", "why")
    assert (done.code, done.out) == (2, "")
    assert "no question named 'why'" in done.line
    lacking = cli("ask", "cross-lingual", "three")
    assert "llprobe run -m large -t xmps_rea" in lacking.line
