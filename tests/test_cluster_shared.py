"""A scheduler that others use too: busy workers are waited for, hung and other ones are named."""

import importlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import distributed
import pytest
from clihelp import Cli, plan_of, tiny_model, write_questions
from clusterhelp import Cluster, cluster, soon

from llprobe.cluster import Place, asking, crew, muster
from llprobe.cluster.connect import distributed as imported
from llprobe.cluster.dispatch import Dispatch
from llprobe.events import GroupScored
from llprobe.runner import run
from llprobe.store import Store


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Cluster]:
    with cluster(tmp_path / "c", ["w", "v"]) as made:
        soon(lambda: len(muster(Place(made.address))) == 2, "the workers")
        yield made


@pytest.fixture
def client(made: Cluster) -> Iterator[Any]:
    with distributed.Client(made.address, set_as_default=False) as client:  # type: ignore[no-untyped-call]
        yield client


def test_a_sweep_waits_for_busy_workers_however_long(
    made: Cluster, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "_BUSY", 2.0)
    free = distributed.Event("free", client=client)  # type: ignore[no-untyped-call]
    held = [client.submit(free.wait, workers=[name], pure=False) for name in ("w", "v")]
    soon(lambda: sum(map(bool, client.processing().values())) == 2, "two busy workers")
    told = list[str]()

    def tell(line: str) -> None:
        told.append(line)
        if line.startswith("waiting for"):
            free.set()  # type: ignore[no-untyped-call]  # dask's

    plan = plan_of([tiny_model(tmp_path)], write_questions(tmp_path / "q.jsonl"))
    with Store(tmp_path / "a.db") as store:
        # it has far less patience than it has to wait
        hands = Dispatch(client, made.address, tell, patience=0.5)
        list(run(plan, store, "llprobe run", hands=hands))
        assert store.runs()[0].status == "done"
    assert all(each.result(timeout=60) for each in held)
    assert "(w)" in told[0]
    assert "(v)" in told[0]
    assert told[0].endswith("busy with something else, or not answering yet")
    assert sum(line.startswith("waiting for") for line in told) == 1


def test_a_killed_worker_leaves_no_queue_at_the_scheduler(
    made: Cluster, client: Any, tmp_path: Path
) -> None:
    models = [tiny_model(tmp_path, name, seed=n, n_layers=16) for n, name in enumerate("ab")]
    plan = plan_of(models, write_questions(tmp_path / "q.jsonl", 60, words=6))
    dead = False
    with Store(tmp_path / "a.db") as store, made.hands() as hands:
        for event in run(plan, store, "llprobe run", hands=hands):
            if isinstance(event, GroupScored) and not dead:
                dead = True
                cells = {cell.id: cell.record for cell in store.cells(plan.id)}
                made.workers[cells[event.cell]["worker"]].kill()
        assert store.runs()[0].status == "done"

    def queues(dask_scheduler: Any) -> list[str]:
        return list(dask_scheduler.extensions["queues"].queues)

    soon(lambda: not client.run_on_scheduler(queues), "the queue's end")


def test_a_hung_worker_is_listed_as_one_that_does_not_answer(
    made: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "LIMIT", 3.0)
    made.suspend("v")
    done = Cli(tmp_path)("cluster", "check", made.address, "-F", "json")
    assert done.code == 0, done.err
    hung, good = done.rows
    assert (hung["worker"], hung["state"]) == ("v", "not used")
    assert hung["problem"].endswith("(v) does not answer: not within 3 s")
    assert (good["worker"], good["state"], good["problem"]) == ("w", "ready", "")


def test_a_worker_of_another_python_is_listed_and_sent_nothing(
    made: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def other(_: object, __: str) -> tuple[str, str]:
        return "3.2", ""

    async def run(*_: object, **__: object) -> None:
        raise AssertionError("code was sent")

    monkeypatch.setattr(importlib.import_module("llprobe.cluster.muster"), "python_of", other)
    monkeypatch.setattr(distributed.Client, "run", run)
    found = muster(Place(made.address))
    assert [member.worker for member in found] == ["v", "w"]
    assert all(" has Python 3.2, this machine (" in member.problem for member in found)


def test_dask_does_not_warn_of_versions_by_itself() -> None:
    versions: Any = importlib.import_module("distributed.versions")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        imported()
        here, there = ({"packages": {"dask": version}} for version in "12")
        said = versions.error_message(here, {}, there)["warning"]
        warnings.warn(versions.VersionMismatchWarning(said), stacklevel=1)
    assert "dask" in said
    assert not caught
