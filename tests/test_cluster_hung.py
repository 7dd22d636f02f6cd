"""A worker that hangs, rather than dies: the scheduler gives it up after a time without a sign."""

from pathlib import Path

from clihelp import plan_of, scores_of, tiny_model, write_questions
from clusterhelp import child_of, cluster

from llprobe.events import Failed, GroupScored, JobStarted
from llprobe.runner import run
from llprobe.store import Store

SOON = {"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "4s"}


def test_a_hung_workers_cells_are_computed_elsewhere(tmp_path: Path) -> None:
    models = [tiny_model(tmp_path, name, seed=n, n_layers=8) for n, name in enumerate("ab")]
    plan = plan_of(models, write_questions(tmp_path / "q.jsonl", 30, words=6))
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
