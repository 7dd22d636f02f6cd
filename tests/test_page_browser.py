"""The report in headless Chromium: it opens, its controls work, and texts in it do nothing."""

import json
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pagehelp import (
    HOSTILE,
    fill,
    hostile_questions,
    plain_questions,
    plan_for,
    prompts,
    renamed,
)

from llprobe import page
from llprobe.store import Store
from llprobe.task import TaskRequest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
_FEW = 12


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Give a browser that is there already: none is ever downloaded."""
    api = pytest.importorskip("playwright.sync_api", reason="needs `pip install playwright`")
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium is installed: `apt-get install chromium`")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=list(_FLAGS))
        yield started
        started.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a report on hostile questions and two bundled tasks, through two lenses."""
    folder = tmp_path_factory.mktemp("report")
    tasks = [prompts(hostile_questions(folder / "h.jsonl", _FEW))]
    tasks += [TaskRequest(name, limit=_FEW) for name in ("facts", "logic")]
    plan = plan_for(folder, tasks, n_layers=8, lenses=("norm", "paper"))
    hostile = renamed(plan, HOSTILE[0])
    fill(folder / "a.db", hostile, command=HOSTILE[0])
    with Store(folder / "a.db") as store:
        page.write_report(page.gather(store, [plan.id], title=HOSTILE[1]), folder / "report.html")
    return folder / "report.html"


class Tab:
    """An open page, with everything it said or asked for."""

    def __init__(self, context: Any, path: Path) -> None:
        self.page = context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: self.said.append(dialog.message))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html[data-ready]", state="attached")

    def count(self, selector: str) -> int:
        return int(self.page.locator(selector).count())

    def text(self, selector: str) -> str:
        return str(self.page.locator(selector).first.inner_text())


def _window(browser: Any, width: int = 1280, scheme: str = "light") -> Any:
    return browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True
    )


@pytest.fixture(scope="module")
def window(browser: Any) -> Iterator[Any]:
    window = _window(browser)
    yield window
    window.close()


@pytest.fixture
def tab(window: Any, report: Path) -> Iterator[Tab]:
    tab = Tab(window, report)
    yield tab
    hacked = tab.page.evaluate("window.hacked")
    tab.page.close()
    assert tab.said == []
    assert tab.asked == [report.as_uri()]
    assert hacked is None


def test_it_opens_and_asks_for_nothing(tab: Tab) -> None:
    assert tab.page.title() == HOSTILE[1]
    assert tab.count("#panels svg.chart") == 3
    assert tab.count("#summary tbody tr") == 6
    assert tab.count("#heat rect.square") == 6 * 8
    assert tab.text(".count").startswith(f"{_FEW} of {_FEW} items")


@pytest.mark.parametrize("width", [1280, 480])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_the_window(
    browser: Any, report: Path, width: int, scheme: str
) -> None:
    window = _window(browser, width, scheme)
    tab = Tab(window, report)
    assert tab.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    colour = tab.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (colour == "rgb(255, 255, 255)") == (scheme == "light")
    window.close()
    assert tab.said == []


def test_tasks_and_lenses_are_chosen(tab: Tab) -> None:
    tab.page.get_by_label("facts", exact=True).uncheck()
    assert tab.page.locator("figcaption b").all_inner_texts() == ["prompts", "logic"]
    assert tab.count("#heat rect.square") == 4 * 8
    assert tab.count("#panels path.line:not(.reference)") == 4
    tab.page.get_by_label("paper", exact=True).uncheck()
    assert tab.count("#panels path.line:not(.reference)") == 2
    tab.page.locator("#choose-task button", has_text="none").click()
    assert tab.text("#panels") == "Nothing is chosen that has this metric."
    tab.page.locator("#choose-task button", has_text="all").click()
    assert tab.count("#panels svg.chart") == 3


