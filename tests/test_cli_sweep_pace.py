"""How fast a sweep goes and how long it will take, as `llprobe sweep watch` says it."""

import re
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from clihelp import Cli, on_terminal, plan_of
from sweephelp import N_ITEMS, SECONDS, sweep_cli

from llprobe.cli import watch
from llprobe.events import GroupScored, ItemResult, JobStarted
from llprobe.report import pace
from llprobe.store import Store


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return sweep_cli(tmp_path)


class Hours:
    """A clock for the modules that watch: it goes on when they sleep, by as much as they ask."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 5000.0
        for module in (watch, pace):
            monkeypatch.setattr(module, "time", self)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_the_pace_is_items_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Hours(monkeypatch)
    whole = pace.Whole(40, 100)
    assert (whole.rate, whole.seconds_left, whole.pace, str(whole)) == (
        *(None, None, ""), "40/100 in all"
    )  # fmt: skip
    clock.now += 10
    assert whole.pace == ""
    whole.done = 60
    assert (whole.rate, whole.seconds_left) == (2.0, 20.0)
    assert whole.pace == "2.0 items/s, about 20 s left"
    assert str(whole) == "60/100 in all, about 20 s left"
    clock.now += 90
    assert whole.pace == "12.0 items/min, about 3 min left"
    whole.done = 100
    assert whole.pace == "36.0 items/min, about 0 s left"


def test_watching_plainly_says_pace_and_time_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A failed cell's items are not waited for."""
    clock = Hours(monkeypatch)

    def cells(*_: object) -> list[dict[str, Any]]:
        spent = int(clock.now - 5000)
        scored = min(10 + 2 * spent, 60)
        status = "done" if scored == 60 else "running"
        return [
            {"done": scored, "items": 60, "status": status},
            {"done": 5, "items": 20, "status": "failed"},
        ]

    monkeypatch.setattr(watch, "cell_rows", cells)
    store: Any = SimpleNamespace(workers=lambda _: clock.now < 5030)
    watch.watch_plainly(store, "run")
    assert capsys.readouterr().err.splitlines() == [
        "0 of 2 cells done, 1 failed; 15 of 80 items scored",
        "0 of 2 cells done, 1 failed; 35 of 80 items scored; 2.0 items/s, about 15 s left",
        "0 of 2 cells done, 1 failed; 55 of 80 items scored; 2.0 items/s, about 5 s left",
        "1 of 2 cells done, 1 failed; 65 of 80 items scored; 2.0 items/s, about 0 s left",
    ]


def test_watching_on_a_screen_shows_pace_and_time_left(cli: Cli) -> None:
    """What this process stores, one item after the other, the command sees."""
    plan, began = plan_of([cli.folder / "tiny.gguf"], cli.folder / "q.jsonl"), threading.Event()
    (cell,) = plan.cells

    def work() -> None:
        with Store(cli.db) as store:
            store.begin(plan, "llprobe run")
            with store.working(plan.id) as owner:
                store.claim(owner, [cell.id])
                store.start_job(JobStarted((cell.id,), N_ITEMS, N_ITEMS, 100, ()))
                began.set()
                for n in range(N_ITEMS):
                    logprob = np.full((4, len(cell.layers)), -1.0 - n)
                    result = ItemResult(n, (1,) * 4, logprob)
                    store.add_group(GroupScored(cell.id, n, (result,), 10))
                    time.sleep(0.9)
            store.finish_cells([cell.id], {})

    worker = threading.Thread(target=work)
    worker.start()
    assert began.wait(SECONDS)
    drawn = on_terminal(cli, "sweep", "watch", columns=80, NO_COLOR="1")
    worker.join()
    plain = [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", line).rstrip() for line in drawn]
    assert max(map(len, plain)) <= 80
    title = rf"0 of 1 cells done; [1-{N_ITEMS}] of {N_ITEMS} items scored"
    found = [line for line in plain if "items scored" in line]
    assert re.fullmatch(title, found[0])
    pace = rf"{title}; \d+\.\d items/(s|min), about \d+ s left"
    assert [line for line in found if re.fullmatch(pace, line)]
