"""Servers that compute wrongly, hang, or go one of two: what is said of whom."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from clihelp import Cli, plan_of, tiny_model, write_questions
from rpchelp import serving
from rpcproxy import Change, spoiled

from llprobe.events import Failed, GroupScored
from llprobe.plan import Plan
from llprobe.runner import run
from llprobe.store import Store


def times(factor: float) -> Change:
    def change(values: np.ndarray) -> None:
        values *= np.float32(factor)

    return change


def broken(values: np.ndarray) -> None:
    values[0] = np.nan


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving() as (address, _):
        yield address


@pytest.mark.parametrize(
    ("weight", "state", "change", "said"),
    [
        (b"blk.1.ffn_down.weight", b"", times(3), "differs from the CPU by up to"),
        (b"blk.1.ffn_down.weight", b"", broken, "gives what are no numbers from layer 2 on"),
        (b"", b"l_out-1", times(1.5), "differs from the CPU by up to 88% from layer 2 on"),
        (
            b"output.weight",
            b"",
            times(0),
            "agrees with the CPU to the last bit at every layer, but not in ",
        ),
    ],
)
def test_the_doctor_says_from_where_on_a_device_is_wrong(
    weight: bytes, state: bytes, change: Change, said: str, server: str, tmp_path: Path
) -> None:
    cli = Cli(tmp_path)
    model = tiny_model(tmp_path, n_layers=3)
    with spoiled(server, weight=weight, state=state, change=change) as address:
        done = cli("doctor", "-m", model, "--rpc", address, "-F", "json")
    assert done.code == 1
    assert said in done.line
    assert done.line.endswith("do not trust it, use the CPU without --rpc (-ngl 0)")
    (row,) = (row for row in done.rows if row["what"] == "device against CPU")
    assert said in row["value"]


def test_a_damaged_model_is_not_blamed_on_the_device(server: str, tmp_path: Path) -> None:
    model = tiny_model(tmp_path, zeroed=("output.weight",))
    done = Cli(tmp_path)("doctor", "-m", model, "--rpc", server)
    assert done.code == 2
    assert "not finite or all alike; the model file is damaged, get it anew" in done.line
    assert "unless" not in done.line


def far(plan: Plan, *servers: str) -> Plan:
    """Return a plan whose cells are computed at servers."""
    cells = (replace(cell, settings=cell.settings.using(servers)) for cell in plan.cells)
    return replace(plan, cells=tuple(cells))


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    model = tiny_model(tmp_path, n_layers=8)
    return plan_of([model], write_questions(tmp_path / "q.jsonl", 30, words=6))


@pytest.mark.parametrize("dies", [0, 1])
def test_of_two_servers_the_one_that_died_is_named(dies: int, plan: Plan, tmp_path: Path) -> None:
    failed = list[Failed]()
    with serving() as one, serving() as two, Store(tmp_path / "a.db") as store:
        (gone, process), (living, _) = (one, two)[dies], (one, two)[1 - dies]
        for event in run(far(plan, one[0], two[0]), store, "llprobe run"):
            if isinstance(event, GroupScored):
                process.kill()
            if isinstance(event, Failed):
                failed.append(event)
    (failure,) = failed
    assert f"RPC server {gone} is gone" in failure.message
    assert living not in failure.message


def test_a_server_that_does_not_answer_any_more_is_named(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLPROBE_STALL", "3")
    failed = list[Failed]()
    with serving() as (address, process), Store(tmp_path / "a.db") as store:
        for event in run(far(plan, address), store, "llprobe run"):
            if isinstance(event, GroupScored):
                process.suspend()
            if isinstance(event, Failed):
                failed.append(event)
        process.resume()
    (failure,) = failed
    assert f"perhaps RPC server {address} does not answer any more" in failure.message
    assert "nothing was heard of it for 0 s" not in failure.message


def test_a_sweeps_file_names_servers(server: str, tmp_path: Path) -> None:
    cli, sweep = Cli(tmp_path), tmp_path / "s.yaml"
    write_questions(tmp_path / "q.jsonl")
    text = f"name: s\nmodels: {tiny_model(tmp_path)}\ntasks: prompts\ndata: q.jsonl\n"
    sweep.write_text(f"{text}engine: {{threads: 1, rpc: ['{server}']}}\n")
    done = cli("sweep", "run", sweep)
    assert done.code == 0, done.err
    assert f"[{server}], 1 thread" in done.err
    assert "unencrypted" not in done.err
    with Store(cli.db) as store:
        (cell,) = store.cells(store.runs()[0].id)
    assert cell.record["rpc_servers"] == server
    assert server in cell.record["split"]
