"""What the tests of the terminal interface share: databases of made-up scores, alike everywhere.

Names, ids and numbers do not depend on the folder or the hour, so that pictures of screens stay the
same. No model computes anything.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from madeup import Right, fill, made_up_model, noisy

from llprobe.events import JobStarted
from llprobe.model import ModelInfo
from llprobe.plan import Plan, Sweep, make_plan
from llprobe.settings import EngineSettings
from llprobe.store import Store
from llprobe.task import Item, TaskRequest

CALC = TaskRequest("calculation", limit=24)
"""A generated task of several groups."""
FACTS = TaskRequest("facts", limit=20)
"""A bundled task."""

_SMALL = (0.2, 0.25, 0.3, 0.35, 0.5, 0.45)
_LARGE = (0.2, 0.3, 0.5, 0.7, 0.85, 0.8)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let a test of screens be tried three times: Textual measures only when it is idle."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.flaky(reruns=2))


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no setting of whoever runs the tests be seen."""
    for name in ("NO_COLOR", "LLPROBE_DB", "TEXTUAL", "TEXTUAL_COLOR_SYSTEM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")


def model(folder: Path, name: str, quant: str = "Q8_0", **more: Any) -> ModelInfo:
    """Give a made-up model of six layers; nothing of it names a folder."""
    return made_up_model(folder, name, quant=quant, paths=(Path(f"{name}.gguf"),), **more)


def plan(
    models: Sequence[ModelInfo], tasks: Sequence[TaskRequest], name: str = "", **sweep: Any
) -> Plan:
    """Plan tasks on made-up models."""
    settings = EngineSettings(n_threads=1)
    spec = f"name: {name}\nmodels: [{', '.join(m.name for m in models)}]\ntasks: [calculation]\n"
    return make_plan(Sweep(tuple(models), tuple(tasks), settings=settings, **sweep), name, spec)


def begin(store: Store, planned: Plan) -> None:
    """Store a run of which nothing is scored yet, as if its models were loaded."""
    store.begin(planned, f"llprobe sweep run {planned.name or 'sweep'}.yaml")
    for cell in planned.cells:
        n = len(cell.questions.items)
        store.start_job(JobStarted((cell.id,), n, 1, 10 * n, ()))


def finish(store: Store, planned: Plan, right: Right) -> str:
    """Store scores of everything that is planned; return the run's id."""
    fill(store, planned, right)
    store.finish_cells([cell.id for cell in planned.cells], {"seconds": 2.0, "tokens": 400.0})
    store.end(planned.id, "done")
    return planned.id


def share(curve: Sequence[float]) -> Right:
    """Answer rightly with these probabilities by layer."""

    def of(_: Item) -> Sequence[float]:
        return curve

    return noisy(of)


@pytest.fixture(scope="session")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Store two finished runs once; see `database`."""
    folder = tmp_path_factory.mktemp("tui")
    with Store(folder / "llprobe.db") as store:
        for name, curve in (("small", _SMALL), ("large", _LARGE)):
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
        fill(store, first, share(_SMALL))
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
