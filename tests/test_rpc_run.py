"""Whole runs over an RPC server: what is stored, and what a server that goes away costs."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from clihelp import Cli, plan_of, scores_of, tiny_model, write_questions
from rpchelp import serving

from llprobe.events import Failed, GroupScored, JobDone, ModelLoaded
from llprobe.plan import Plan
from llprobe.runner import run
from llprobe.store import Store


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with two models and 24 questions, which take several groups."""
    folder = tmp_path_factory.mktemp("files")
    tiny_model(folder, "one", n_layers=8)
    tiny_model(folder, "two", seed=1)
    write_questions(folder / "q.jsonl", 24)
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "a.db") as store:
        yield store


def planned(files: Path, address: str = "") -> Plan:
    """Plan both models with one lens; over a server the cells are others."""
    plan = plan_of([files / "one.gguf", files / "two.gguf"], files / "q.jsonl")
    if not address:
        return plan
    cells = tuple(
        replace(cell, id=f"rpc{n}", settings=cell.settings.using([address]))
        for n, cell in enumerate(plan.cells)
    )
    return replace(plan, id="overrpc", cells=cells)


def values(path: Path, run_id: str) -> list[np.ndarray]:
    return [np.frombuffer(each) for _, each in sorted(scores_of(path, run_id).items())]


def test_a_run_over_a_server_is_the_cpu_s_and_says_where_it_ran(files: Path, store: Store) -> None:
    with serving() as (address, _):
        events = list(run(planned(files, address), store, "llprobe run"))
    assert not [event for event in events if isinstance(event, Failed)]
    loaded = next(event for event in events if isinstance(event, ModelLoaded))
    assert loaded.record["rpc_servers"] == address
    device = f"RPC0[{address}]"
    assert loaded.record["split"] == f"layers 1-8 {device}, head {device}"
    assert store.cells("overrpc")[0].record["split"] == loaded.record["split"]
    here = planned(files)
    list(run(here, store, "llprobe run"))
    there, mine = values(store.path, "overrpc"), values(store.path, here.id)
    assert len(there) == len(mine) == 48
    assert sorted(a.tobytes() for a in there) == sorted(a.tobytes() for a in mine)


def test_a_server_that_goes_away_costs_a_cell_that_can_be_tried_again(
    files: Path, store: Store
) -> None:
    with serving() as (address, computing):
        plan = planned(files, address)
        found, scored = [], 0
        with closing(run(plan, store, "llprobe run")) as events:
            for event in events:
                found.append(event)
                if isinstance(event, GroupScored) and not scored:
                    computing.kill()
                scored += isinstance(event, GroupScored)
    failures = [event for event in found if isinstance(event, Failed)]
    assert [failure.cells for failure in failures] == [("rpc0",), ("rpc1",)]
    assert failures[0].message.startswith(f"RPC server {address} is gone: start it again with ")
    assert "the same command" in failures[0].message
    assert f"no RPC server at {address}" in failures[1].message, "the next cell was tried"
    assert store.run(plan.id).status == "failed"
    kept = store.done_groups("rpc0")
    assert 0 < len(kept) == scored, "nothing that was scored is lost"

    with serving() as (other, _):
        moved = tuple(replace(c, settings=c.settings.using([other])) for c in plan.cells)
        again = list(run(replace(plan, cells=moved), store, "llprobe run"))
    assert sum(isinstance(event, JobDone) for event in again) == 2
    assert store.run(plan.id).status == "done"
    anew = {e.group for e in again if isinstance(e, GroupScored) and e.cell == "rpc0"}
    assert anew
    assert not kept & anew, "what was stored is not computed again"
    here = planned(files)
    list(run(here, store, "llprobe run"))
    there, mine = values(store.path, plan.id), values(store.path, here.id)
    assert sorted(a.tobytes() for a in there) == sorted(a.tobytes() for a in mine)


def test_the_command_line_runs_over_a_server(files: Path, tmp_path: Path) -> None:
    cli = Cli(tmp_path)
    with serving() as (address, _):
        words = ("--lens", "norm,raw", "--ablate", "none,skip:2", "--rpc", address)
        done = cli.run(files / "two.gguf", files / "q.jsonl", *words)
        alike = cli(
            "similarity", "-m", files / "two.gguf", "-t", "prompts", "--data", files / "q.jsonl",
            "--rpc", address, "-F", "json",
        )  # fmt: skip
    assert done.code == 0, done.err
    assert alike.code == 0, alike.err
    with Store(cli.db, create=False) as store:
        cells = store.cells(store.find_run("last"))
    assert [cell.status for cell in cells] == ["done"] * 4
    assert {cell.record["rpc_servers"] for cell in cells} == {address}
