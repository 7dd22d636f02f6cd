"""What the tests of the terminal interface share: databases of made-up scores, alike everywhere.

Names, ids and numbers do not depend on the folder or the hour, so that pictures of screens stay the
same. No model computes anything.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from madeup import fill
from storedruns import CALC, FACTS, LARGE, SMALL, begin, finish, model, plan, share

from llprobe.plan import Plan
from llprobe.store import Store


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let a test of screens be tried three times: Textual measures only when it is idle.

    Those that wait by `settled` alone are tried twice at most.
    """
    for item in items:
        waits = item.path.name.startswith(("test_gallery", "test_faults"))
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.flaky(reruns=1 if waits else 2))


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no setting of whoever runs the tests be seen."""
    for name in ("NO_COLOR", "LLPROBE_DB", "TEXTUAL", "TEXTUAL_COLOR_SYSTEM"):
        monkeypatch.delenv(name, raising=False)
    # how many colours there are decides what is drawn
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    # the variable of this name is read when Textual is imported, which it is by now
    monkeypatch.setattr("textual.constants.TEXTUAL_ANIMATIONS", "none")


@pytest.fixture(scope="session")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Store two finished runs once; see `database`."""
    folder = tmp_path_factory.mktemp("tui")
    with Store(folder / "llprobe.db") as store:
        for name, curve in (("small", SMALL), ("large", LARGE)):
            planned = plan([model(folder, name)], [CALC, FACTS], name, lenses=("norm",))
            begin(store, planned)
            finish(store, planned, share(curve))
    return folder / "llprobe.db"


@pytest.fixture
def database(tmp_path: Path, two_runs: Path) -> Path:
    """Give a database with the finished runs `large` (the newer one) and `small`.

    Each has the tasks calculation and facts, one model of its own name with six layers, lens norm.
    """
    return Path(shutil.copy(two_runs, tmp_path / "llprobe.db"))


@pytest.fixture
def no_database(tmp_path: Path) -> Path:
    """Give the path of a database that is not there."""
    return tmp_path / "llprobe.db"


@pytest.fixture
def unfinished(database: Path) -> Plan:
    """Add the run `half` to `database`: a model on two tasks, of which the first is scored."""
    planned = plan([model(database.parent, "half")], [CALC, FACTS], "half", lenses=("norm",))
    with Store(database) as store:
        begin(store, planned)
        first = replace(planned, cells=planned.cells[:1])
        fill(store, first, share(SMALL))
        store.finish_cells([first.cells[0].id], {"seconds": 1.0})
        store.end(planned.id, "paused")
    return planned


@pytest.fixture
def working(database: Path) -> Iterator[Callable[[str], None]]:
    """Give a function that makes this process the one that works on a run, by its id."""
    held: list[Any] = []
    with Store(database) as store:

        def work(run: str) -> None:
            held.append(store.working(run))
            held[-1].__enter__()

        yield work
        for each in held:
            each.__exit__(None, None, None)
