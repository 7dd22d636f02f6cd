"""The bundled example, and how the interface is started on it or on a database."""

import sqlite3
from pathlib import Path

import pytest
from clihelp import Cli
from makedemo import COMMAND, make
from settled import settle
from textual.widgets import Static

from llprobe.report import summaries
from llprobe.store import Store
from llprobe.tui.app import LlprobeApp
from llprobe.tui.demo import demo_database
from llprobe.tui.start import start

ROOT = Path(__file__).resolve().parents[2]


def test_the_demo_is_a_copy_that_can_be_browsed() -> None:
    with demo_database() as path:
        with Store(path, create=False) as store:
            (run,) = store.runs()
            found = summaries(store, run.id)
        assert run.command == "llprobe sweep run docs/example/sweep.yaml"
        assert run.status == "done"
        assert {s.cell.model for s in found} == {"smollm2-135m", "smollm2-135m:Q2_K"}
        assert len(found) == 12
    assert not path.exists()


def test_the_demo_tells_nothing_of_the_machine_that_made_it() -> None:
    bundled = ROOT / "tui" / "demo.db"
    assert bundled.stat().st_size < 400_000
    with sqlite3.connect(bundled) as db:
        told = "\n".join(db.iterdump())
    assert "/root" not in told
    assert "/home" not in told


def test_the_demo_can_be_made_again(tmp_path: Path, database: Path) -> None:
    with sqlite3.connect(database) as db:
        db.execute("UPDATE cells SET model = 'smollm2-135m' WHERE model = 'small'")
    db.close()
    make(database, tmp_path / "demo.db", 5)
    with Store(tmp_path / "demo.db", create=False) as store:
        runs = {run.name: run for run in store.runs()}
        found = summaries(store, runs["small"].id)
        scores = list(store.scores(found[0].cell.id))
    assert runs["small"].command == COMMAND
    assert {s.curve.n_items for s in found} == {5}
    assert [score.index for score in scores] == list(range(5))


@pytest.mark.asyncio
async def test_a_demo_says_so(database: Path) -> None:
    app = LlprobeApp(database, demo=True)
    async with app.run_test() as pilot:
        await settle(pilot)
        assert str(app.screen.query_one("#head", Static).visual).endswith("demo")


def test_the_command_refuses_what_it_cannot_show(tmp_path: Path) -> None:
    cli = Cli(tmp_path)
    assert "needs a terminal" in cli("tui").line
    done = cli("tui", "--theme", "lght")
    assert done.code == 2
    assert "light" in done.line


def test_the_interface_starts_on_a_database_or_the_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[Path, bool, str]] = []

    def run(app: LlprobeApp) -> None:
        opened.append((app.db, app.demo, app.theme))

    monkeypatch.setattr(LlprobeApp, "run", run)
    start(tmp_path / "x.db", "light")
    start(None)
    assert opened[0] == (tmp_path / "x.db", False, "light")
    assert opened[1][1:] == (True, "dark")
