"""What the tests of reports share: stores of drawn scores, hostile texts, and a reader of pages."""

import base64
import gzip
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
from clihelp import tiny_model, write_rows

from llprobe.events import GroupScored, ItemResult, JobStarted
from llprobe.model import read_model
from llprobe.plan import Plan, Sweep, make_plan
from llprobe.settings import EngineSettings
from llprobe.store import Store
from llprobe.task import TaskRequest

HOSTILE = (
    "</script><script>window.hacked = 1</script>",
    '<img src="x" onerror="window.hacked = 2">',
    "<!-- <script> \u2028 \u2029 ]]> &lt;b&gt; {{ 7 * 7 }} {% raw %}",
    '" onclick="window.hacked = 3" x="',
    "javascript:window.hacked=4 | a `b` *c* _d_ [e](http://f.example) <g> \\ ~h~ # i $j$ @k",
)
"""Texts that must be shown as they are, and do nothing."""
MODEL = "<script>window.hacked = 5</script> & co"
COMMAND = "llprobe run -m '</script><script>window.hacked = 6</script>'"
"""What the model and the command of a hostile plan are called."""


def hostile_questions(path: Path, n: int = 20) -> Path:
    """Write `n` questions whose ids, groups, prompts and options are hostile."""
    rows = []
    for i in range(n):
        text = HOSTILE[i % len(HOSTILE)]
        rows.append({
            "id": f"{i} {text}", "group": text, "prompt": f"{text}\n\n{i}: what is it?\nA:",
            "choices": [f" {text} {k}" for k in range(4)], "correct": [i % 4],
        })  # fmt: skip
    return write_rows(path, rows)


def plain_questions(path: Path, n: int) -> Path:
    """Write `n` questions of four options."""
    rows = [
        {
            "id": f"q{i}", "group": f"g{i % 5}", "prompt": f"Question {i} of many, is it so?\nA:",
            "choices": [f" option {k} of {i}" for k in range(4)], "correct": [i % 4],
        }
        for i in range(n)
    ]  # fmt: skip
    return write_rows(path, rows)


def plan_for(folder: Path, tasks: Sequence[TaskRequest], n_layers: int = 6, **more: Any) -> Plan:
    """Plan tasks on a tiny model; `more` are fields of the sweep."""
    model = read_model(tiny_model(folder, n_layers=n_layers))
    return make_plan(Sweep((model,), tuple(tasks), settings=EngineSettings(n_threads=1), **more))


def prompts(data: Path) -> TaskRequest:
    """Ask the questions of a file."""
    return TaskRequest("prompts", data=str(data))


def renamed(plan: Plan, name: str) -> Plan:
    """Call the plan's model something else."""
    cells = tuple(replace(cell, model=replace(cell.model, name=name)) for cell in plan.cells)
    return replace(plan, cells=cells)


def hostile_plan(folder: Path) -> Plan:
    """Plan hostile questions and bundled ones with worked examples, through two lenses."""
    hostile = prompts(hostile_questions(folder / "hostile.jsonl"))
    bundled = TaskRequest("facts", limit=12)
    return renamed(plan_for(folder, (hostile, bundled), lenses=("norm", "paper")), MODEL)


def fill(
    path: Path,
    plan: Plan,
    *,
    n_items: int | None = None,
    first: int = 0,
    command: str = "llprobe run",
) -> Path:
    """Store drawn scores of a plan's items, in which the true option rises from layer to layer."""
    draw = np.random.default_rng(1)
    with Store(path) as store:
        store.begin(plan, command)
        for cell in plan.cells:
            items = cell.questions.items
            chosen = range(first, len(items) if n_items is None else first + n_items)
            store.start_job(JobStarted((cell.id,), len(items), 1, len(items), ()))
            results = []
            for i in chosen:
                logprob = draw.normal(-9, 2, (len(items[i].choices), len(cell.layers)))
                logprob[items[i].best] += np.linspace(-1, 4, len(cell.layers))
                tokens = tuple(draw.integers(1, 5, len(items[i].choices)).tolist())
                results.append(ItemResult(i, tokens, logprob))
            store.add_group(GroupScored(cell.id, first, tuple(results), 1))
            if len(chosen) == len(items):
                store.finish_cells([cell.id], {})
        store.end(plan.id, "done")
    return path


@dataclass
class Parsed(HTMLParser):
    """A page as a browser's parser sees it."""

    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    """What is inside of script elements, by id; the program's id is empty."""
    style: str = ""
    comments: int = 0
    _inside: str | None = None

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.tags.append((tag, named))
        self._inside = (named.get("id") or "") if tag == "script" else tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = None if tag in {"script", "style"} else self._inside

    def handle_data(self, data: str) -> None:
        if self._inside == "style":
            self.style += data
        elif self._inside is not None and self.tags and self.tags[-1][0] == "script":
            self.texts[self._inside] = self.texts.get(self._inside, "") + data

    def handle_comment(self, data: str) -> None:
        self.comments += len(data) + 1


def parsed(html: str) -> Parsed:
    """Read a page."""
    found = Parsed()
    found.feed(html)
    found.close()
    return found


def block(page: Parsed, name: str) -> bytes:
    """Give a compressed block of a page."""
    return gzip.decompress(base64.b64decode(page.texts[name]))


@dataclass(frozen=True)
class CellBlock:
    """A cell's items as they stand in a page."""

    items: list[list[Any]]
    """Fields of each item's text."""
    preamble: str
    right: Any
    settled: Any
    thousandths: Any


def cell_block(page: Parsed, cell: dict[str, Any]) -> CellBlock:
    """Read a cell's items from a page, as its script does."""
    n, k, m = cell["items"], len(cell["layers"]), cell["pack"]["options"]
    data = np.frombuffer(block(page, cell["pack"]["id"]), np.uint8)
    n_bits = -(-n * k // 8)
    right = np.unpackbits(data[:n_bits])[: n * k].reshape(n, k)
    numbers, at = [], n_bits
    for size, n_bytes in ((n, 3), (n, 2), (m * k, 2)):
        planes = data[at : at + size * n_bytes].reshape(n_bytes, size).astype(np.int64)
        at += size * n_bytes
        weights = 256 ** np.arange(n_bytes - 1, -1, -1)
        numbers.append(weights @ planes)
    assert at == len(data)
    texts = json.loads(block(page, cell["pack"]["texts"]))
    rows, settled, thousandths = numbers
    items = [texts["items"][row] for row in rows]
    return CellBlock(items, texts["preamble"], right, settled, thousandths.reshape(m, k))


def own_script(page: Parsed) -> str:
    """Give the page's program."""
    return page.texts[""]


def plain_text(markup: str) -> str:
    """Give what a reader sees of rendered inline HTML."""
    pieces: list[str] = []

    class Reader(HTMLParser):
        def handle_data(self, data: str) -> None:
            pieces.append(data)

    reader = Reader()
    reader.feed(markup)
    reader.close()
    return re.sub(r"\s+", " ", "".join(pieces)).strip()
