"""Workers as `llprobe cluster worker` starts them: a nanny brings a killed one back at once."""

import socket
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from clihelp import plan_of, scores_of, tiny_model, write_questions
from clusterhelp import Cluster, child_of, cluster

from llprobe.events import Failed, GroupScored
from llprobe.plan import Plan
from llprobe.runner import run
from llprobe.store import Store

pytestmark = pytest.mark.alone


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    model = tiny_model(tmp_path, n_layers=16)
    return plan_of([model], write_questions(tmp_path / "q.jsonl", 60, words=6))


def killed_in_the_middle(made: Cluster, plan: Plan, store: Store) -> list[tuple[str, int]]:
    """Kill the one worker, but not its nanny, after the first group; return all groups."""
    groups, dead = list[tuple[str, int]](), False
    with made.hands() as hands:
        for event in run(plan, store, "llprobe run", hands=hands):
            assert not isinstance(event, Failed), event.message
            if isinstance(event, GroupScored):
                groups.append((event.cell, event.group))
                if not dead:
                    kill(child_of(made.workers["w"]))
                    dead = True
    return groups


def kill(child: psutil.Process) -> None:
    """Kill a worker in the middle: what scores below it is stopped first."""
    child.suspend()
    worker = child.parent()
    assert worker is not None
    worker.kill()
    child.kill()


def free_ports() -> list[str]:
    with closing(socket.socket()) as one, closing(socket.socket()) as two:
        for each in (one, two):
            each.bind(("127.0.0.1", 0))
        return [str(each.getsockname()[1]) for each in (one, two)]


@pytest.mark.parametrize("fixed", [False, True])
def test_a_worker_that_comes_back_computes_the_rest(
    fixed: bool, plan: Plan, tmp_path: Path
) -> None:
    ports = free_ports()
    words = ["--worker-port", ports[0], "--nanny-port", ports[1]] if fixed else []
    with cluster(tmp_path / "c") as made, Store(tmp_path / "a.db") as store:
        made.nanny("w", *words)
        groups = killed_in_the_middle(made, plan, store)
        assert store.runs()[0].status == "done"
    # nothing was computed twice, though dask would have
    assert len(groups) == len(set(groups))
    assert sum("(w) takes part" in line for line in made.told) == 2
    assert sum("(w) is lost" in line for line in made.told) == 1
    with Store(tmp_path / "whole.db") as store:
        list(run(plan, store, "llprobe run"))
    assert scores_of(tmp_path / "a.db") == scores_of(tmp_path / "whole.db")