def test_baselines_intervals_and_the_papers_curves_come_and_go(tab: Tab) -> None:
    chance, bands, paper = "#panels path.r-chance", "#panels path.band", "#panels path.paper"
    assert (tab.count(chance), tab.count(bands), tab.count(paper)) == (3, 6, 0)
    tab.page.get_by_label("chance and other baselines").uncheck()
    tab.page.get_by_label("intervals").uncheck()
    tab.page.get_by_label("the paper's LLaMA 2 curves").check()
    assert (tab.count(chance), tab.count(bands), tab.count(paper)) == (0, 0, 6)
    assert "relative depth" in tab.page.locator("#panels svg.chart").first.text_content()
    tab.page.get_by_label("Panels").select_option("all in one")
    assert tab.count("#panels svg.chart") == 1
    tab.page.get_by_label("Shown").select_option(label="entropy of the options (nats)")
    assert tab.count(paper) == 0


def test_hovering_says_the_values_of_a_layer(tab: Tab, report: Path) -> None:
    chart = tab.page.locator("#panels svg.chart").nth(1)
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    tab.page.mouse.move(box["x"] + box["width"] - 16, box["y"] + 60)
    said = tab.text("#tip")
    assert said.startswith("layer 8")
    curve = _data(report)["cells"][2]["curves"]["mc1"]
    low, mean, high = (f"{100 * curve[name][-1]:.1f}%" for name in ("low", "mean", "high"))
    assert f"{mean} [{low}, {high}]" in said
    tab.page.mouse.move(2, 2)
    assert not tab.page.locator("#tip").is_visible()


def test_charts_are_read_with_the_keyboard(tab: Tab) -> None:
    tab.page.locator("#panels svg.chart").first.focus()
    for key in ("ArrowRight", "ArrowRight"):
        tab.page.keyboard.press(key)
    assert tab.text("#said").startswith("layer 2; ")
    tab.page.keyboard.press("End")
    assert tab.text("#said").startswith("layer 8; ")
    tab.page.locator("#heat svg.chart").focus()
    tab.page.keyboard.press("ArrowRight")
    assert re.search(r"layer 1: \d+\.\d% \[", tab.text("#said"))


def _data(report: Path) -> Any:
    text = report.read_text("utf-8").split('<script type="application/json" id="data">')[1]
    return json.loads(text.split("</script>")[0])


def _numbers(tab: Tab, column: str) -> list[float]:
    texts = tab.page.locator(f".spacer .c-{column}").all_inner_texts()
    return [float(text.strip("%")) for text in texts]


def test_items_are_sorted_and_filtered(tab: Tab) -> None:
    assert _numbers(tab, "i") == list(range(1, _FEW + 1))
    heading = tab.page.locator(".item-head").get_by_role("button", name="p(true)")
    heading.click()
    assert _numbers(tab, "p") == sorted(_numbers(tab, "p"))
    tab.page.locator(".item-head").get_by_role("button", name="p(true)").click()
    assert _numbers(tab, "p") == sorted(_numbers(tab, "p"), reverse=True)
    assert tab.page.locator(".c-p[role=columnheader]").get_attribute("aria-sort") == "descending"
    tab.page.get_by_label("Text").fill("window.hacked = 2")
    assert tab.text(".count").startswith("3 of 12 items")
    tab.page.get_by_label("Text").fill("")
    tab.page.get_by_label(re.compile("^Last layer")).select_option("wrong")
    assert set(tab.page.locator(".spacer .c-last").all_inner_texts()) <= {"✗ wrong", "✗\nwrong"}
    tab.page.get_by_label(re.compile("^Last layer")).select_option("right or wrong")
    tab.page.get_by_label("to layer", exact=True).fill("6")
    assert all(layer <= 6 for layer in _numbers(tab, "settled"))
    tab.page.get_by_label("to layer", exact=True).fill("")
    tab.page.get_by_label("Cell").select_option(index=2)
    tab.page.locator(".spacer .c-group", has_text="capital").first.wait_for()
    tab.page.get_by_label("Group").select_option(index=1)
    assert len(set(tab.page.locator(".spacer .c-group").all_inner_texts())) == 1


