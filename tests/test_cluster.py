"""Sweeps over several machines: real schedulers and workers, killed, late, unfit and left alone."""

import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from clihelp import Cli, plan_of, scores_of, tiny_model, write_questions
from clusterhelp import Cluster, child_of, cluster, soon
from tinygguf import write_tiny

from llprobe.errors import RunError
from llprobe.events import Event, Failed, GroupScored, JobDone, JobStarted, ModelLoaded
from llprobe.plan import Plan
from llprobe.runner import Cancel, run
from llprobe.store import Store

N_ITEMS = 60


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    for seed, name in enumerate(("one", "two", "three", "four")):
        tiny_model(folder, name, seed=seed, n_layers=16)
    write_questions(folder / "q.jsonl", N_ITEMS, words=6)
    return folder


@pytest.fixture(scope="module")
def plan(files: Path) -> Plan:
    models = [files / f"{name}.gguf" for name in ("one", "two", "three", "four")]
    return plan_of(models, files / "q.jsonl", lenses=("norm", "paper"))


@pytest.fixture(scope="module")
def whole(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], bytes]:
    """Give the scores of a run on one machine."""
    path = tmp_path_factory.mktemp("whole") / "a.db"
    with Store(path) as store:
        list(run(plan, store, "llprobe run"))
    return scores_of(path)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Give a cluster of two workers, for the tests that leave them alive."""
    with cluster(tmp_path_factory.mktemp("pair"), ["w1", "w2"]) as made:
        yield made


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "a.db") as store:
        yield store


def machines(store: Store, plan: Plan) -> list[str]:
    return [cell.record["worker"] for cell in store.cells(plan.id)]


def status(store: Store) -> str:
    return store.runs()[0].status


def groups_of(events: list[Event]) -> Counter[tuple[str, int]]:
    return Counter((e.cell, e.group) for e in events if isinstance(e, GroupScored))


def test_two_workers_score_what_one_machine_does(
    pair: Cluster, plan: Plan, whole: dict[tuple[str, int], bytes], store: Store
) -> None:
    with pair.hands() as hands:
        events = list(run(plan, store, "llprobe run", hands=hands))
    assert status(store) == "done"
    assert scores_of(store.path) == whole
    assert set(groups_of(events).values()) == {1}
    assert sum(isinstance(event, JobDone) for event in events) == 4
    assert set(machines(store, plan)) == {"w1", "w2"}
    assert all(cell.record["host"] for cell in store.cells(plan.id))
    with pair.hands() as hands:
        assert list(run(plan, store, "llprobe run", hands=hands)) == []


def test_a_killed_workers_cells_are_computed_elsewhere(
    plan: Plan, whole: dict[tuple[str, int], bytes], store: Store, tmp_path: Path
) -> None:
    events, dead = list[Event](), ""
    with cluster(tmp_path / "c", ["w1", "w2"]) as made, made.hands() as hands:
        for event in run(plan, store, "llprobe run", hands=hands):
            events.append(event)
            if isinstance(event, GroupScored) and not dead:
                # the child is stopped first, so that it is in the middle
                dead = store_worker(store, plan, event.cell)
                child = child_of(made.workers[dead])
                child.suspend()
                made.workers[dead].kill()
                child.kill()
    assert status(store) == "done"
    assert not any(isinstance(event, Failed) for event in events)
    assert scores_of(store.path) == whole
    assert any("is lost" in line and f"({dead})" in line for line in made.told)
    survivor = {"w1": "w2", "w2": "w1"}[dead]
    assert f"{dead}, {survivor}" in machines(store, plan)
    # what was stored of it was not computed again
    assert set(groups_of(events).values()) == {1}


def store_worker(store: Store, plan: Plan, cell: str) -> str:
    return next(c.record["worker"] for c in store.cells(plan.id) if c.id == cell)


def test_a_worker_that_joins_late_takes_part(
    plan: Plan, whole: dict[tuple[str, int], bytes], store: Store, tmp_path: Path
) -> None:
    done, frozen = 0, list[psutil.Process]()
    with cluster(tmp_path / "c", ["early"]) as made, made.hands() as hands:
        for event in run(plan, store, "llprobe run", hands=hands):
            if isinstance(event, JobStarted) and not frozen:
                frozen.append(child_of(made.workers["early"]))
                frozen[0].suspend()
                made.worker("late")
            done += isinstance(event, JobDone)
            if isinstance(event, JobDone) and done == 1:
                assert store_worker(store, plan, event.cells[0]) == "late"
                frozen[0].resume()
    assert status(store) == "done"
    assert scores_of(store.path) == whole
    assert set(machines(store, plan)) == {"early", "late"}


def test_other_versions_are_refused_with_both_named(
    plan: Plan, whole: dict[tuple[str, int], bytes], store: Store, tmp_path: Path
) -> None:
    old = tmp_path / "old" / "llama_cpp_python-0.0.1.dist-info"
    old.mkdir(parents=True)
    (old / "METADATA").write_text("Metadata-Version: 2.1\nName: llama-cpp-python\nVersion: 0.0.1\n")
    with cluster(tmp_path / "c") as made:
        made.worker("old", PYTHONPATH=str(old.parent))
        with made.hands() as hands, pytest.raises(RunError) as refused:
            list(run(plan, store, "llprobe run", hands=hands))
        said = str(refused.value)
        assert "(old) has llprobe" in said
        assert "llama-cpp-python 0.0.1, this machine" in said
        assert said.count("llama-cpp-python") == 2
        assert "install the same there" in said
        assert status(store) == "stopped"
        made.worker("new")
        soon(lambda: "new" in names_at(made), "the new worker")
        with made.hands() as hands:
            list(run(plan, store, "llprobe run", hands=hands))
    assert any(line.startswith("not used: ") for line in made.told)
    assert set(machines(store, plan)) == {"new"}
    assert scores_of(store.path) == whole


def names_at(made: Cluster) -> list[str]:
    log = (made.folder / "scheduler.log").read_text("utf-8")
    return [name for name in made.workers if f"name: {name}" in log]


def test_a_worker_without_llprobe_is_told_what_it_needs(
    plan: Plan, store: Store, tmp_path: Path
) -> None:
    broken = tmp_path / "broken" / "llprobe"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ModuleNotFoundError(\"No module named 'llprobe'\")")
    with cluster(tmp_path / "c") as made:
        made.worker("bare", PYTHONPATH=str(broken.parent))
        with made.hands() as hands, pytest.raises(RunError, match=r"cannot be used on .*\(bare\)"):
            list(run(plan, store, "llprobe run", hands=hands))


@pytest.mark.parametrize("gone", [True, False])
def test_a_model_that_is_another_or_not_there_fails_alone(
    gone: bool, pair: Cluster, files: Path, store: Store, tmp_path: Path
) -> None:
    other = tiny_model(tmp_path, "other", seed=7)
    plan = plan_of([other, files / "one.gguf"], files / "q.jsonl")
    other.unlink()
    if not gone:
        tiny_model(tmp_path, "other", seed=8)
    with pair.hands() as hands:
        events = list(run(plan, store, "llprobe run", hands=hands))
    (failed,) = (event for event in events if isinstance(event, Failed))
    assert ("is not on" if gone else "is not the same file") in failed.message
    assert "other" in failed.message
    first, second = store.cells(plan.id)
    assert (first.status, first.error) == ("failed", failed.message)
    assert second.status == "done"
    assert status(store) == "failed"


SWEEP = """
name: ladder
models: [{{model: {model}, quantize: [Q8_0]}}]
tasks: prompts
data: {data}
engine: {{threads: 1, batch: 64}}
"""


def test_a_quant_is_made_on_the_worker_from_the_same_source(files: Path, tmp_path: Path) -> None:
    sweep, there = tmp_path / "s.yaml", tmp_path / "there"
    sweep.write_text(SWEEP.format(model=files / "one.gguf", data=files / "q.jsonl"))
    home, away = (Cli(tmp_path / name) for name in ("home", "away"))
    for cli in (home, away):
        cli.folder.mkdir()
    assert home("sweep", "run", sweep).code == 0
    with cluster(tmp_path / "c", ["far"], LLPROBE_CACHE=str(there)) as made:
        done = away("sweep", "run", sweep, "--cluster", made.address)
        assert done.code == 0, done.err
        (quant,) = there.rglob("*.Q8_0.gguf")
        assert "making one-" in done.err
        assert scores_of(away.db) == scores_of(home.db)
        write_tiny(quant, quant="Q8_0", seed=9)
        again = away("sweep", "run", sweep, "--cluster", made.address, "--fresh")
    assert again.code == 1
    assert "is not the same file" in again.err
    shown = away("sweep", "show", "-F", "json").rows
    assert [row["status"] for row in shown] == ["done", "failed"]
    assert shown[0]["machine"].endswith("(far)")


# --- stops --------------------------------------------------------------------------------------


def test_a_run_is_paused_from_elsewhere_and_goes_on(
    pair: Cluster, plan: Plan, whole: dict[tuple[str, int], bytes], store: Store
) -> None:
    events = list[Event]()
    with pair.hands() as hands:
        for event in run(plan, store, "llprobe run", hands=hands):
            if not events:
                with Store(store.path) as other:
                    other.ask(plan.id, "pause")
            events.append(event)
        assert status(store) == "paused"
        assert not any(isinstance(event, Failed) for event in events)
        assert any(cell.status != "done" for cell in store.cells(plan.id))
        events += run(plan, store, "llprobe run", hands=hands)
    assert status(store) == "done"
    assert scores_of(store.path) == whole
    assert set(groups_of(events).values()) == {1}


def test_a_second_request_ends_the_workers_children_at_once(
    pair: Cluster, plan: Plan, store: Store
) -> None:
    cancel = Cancel()
    with pair.hands() as hands:
        for event in run(plan, store, "llprobe run", cancel, hands=hands):
            if isinstance(event, ModelLoaded) and not cancel.requests:
                children = [c for w in pair.workers.values() for c in below(w)]
                for child in children:  # so that they cannot end by themselves
                    child.suspend()
                cancel.request()
                cancel.request()
    assert status(store) == "stopped"
    assert children
    soon(lambda: not any(map(alive, children)), "the children's end")


def below(worker: "subprocess.Popen[Any]") -> list[psutil.Process]:
    return psutil.Process(worker.pid).children()


def alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # it has ended, perhaps while it was asked
        return False


def test_a_scheduler_that_goes_away_is_one_line_and_nothing_is_lost(
    plan: Plan, whole: dict[tuple[str, int], bytes], store: Store, tmp_path: Path
) -> None:
    events = list[Event]()
    with cluster(tmp_path / "c", ["w1"]) as made:
        with made.hands() as hands:
            running = run(plan, store, "llprobe run", hands=hands)
            for event in running:
                events.append(event)
                if isinstance(event, GroupScored):
                    break
            made.scheduler.kill()
            with pytest.raises(RunError) as gone:
                events.extend(running)
        worker = made.workers["w1"]
        soon(lambda: worker.poll() is not None or not below(worker), "the child's end")
    assert "is gone: what is scored is stored" in str(gone.value)
    assert status(store) == "stopped"
    again = list(run(plan, store, "llprobe run"))
    assert status(store) == "done"
    assert not groups_of(events).keys() & groups_of(again).keys()
    assert scores_of(store.path) == whole


def test_a_killed_command_leaves_no_worker_computing(pair: Cluster, tmp_path: Path) -> None:
    cli, sweep = Cli(tmp_path), tmp_path / "s.yaml"
    model = tiny_model(tmp_path, "slow", n_layers=32)
    many = write_questions(tmp_path / "many.jsonl", 400, words=9)
    sweep.write_text(
        f"name: slow\nmodels: {model}\ntasks: prompts\ndata: {many}\nengine: {{threads: 1}}\n"
    )
    command = cli.start("sweep", "run", sweep, "--cluster", pair.address)
    found = soon(lambda: [c for w in pair.workers.values() for c in below(w)], "a child")
    command.kill()
    command.communicate()
    soon(lambda: not any(map(alive, found)), "the child's end")


def test_local_workers_stop_at_the_first_ctrl_c_and_leave_nothing(
    files: Path, tmp_path: Path
) -> None:
    cli, sweep = Cli(tmp_path), tmp_path / "s.yaml"
    many = write_questions(tmp_path / "many.jsonl", 300, words=9)
    sweep.write_text(
        f"name: slow\nmodels: {files / 'one.gguf'}\ntasks: prompts\ndata: {many}\n"
        "lenses: [norm, paper]\nengine: {threads: 1, batch: 16}\n"
    )
    command = cli.start("sweep", "run", sweep, "--cluster", "local:2")
    workers = soon(
        lambda: [c for c in psutil.Process(command.pid).children() if "dask_worker" in
                 " ".join(c.cmdline())], "the workers")  # fmt: skip
    soon(lambda: stored_groups(cli.db), "a group")
    command.send_signal(signal.SIGINT)
    _, err = command.communicate(timeout=60)
    assert command.returncode == 130, err
    assert "stopping after this batch" in err
    assert "Traceback" not in err
    assert not any(map(alive, workers))
    before = stored_groups(cli.db)
    done = cli("sweep", "run", sweep, "--cluster", "local:2")
    assert done.code == 0, done.err
    assert stored_groups(cli.db) > before


def stored_groups(db: Path) -> int:
    if not db.exists():
        return 0
    with Store(db) as store:
        cells = [cell for each in store.runs() for cell in store.cells(each.id)]
        return sum(len(store.done_groups(cell.id)) for cell in cells)
