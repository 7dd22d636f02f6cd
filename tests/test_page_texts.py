"""Texts in reports: none is anything but a text, in HTML or in Markdown, and words are short."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from pagehelp import COMMAND, MODEL, Parsed, fill, hostile_plan, own_script, parsed, plain_text

from llprobe import page
from llprobe.analysis import item_metrics
from llprobe.analysis.finding import LayerFinding, PeakFinding
from llprobe.page.data import Page
from llprobe.page.markdown import code_block, escape
from llprobe.page.names import cell_names
from llprobe.page.pack import as_script_json
from llprobe.page.rows import best_text, between, layer_text, ranges
from llprobe.plan import Plan
from llprobe.report.compare.difference import stars
from llprobe.store import Store


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return hostile_plan(tmp_path_factory.mktemp("page"))


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
    ("ends", "said"),
    [((0.1, 0.25), " [+10.0%, +25.0%]"), ((None, None), ""), ((np.nan, np.nan), "")],
)
def test_an_interval_that_is_not_known_is_left_out(
    ends: tuple[float | None, float | None], said: str
) -> None:
    assert between(*ends, "%", "+") == said


@pytest.mark.parametrize(
    ("p", "sign"),
    [(None, ""), (0.05, ""), (0.049, "*"), (0.0099, "**"), (0.0, "***"), (np.nan, "")],
)
def test_stars_follow_p(p: float | None, sign: str) -> None:
    assert stars(p) == sign
