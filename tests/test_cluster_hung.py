"""A worker or a scheduler that hangs, rather than dies: it takes connections and says nothing."""

import signal
import subprocess
from pathlib import Path

import psutil
import pytest
from clihelp import Cli, plan_of, scores_of, tiny_model, write_questions
from clusterhelp import child_of, cluster

from llprobe.events import Failed, GroupScored, JobStarted
from llprobe.runner import run
from llprobe.store import Store

pytestmark = pytest.mark.alone
SOON = {"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "4s"}


def test_a_hung_workers_cells_are_computed_elsewhere(tmp_path: Path) -> None:
    models = [tiny_model(tmp_path, name, seed=n, n_layers=8) for n, name in enumerate("ab")]
    plan = plan_of(models, write_questions(tmp_path / "q.jsonl", 120, words=6))
    with Store(tmp_path / "whole.db") as store:
        list(run(plan, store, "llprobe run"))
    hung, groups = "", list[tuple[str, int]]()
    with (
        cluster(tmp_path / "c", ["w1", "w2"], **SOON) as made,
        made.hands() as hands,
        Store(tmp_path / "a.db") as store,
    ):
        for event in run(plan, store, "llprobe run", hands=hands):
            assert not isinstance(event, Failed)
            if isinstance(event, JobStarted) and not hung:
                cell = event.cells[0]
                hung = next(c.record["worker"] for c in store.cells(plan.id) if c.id == cell)
                child_of(made.workers[hung]).suspend()
                made.suspend(hung)
            if isinstance(event, GroupScored):
                groups.append((event.cell, event.group))
        assert store.runs()[0].status == "done"
        other = {"w1": "w2", "w2": "w1"}[hung]
        assert all(other in cell.record["worker"] for cell in store.cells(plan.id))
    assert any("is lost" in line and f"({hung})" in line for line in made.told)
    assert len(groups) == len(set(groups))
    assert scores_of(tmp_path / "a.db") == scores_of(tmp_path / "whole.db")


def test_a_command_whose_scheduler_hangs_can_be_ended(tmp_path: Path) -> None:
    cli, sweep = Cli(tmp_path), tmp_path / "s.yaml"
    model = tiny_model(tmp_path, n_layers=32)
    write_questions(tmp_path / "q.jsonl", 400, words=9)
    sweep.write_text(
        f"name: s\nmodels: {model}\ntasks: prompts\ndata: q.jsonl\n"
        "engine: {threads: 1, batch: 16}\n"
    )
    with cluster(tmp_path / "c", ["w"]) as made:
        command = cli.start("sweep", "run", sweep, "--cluster", made.address)
        child_of(made.workers["w"])
        psutil.Process(made.scheduler.pid).suspend()
        asked = ended_by_ctrl_c(command)
    assert asked <= 4  # the third does; a signal that comes with another may be lost
    assert command.returncode == 130


def ended_by_ctrl_c(command: "subprocess.Popen[str]") -> int:
    """Press Ctrl-C again and again; return how often it took."""
    for n in range(1, 9):
        command.send_signal(signal.SIGINT)
        try:
            _, err = command.communicate(timeout=3)
        except subprocess.TimeoutExpired:
            continue
        assert "Traceback" not in err
        return n
    command.kill()
    raise AssertionError("it could not be ended")