def test_an_item_is_opened_with_its_texts_as_texts(tab: Tab) -> None:
    tab.page.locator(".spacer .item-row").nth(1).click()
    box = tab.page.locator("dialog[open]")
    assert HOSTILE[1] in box.locator("pre.prompt").text_content()
    options = box.locator("td.choice").all_text_contents()
    assert options == [f" {HOSTILE[1]} {k}" for k in range(4)]
    assert box.locator("tr.true").count() == 1
    assert box.locator("td.truth").all_inner_texts()[1] == "true"
    assert box.locator("path.line").count() == 4 + 4  # the chart's and the options' signs
    box.locator("summary", has_text="as a table").click()
    rows = box.locator("table.layers tbody tr")
    assert rows.count() == 8
    shares = [float(text.strip("%")) for text in rows.nth(0).locator("td.number").all_inner_texts()]
    assert sum(shares) == pytest.approx(100, abs=0.3)
    box.get_by_role("button", name="next").click()
    assert box.locator("h2").inner_text().startswith("2 ")
    tab.page.keyboard.press("Escape")
    assert not box.is_visible()
    assert (
        tab.page.evaluate("document.querySelectorAll('img, main script, dialog script').length")
        == 0
    )


def test_items_are_opened_with_the_keyboard(tab: Tab) -> None:
    tab.page.locator(".items-view").focus()
    for key in ("ArrowDown", "ArrowDown", "Enter"):
        tab.page.keyboard.press(key)
    assert tab.text("dialog[open] h2").startswith("2 ")
    tab.page.keyboard.press("ArrowRight")
    assert tab.text("dialog[open] h2").startswith("3 ")


def test_the_summary_is_sorted(tab: Tab) -> None:
    cells = "#summary tbody td:nth-child({})"
    heads = tab.page.locator("#summary thead th").all_inner_texts()
    best = cells.format(heads.index("best") + 1)
    tab.page.locator("#summary thead").get_by_role("button", name="best").click()
    shown = [float(text.strip("*")) for text in tab.page.locator(best).all_inner_texts()]
    assert shown == sorted(shown)
    tab.page.locator("#summary thead").get_by_role("button", name="task").click()
    tasks = tab.page.locator("#summary tbody th").all_inner_texts()
    assert tasks == sorted(tasks)


def test_the_policy_stops_a_script_that_got_in(tab: Tab) -> None:
    tab.page.evaluate("""() => {
      const node = document.createElement("div");
      try { node.innerHTML = "<img src=x onerror='window.hacked = 9'>"; } catch (error) {}
      document.body.append(node);
    }""")
    tab.page.wait_for_timeout(50)
    assert tab.page.evaluate("window.hacked") is None
    assert any("TrustedHTML" in text for text in tab.said)
    tab.said.clear()


def _grown(folder: Path, n: int) -> page.Page:
    """Make the report of a cell whose `n` items are those of a small one over and over."""
    plan = plan_for(folder, [prompts(plain_questions(folder / "q.jsonl", 100))], n_layers=30)
    fill(folder / "a.db", plan)
    with Store(folder / "a.db") as store:
        small = page.gather(store, [plan.id])
    (cell,), ((key, texts),) = small.cells, small.texts.items()
    assert cell.items is not None
    draw = np.random.default_rng(0)
    items = replace(
        cell.items,
        rows=np.arange(n),
        right=np.tile(cell.items.right, (n // 100, 1)),
        settled=np.tile(cell.items.settled, n // 100),
        thousandths=draw.integers(0, 1001, (4 * n, 30)).astype(np.uint16),
    )
    many = tuple(
        replace(texts.items[i % 100], id=f"q{i}", prompt=f"Question {i} of many, is it so?\nA:")
        for i in range(n)
    )
    curves = {name: replace(curve, n_items=n) for name, curve in cell.curves.items()}
    grown = replace(cell, items=items, curves=curves)
    return replace(small, cells=(grown,), texts={key: replace(texts, items=many)})


def test_20000_items_open_quickly(
    window: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    size = page.write_report(_grown(tmp_path, 20_000), tmp_path / "a.html")
    started = time.perf_counter()
    tab = Tab(window, tmp_path / "a.html")
    took = time.perf_counter() - started
    assert tab.text(".count").startswith("20,000 of 20,000 items")
    assert tab.count(".spacer .item-row") < 40  # only what is seen is drawn
    tab.page.evaluate("document.querySelector('.items-view').scrollTop = 1e9")
    tab.page.locator(".spacer .c-i", has_text="20000").wait_for()
    tab.page.get_by_label("Text").fill("Question 19999 ")
    assert tab.text(".count").startswith("1 of 20,000 items")
    tab.page.close()
    with capsys.disabled():
        print(f"\n20,000 items x 30 layers: {size / 2**20:.1f} MiB, open in {took:.2f} s")
