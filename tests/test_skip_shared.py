"""`--skip-shared`: what is the same without shared positions is, and the rest is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from clihelp import Cli, export_rows, tiny_model, write_rows

import llprobe
from llprobe import page
from llprobe.analysis import OF_WHOLE_OPTIONS
from llprobe.store import Store

_SAME = ("mc1", "mc2", "mc3", "pmi")


def _rows() -> list[dict[str, Any]]:
    """Questions whose options begin alike, and are of very different length."""
    ends = (" in", " of the city", " until the true answer is a number")
    return [
        {
            "id": f"q{n}",
            "prompt": f"{n}: the city is",
            "choices": [f" the capital to the{end} {n}" for end in ends],
            "correct": [n % 3, (n + 1) % 3][: 1 + n % 2],
        }
        for n in range(12)
    ]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Cli, Cli]:
    """Give the same run of whole options, and of what is left with `--skip-shared`."""
    made = []
    for words in ((), ("--skip-shared",)):
        cli = Cli(tmp_path_factory.mktemp("run"))
        model, questions = tiny_model(cli.folder), write_rows(cli.folder / "q.jsonl", _rows())
        assert cli.run(model, questions, "--pmi", *words).code == 0
        made.append(cli)
    return made[0], made[1]


@pytest.mark.parametrize("metric", _SAME)
def test_what_cancels_out_is_the_same(both: tuple[Cli, Cli], metric: str) -> None:
    whole, part = (cli("show", "--metric", metric, "-F", "json").rows[0] for cli in both)
    key = f"{metric}_by_layer"
    assert part[key] == pytest.approx(whole[key], abs=2e-3)


@pytest.mark.parametrize("metric", OF_WHOLE_OPTIONS)
@pytest.mark.parametrize("words", [(), ("--stats",), ("--wide",), ("--by", "group")])
def test_what_is_about_whole_options_is_refused(
    both: tuple[Cli, Cli], metric: str, words: tuple[str, ...]
) -> None:
    whole, part = both
    assert whole("show", "--metric", metric, *words).code == 0
    refused = part("show", "--metric", metric, *words)
    assert refused.code != 0
    assert f"{metric} is about whole options" in refused.line


@pytest.mark.parametrize("metric", OF_WHOLE_OPTIONS)
def test_it_is_refused_before_a_run(both: tuple[Cli, Cli], metric: str) -> None:
    _, part = both
    model, questions = part.folder / "tiny.gguf", part.folder / "q.jsonl"
    done = part.run(model, questions, "--skip-shared", "--metric", metric)
    assert (done.code, "leave out --skip-shared" in done.line) == (2, True)


def test_no_form_of_the_scores_holds_it(both: tuple[Cli, Cli], tmp_path: Path) -> None:
    whole, part = both
    rows = [export_rows(cli) for cli in both]
    assert all(set(OF_WHOLE_OPTIONS) <= row.keys() for row in rows[0])
    assert not any(set(OF_WHOLE_OPTIONS) & row.keys() for row in rows[1])
    assert [{row.get("skip_shared") for row in each} for each in rows] == [{None}, {True}]
    summaries = [json.loads(cli("export", "last").out.splitlines()[0]) for cli in both]
    assert [any("acc_norm" in key for key in row) for row in summaries] == [True, False]
    for cli, there in ((whole, True), (part, False)):
        harness = json.loads(cli("export", "last", "-F", "harness").out)
        assert any("acc_norm" in key for key in harness["results"]["prompts"]) is there
        assert any("acc_norm" in key for key in harness["higher_is_better"]["prompts"]) is there
        frame = llprobe.curves_frame("last", cli.db)
        assert {"mc1", "mc2", "mc3", "pmi"} <= set(frame.metric)
        assert (set(OF_WHOLE_OPTIONS) <= set(frame.metric)) is there
        curve = llprobe.read_run("last", cli.db).cells[0].curve()
        assert (set(OF_WHOLE_OPTIONS) <= set(curve.values)) is there
        with Store(cli.db, create=False) as store:
            shown = page.gather(store, [store.find_run("last")])
        assert (set(OF_WHOLE_OPTIONS) <= set(shown.cells[0].curves)) is there
        assert any("--skip-shared left out" in remark for remark in shown.remarks) is not there
    assert part("report", "last", "-o", tmp_path / "report.html").code == 0
    assert "--skip-shared left out what the options" in part("show").err
