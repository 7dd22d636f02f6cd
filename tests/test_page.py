"""Reports: what is in them equals what is stored, and no text in them is anything but a text."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from pagehelp import (
    HOSTILE,
    Parsed,
    block,
    cell_block,
    fill,
    hostile_questions,
    own_script,
    parsed,
    plain_questions,
    plain_text,
    plan_for,
    prompts,
    renamed,
)

from llprobe import page
from llprobe.analysis import item_metrics
from llprobe.analysis.finding import LayerFinding, PeakFinding
from llprobe.cli.report import report
from llprobe.errors import UnknownName, UsageError
from llprobe.events import GroupScored, ItemAnswer, ItemResult
from llprobe.page.data import NO_NUMBER, Page
from llprobe.page.items import text_set
from llprobe.page.markdown import code_block, escape
from llprobe.page.names import cell_names
from llprobe.page.pack import as_script_json
from llprobe.page.rows import best_text, layer_text, ranges
from llprobe.plan import Plan
from llprobe.report.compare.difference import stars
from llprobe.store import Store
from llprobe.task import Item, TaskRequest

MODEL = "<script>window.hacked = 5</script> & co"
COMMAND = "llprobe run -m '</script><script>window.hacked = 6</script>'"


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """Give a plan of hostile questions and of bundled ones with worked examples, two lenses."""
    folder = tmp_path_factory.mktemp("page")
    hostile = prompts(hostile_questions(folder / "hostile.jsonl"))
    bundled = TaskRequest("facts", limit=12)
    return renamed(plan_for(folder, (hostile, bundled), lenses=("norm", "paper")), MODEL)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, plan: Plan) -> Iterator[Store]:
    path = fill(tmp_path_factory.mktemp("store") / "a.db", plan, command=COMMAND)
    with Store(path, create=False) as store:
        yield store


@pytest.fixture(scope="module")
def gathered(store: Store, plan: Plan) -> Page:
    return page.gather(store, [plan.id])


@pytest.fixture(scope="module")
def html(gathered: Page) -> str:
    return page.to_html(gathered)


@pytest.fixture(scope="module")
def read(html: str) -> Parsed:
    return parsed(html)


@pytest.fixture(scope="module")
def data(read: Parsed) -> Any:
    return json.loads(read.texts["data"])


# --- what is in it ----------------------------------------------------------------------------


def test_items_in_the_page_are_those_of_the_store(
    store: Store, plan: Plan, read: Parsed, data: Any
) -> None:
    for cell, shown in zip(store.cells(plan.id), data["cells"], strict=True):
        found = cell_block(read, shown)
        scores = list(store.scores(cell.id))
        at = 0
        for n, (score, text) in enumerate(zip(scores, found.items, strict=True)):
            id_, group, prompt, choices, correct, best = text
            asked = Item(id_, found.preamble + prompt, tuple(choices), tuple(correct), best, group)
            assert asked == replace(score.item, cluster="")
            assert found.right[n].tolist() == item_metrics(score)["mc1"].tolist()
            weights = np.exp(score.logprob - score.logprob.max(axis=0))
            rows = found.thousandths[at : at + len(choices)]
            assert np.abs(rows / 1000 - weights / weights.sum(axis=0)).max() <= 0.0005 + 1e-9
            at += len(choices)
            answers = score.logprob.argmax(axis=0).tolist()
            same = [all(a == answers[-1] for a in answers[k:]) for k in range(len(answers))]
            assert found.settled[n] == cell.layers[same.index(True)]


def test_curves_in_the_page_are_means_over_the_stored_items(
    store: Store, plan: Plan, data: Any
) -> None:
    for cell, shown in zip(store.cells(plan.id), data["cells"], strict=True):
        of_items = [item_metrics(score) for score in store.scores(cell.id)]
        assert {"mc1", "acc_norm_tokens", "acc_norm_bytes"} <= shown["curves"].keys()
        for metric, curve in shown["curves"].items():
            mean = np.mean([of[metric] for of in of_items], axis=0)
            assert curve["mean"] == pytest.approx(mean.tolist(), abs=1e-5)
            assert all(
                a <= m <= b
                for a, m, b in zip(curve["low"], curve["mean"], curve["high"], strict=True)
            )
        assert shown["items"] == len(of_items)
        assert shown["layers"] == list(cell.layers)


def test_the_papers_curves_are_laid_beside_a_task_of_their_kind(data: Any) -> None:
    assert {(p["task"], p["row"]) for p in data["published"]} == {("facts", "lama")}
    assert [p["n_layers"] for p in data["published"]] == [32, 40, 80]
    assert data["published"][0]["accuracy"][0] == pytest.approx(0.0399, abs=0.05)


def test_worked_examples_are_stored_once_for_a_task(gathered: Page, plan: Plan) -> None:
    texts = gathered.texts[plan.cells[2].questions.hash]
    assert texts.preamble == plan.cells[2].questions.preamble
    assert all(item.prompt.startswith("Q: ") for item in texts.items)
    assert len(gathered.texts) == 2  # four cells share two sets of questions


def test_one_question_has_no_shared_beginning() -> None:
    item = Item("a", "Look.\n\nQ: 1?\nA:", (" x", " y"), (0,), 0, "")
    assert text_set([item]).preamble == ""
    both = text_set([item, replace(item, id="b", prompt="Look.\n\nQ: 12?\nA:")])
    assert (both.preamble, [i.prompt for i in both.items]) == (
        "Look.\n\n",
        ["Q: 1?\nA:", "Q: 12?\nA:"],
    )


def test_cells_that_scored_different_items_share_their_texts(tmp_path: Path) -> None:
    data = plain_questions(tmp_path / "q.jsonl", 12)
    plan = plan_for(tmp_path, [prompts(data)], lenses=("norm", "paper"))
    norm, paper = (replace(plan, cells=(cell,)) for cell in plan.cells)
    fill(tmp_path / "a.db", norm, n_items=4)
    fill(tmp_path / "a.db", paper, n_items=5, first=6)
    with Store(tmp_path / "a.db") as store:
        store.begin(plan, "llprobe run")
        found = page.gather(store, [plan.id])
    read = parsed(page.to_html(found))
    cells = json.loads(read.texts["data"])["cells"]
    ids = [[item[0] for item in cell_block(read, cell).items] for cell in cells]
    assert ids == [[f"q{i}" for i in range(4)], [f"q{i}" for i in range(6, 11)]]
    assert len(found.texts) == 1
    assert any("4 of 12 items are scored" in remark for remark in found.remarks)


def test_scores_that_are_no_numbers_are_shown_as_none(tmp_path: Path) -> None:
    plan = plan_for(tmp_path, [prompts(plain_questions(tmp_path / "q.jsonl", 8))], n_layers=2)
    with Store(tmp_path / "a.db") as store:
        store.begin(plan, "llprobe run")
        logprob = np.array([[np.nan, -1.0], [np.nan, -2.0], [np.nan, -3.0], [np.nan, -4.0]])
        items = tuple(ItemResult(i, (1,) * 4, logprob) for i in range(8))
        store.add_group(GroupScored(plan.cells[0].id, 0, items, 1))
        read = parsed(page.to_html(page.gather(store, [plan.id])))
    cell = json.loads(read.texts["data"])["cells"][0]
    found = cell_block(read, cell)
    assert found.thousandths[:4, 0].tolist() == [NO_NUMBER] * 4
    assert found.thousandths[:4, 1].tolist() == [644, 237, 87, 32]
    assert found.right[:, 0].tolist() == [0] * 8


def test_a_cell_of_two_runs_is_shown_once(tmp_path: Path, plan: Plan) -> None:
    fill(tmp_path / "a.db", plan)
    with Store(tmp_path / "a.db") as store:
        store.begin(replace(plan, id="f" * 16, cells=plan.cells[:1]), "llprobe run again")
        found = page.gather(store, [plan.id, "f" * 16])
    assert len(found.cells) == 4
    assert [run.record.id for run in found.runs] == [plan.id, "f" * 16]


def test_without_items_there_are_no_single_questions(store: Store, plan: Plan) -> None:
    read = parsed(page.to_html(page.gather(store, [plan.id], items=False)))
    assert read.texts.keys() == {"data", ""}
    assert "pack" not in json.loads(read.texts["data"])["cells"][0]


def test_many_items_take_little_room(tmp_path: Path) -> None:
    plan = plan_for(tmp_path, [prompts(plain_questions(tmp_path / "q.jsonl", 500))], n_layers=10)
    fill(tmp_path / "a.db", plan)
    with Store(tmp_path / "a.db") as store:
        read = parsed(page.to_html(page.gather(store, [plan.id])))
    # a drawn probability takes 1.7 bytes in base64, where its text in JSON takes 5 or more
    assert len(read.texts["c0"]) < 1.9 * 500 * 4 * 10
    assert len(read.texts["t0"]) < 0.2 * len(block(read, "t0"))


def test_the_same_run_gives_the_same_bytes(store: Store, plan: Plan, gathered: Page) -> None:
    again = replace(page.gather(store, [plan.id]), made=gathered.made)
    assert page.to_html(again) == page.to_html(gathered)


def test_a_run_without_scores_is_refused(tmp_path: Path, plan: Plan) -> None:
    with Store(tmp_path / "a.db") as store:
        store.begin(plan, "llprobe run")
        with pytest.raises(UsageError, match=f"nothing is scored in {plan.id[:8]}"):
            page.gather(store, [plan.id])


def test_written_answers_have_a_table_of_their_own(tmp_path: Path) -> None:
    request = TaskRequest("facts", limit=4, answer="generate")
    plan = plan_for(tmp_path, [request], n_layers=2)
    (cell,) = plan.cells
    right = [item.choices[item.best] for item in cell.questions.items]
    texts = [right[0], right[1], HOSTILE[0], HOSTILE[1]]
    answers = tuple(ItemAnswer(i, 3, text, i < 3) for i, text in enumerate(texts))
    with Store(tmp_path / "a.db") as store:
        store.begin(plan, "llprobe run")
        store.add_group(GroupScored(cell.id, 0, answers, 1))
        found = page.gather(store, [plan.id])
    assert (found.written[0].exact, found.written[0].unfinished) == (0.5, 1)
    read = parsed(page.to_html(found))
    assert "script" not in {tag for tag, _ in read.tags}  # there is nothing to draw
    assert "50.0" in plain_text(page.to_html(found))
    assert "| facts | tiny | 4 | 50.0 |" in page.to_markdown(found)


def test_how_it_was_made_is_told(html: str, plan: Plan) -> None:
    text = plain_text(html)
    cell = plan.cells[0]
    assert COMMAND in text
    assert cell.model.fingerprint[:12] in text
    for said in ("bits per weight", "n_batch", "llama-cpp-python", "Lens paper", "Holm"):
        assert said in text
    assert str(cell.model.paths[0].parent) not in html  # no folder of whoever made it


# --- texts are texts --------------------------------------------------------------------------


def test_the_policy_allows_this_script_and_this_style_only(read: Parsed) -> None:
    (policy,) = [a["content"] for tag, a in read.tags if a.get("http-equiv")]
    assert policy is not None
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    for rule, text in (("script-src", own_script(read)), ("style-src", read.style)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"


def test_hostile_texts_make_no_elements(read: Parsed, data: Any) -> None:
    scripts = [a for tag, a in read.tags if tag == "script"]
    blocks = {"data", "t0", "t1", "c0", "c1", "c2", "c3"}
    assert {a.get("id") for a in scripts} == {*blocks, None}
    assert len(scripts) == len(blocks) + 1
    assert [a for a in scripts if "type" not in a] == [{}]
    assert read.comments == 0
    assert not [tag for tag, _ in read.tags if tag in {"img", "iframe", "object", "embed", "link"}]
    for _, attributes in read.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        links = [attributes[name] or "" for name in ("src", "href") if name in attributes]
        assert all(link.startswith("#") for link in links)
    assert data["cells"][0]["model"] == MODEL


def test_no_text_of_models_or_data_stands_in_the_program(html: str, read: Parsed) -> None:
    assert "hacked" not in own_script(read)
    assert "hacked" not in read.texts["data"].replace("window.hacked = 5", "")
    outside = re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)
    assert "<script" not in outside.replace("&lt;script", "")
    assert "&lt;/script&gt;&lt;script&gt;window.hacked = 6" in outside


def test_the_program_makes_no_markup_of_texts() -> None:
    program = "".join(
        file.read_text(encoding="utf-8")
        for file in files("llprobe.page").iterdir()
        if file.name.endswith(".js")
    )
    forbidden = (
        "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(",
        "srcdoc", "fetch(", "XMLHttpRequest", "import(", "WebSocket", "createContextualFragment",
        '"style"', "</script", "<!--",
    )  # fmt: skip
    assert [word for word in forbidden if word in program] == []
    # addresses are never followed; the only one names SVG's elements
    assert re.findall(r"https?://[^\"]*", program) == ["http://www.w3.org/2000/svg"]


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_of_any_text_stays_inside_its_element(value: Any) -> None:
    text = as_script_json(value)
    assert json.loads(text) == value
    assert not set(text) & set("<>&")
    assert text.isascii()


@pytest.mark.parametrize("text", ["</script>", "<!--<script>", "\u2028\u2029", "\ud800", "]]>"])
def test_json_cannot_end_its_element(text: str) -> None:
    assert parsed(f'<script id="a">{as_script_json([text])}</script>').tags == [
        ("script", {"id": "a"})
    ]
    assert json.loads(as_script_json([text])) == [text]


# --- Markdown ---------------------------------------------------------------------------------


def rendered(text: str) -> str:
    return str(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text))


@settings(max_examples=300)
@given(
    st.text(st.characters(codec="utf-8"), max_size=40)
    | st.text("\\`*_[]<>|~&$#!:/@-+=1.) a", max_size=12)
)
def test_escaped_text_reads_as_itself(text: str) -> None:
    shown = rendered(escape(text))
    printable = "".join(c if c.isprintable() else " " for c in " ".join(text.split()))
    assert plain_text(shown) == " ".join(printable.split())
    assert set(re.findall(r"</?(\w+)", shown)) <= {"p"}


@pytest.mark.parametrize(
    "text",
    ["# a", "- a", "+ a", "1. a", "1) a", "> a", "---", "===", "| a |", "    a", "```", "a | b"],
)
def test_what_begins_a_block_does_not(text: str) -> None:
    assert re.fullmatch(r"<p>[^<]*</p>\n", rendered(escape(text)))


def test_a_code_block_holds_any_fence() -> None:
    text = "a\n```\n````\n# b"
    assert rendered(code_block(text)).count("<pre>") == 1
    assert plain_text(rendered(code_block(text))) == "a ``` ```` # b"


def test_markdown_has_the_tables_of_the_page(gathered: Page, store: Store, plan: Plan) -> None:
    text = page.to_markdown(gathered)
    shown = rendered(text)
    assert not re.search(r"<(script|img|a|g)\b", shown)
    table = next(part for part in text.split("\n\n") if part.startswith("| task "))
    rows = table.splitlines()[2:]
    assert len(rows) == 4
    scores = list(store.scores(plan.cells[2].id))
    last = np.mean([item_metrics(score)["mc1"][-1] for score in scores])
    assert f"| {100 * last:.1f}" in rows[2]
    assert all(re.search(r"[▁▂▃▄▅▆▇█]{6} \|$", row) for row in rows)
    assert "## Findings" in text
    assert COMMAND in text


# --- words ------------------------------------------------------------------------------------


def test_no_two_cells_are_called_the_same(store: Store, plan: Plan) -> None:
    cells = store.cells(plan.id)
    same = replace(cells[0], id="other")
    seeds = replace(cells[0], id="seed", request=cells[0].request | {"seed": 7})
    names = cell_names([*cells, same, seeds])
    assert len({name.full for name in names}) == 6
    assert names[-1].variant == "seed 7"
    assert [name.full for name in cell_names(cells[:1])] == ["prompts"]
    assert [name.label for name in cell_names(cells[:1])] == [MODEL]


@pytest.mark.parametrize(
    ("numbers", "said"),
    [([], ""), ([3], "3"), ([1, 2, 3], "1–3"), ([3, 27, 28, 30], "3, 27–28, 30")],
)
def test_ranges_are_short(numbers: list[int], said: str) -> None:
    assert ranges(numbers) == said


@pytest.mark.parametrize(
    ("tied", "said"),
    [((5,), "5"), ((4, 5), "5 (4–5)"), ((1, 3, 5), "5 (1, 3, 5)"), ((1, 3, 5, 7), "5 (4 layers)")],
)
def test_few_tied_layers_are_named_and_many_are_counted(tied: tuple[int, ...], said: str) -> None:
    assert best_text(5, PeakFinding("peak", 5, tied[0], tied[-1], None, "", tied)).text == said


@pytest.mark.parametrize(
    ("layer", "low", "high", "said"),
    [
        (None, None, None, "–"),
        (5, None, None, "5"),
        (5, 4, 7, "5 [4, 7]"),
        (5, 4, None, "5 [4, –]"),
    ],
)
def test_a_layer_is_told_with_its_interval(
    layer: int | None, low: int | None, high: int | None, said: str
) -> None:
    assert layer_text(LayerFinding("onset", layer, low, high, None, "")) == said


@pytest.mark.parametrize(
    ("p", "sign"),
    [(None, ""), (0.05, ""), (0.049, "*"), (0.0099, "**"), (0.0, "***"), (np.nan, "")],
)
def test_stars_follow_p(p: float | None, sign: str) -> None:
    assert stars(p) == sign


# --- files ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.html", "a.HTM", "a.md", "a.markdown"])
def test_the_ending_says_what_is_written(tmp_path: Path, gathered: Page, name: str) -> None:
    size = page.write_report(gathered, tmp_path / name)
    text = (tmp_path / name).read_text("utf-8")
    assert size == (tmp_path / name).stat().st_size
    assert text.startswith("<!DOCTYPE html>" if "h" in name.lower().split(".")[1][:1] else "# ")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_what_cannot_be_written_leaves_what_was_there(
    tmp_path: Path, gathered: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.html"
    path.write_text("before", "utf-8")

    def fail(*_: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(UsageError, match=r"cannot write .*a\.html: No space left on device"):
        page.write_report(gathered, path)
    assert path.read_text("utf-8") == "before"
    assert [found.name for found in tmp_path.iterdir()] == ["a.html"]


def test_the_command_writes_a_report(
    tmp_path: Path, store: Store, plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    report([plan.id[:8], "last"], tmp_path / "a.html", title=HOSTILE[0], db=store.path)
    assert re.search(r"a\.html: \d+ KiB", capsys.readouterr().err)
    assert f"<title>{HOSTILE[0].replace('<', '&lt;').replace('>', '&gt;')}</title>" in (
        tmp_path / "a.html"
    ).read_text("utf-8")
    report(None, tmp_path / "a.md", db=store.path)
    assert "## Summary" in (tmp_path / "a.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("runs", "name", "error"),
    [
        (["last"], "a.pdf", "cannot write a report as a.pdf: name it .html or .md"),
        (["last"], "none/a.html", "there is no folder"),
        (["paper:llama2-7b"], "a.html", "the paper's curves are in every report"),
    ],
)
def test_the_command_refuses_what_it_cannot_do(
    tmp_path: Path, store: Store, runs: list[str], name: str, error: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(error)):
        report(runs, tmp_path / name, db=store.path)
    assert list(tmp_path.iterdir()) == []


def test_the_command_names_a_run_that_there_is_not(tmp_path: Path, store: Store) -> None:
    with pytest.raises(UnknownName, match="no run named 'zzz'"):
        report(["zzz"], tmp_path / "a.html", db=store.path)
