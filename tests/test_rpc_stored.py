"""What is stored of cells over RPC servers once these are elsewhere: priors, settings, records."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clihelp import Cli, tiny_model, write_questions
from rpchelp import serving

from llprobe import likeness
from llprobe.children import Cancel
from llprobe.events import Event, GroupScored, ItemResult, ModelLoaded, StatesRequest
from llprobe.ledger import Ledger, Share
from llprobe.model import read_model
from llprobe.plan import Cell, Plan, Sweep, make_plan
from llprobe.runner import run
from llprobe.settings import EngineSettings
from llprobe.store import Store
from llprobe.task import TaskRequest
from llprobe.worker import carry_out


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with a model and questions that take several groups."""
    folder = tmp_path_factory.mktemp("files")
    tiny_model(folder)
    write_questions(folder / "q.jsonl", 24)
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "a.db") as store:
        yield store


def planned(files: Path, *servers: str, pmi: bool = False, **more: Any) -> Plan:
    """Plan the model over servers; `more` are the engine's settings, or lenses."""
    asked = TaskRequest("prompts", data=str(files / "q.jsonl"))
    lenses = more.pop("lenses", ("norm",))
    settings = EngineSettings(**{"n_threads": 1, "n_batch": 16, **more}).using(servers)
    requests = (asked, replace(asked, prior=True)) if pmi else (asked,)
    sweep = Sweep((read_model(files / "tiny.gguf"),), requests, lenses, settings=settings)
    return make_plan(sweep)


def group_of(cell: Cell, group: int, items: Sequence[int]) -> GroupScored:
    """Make scores up."""
    scores = [np.full((len(cell.questions.items[i].choices), 3), -1.0 - i) for i in items]
    results = tuple(ItemResult(i, (1,) * len(of), of) for i, of in zip(items, scores, strict=True))
    return GroupScored(cell.id, group, results, 1)


def begin(store: Store, plan: Plan, *, scored: Sequence[Cell] = ()) -> None:
    """Write a plan down, and scores of all items of some cells."""
    store.begin(plan, "llprobe run")
    for cell in scored:
        store.add_group(group_of(cell, 0, range(len(cell.questions.items))))


def has_priors(store: Store, plan: Plan) -> bool:
    """Whether scores and priors find each other, in both ways of reading."""
    rows = store.option_rows(plan.cells[0].id)
    ((_, items),) = store.probed(plan.id)
    found = {row.prior is not None for row in rows} | {item.prior is not None for item in items}
    assert len(rows) == len(items) == 24
    assert len(found) == 1, "both ways agree"
    return found.pop()


# --- priors -------------------------------------------------------------------------------------


def test_pmi_outlives_a_change_of_address(tmp_path: Path) -> None:
    cli = Cli(tmp_path)
    words = (tiny_model(tmp_path), write_questions(tmp_path / "q.jsonl", 6))
    for more in ((), ("--pmi",)):
        with serving() as (address, _):
            done = cli.run(*words, *more, "--rpc", address)
            assert done.code == 0, done.err
    shown = cli("show", "last", "--metric", "pmi")
    assert shown.code == 0, shown.err


def test_priors_are_found_wherever_servers_were(files: Path, store: Store) -> None:
    first = planned(files, "a:1")
    begin(store, first, scored=first.cells)
    both = planned(files, "b:2", "c:3", pmi=True)
    begin(store, both, scored=both.cells[1:])
    assert has_priors(store, both)
    begin(store, planned(files, "d:4"))
    assert {len(cell.settings["rpc"]) for cell in store.cells(both.id)} == {1, 2}
    assert has_priors(store, both), "the questions alone were asked at another address since"


def test_priors_are_found_whether_loading_was_forced(files: Path, store: Store) -> None:
    first, both = planned(files), planned(files, pmi=True, force=True)
    begin(store, first, scored=first.cells)
    begin(store, both, scored=both.cells[1:])
    begin(store, first)
    assert {cell.settings["force"] for cell in store.cells(both.id)} == {False, True}
    assert has_priors(store, both)


def test_priors_without_servers_are_not_those_over_servers(files: Path, store: Store) -> None:
    here, there = planned(files, pmi=True), planned(files, "a:1", pmi=True)
    begin(store, here, scored=here.cells)
    begin(store, there, scored=there.cells[:1])
    assert has_priors(store, here)
    assert not has_priors(store, there)


# --- settings -----------------------------------------------------------------------------------


def test_a_cell_run_again_holds_today_s_addresses(
    files: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for servers in (("a:1",), ("b:2", "c:3")):
        begin(store, planned(files, *servers))
    (cell,) = store.cells(store.find_run("last"))
    assert cell.settings["rpc"] == ["b:2", "c:3"]
    asked: list[tuple[str, ...]] = []

    def call(request: StatesRequest, _: Cancel) -> Iterator[Event]:
        asked.append(request.settings.servers)
        return carry_out(replace(request, settings=request.settings.using(())))

    monkeypatch.setattr(likeness, "call", call)
    likeness.similarity_of_runs(store, ["last"])
    assert asked == [("b:2", "c:3")], "states are read where the servers are now"


# --- records ------------------------------------------------------------------------------------


def share_of(store: Store, plan: Plan) -> Share:
    """Begin a plan, and give all of it as one worker's share."""
    store.begin(plan, "llprobe run")
    with store.working(plan.id) as owner:
        ledger = Ledger(plan, store, owner, Cancel())
    ((model, jobs),) = plan.jobs()
    return ledger.share(model, jobs)


def hear(share: Share, *events: Event) -> None:
    for event in events:
        assert list(share.take(event))


def loaded(servers: str) -> ModelLoaded:
    return ModelLoaded({"rpc_servers": servers, "split": f"at {servers}"}, 1.0)


def test_a_record_names_all_servers_that_computed_a_part(files: Path, store: Store) -> None:
    plan = planned(files, "a:1", lenses=("norm", "raw"))
    one, other = plan.cells

    def records() -> list[str]:
        return [cell.record["rpc_servers"] for cell in store.cells(plan.id)]

    hear(share_of(store, plan), loaded("a:1"), group_of(one, 0, [0]))
    assert records() == ["a:1", "a:1"]
    moved = share_of(store, plan)
    hear(moved, loaded("b:2, c:3"))
    assert records() == ["a:1", "b:2, c:3"], "nothing of the second was computed at a:1"
    hear(moved, group_of(one, 1, [1]), group_of(other, 1, [1]))
    assert records() == ["a:1, b:2, c:3", "b:2, c:3"]
    assert store.cells(plan.id)[0].record["split"] == "at b:2, c:3", "the last that was heard of"
    hear(share_of(store, plan), loaded("c:3"), group_of(one, 2, [2]))
    assert records() == ["a:1, b:2, c:3", "b:2, c:3"], "each is named once"
    store.begin(plan, "llprobe run", fresh=True)
    hear(share_of(store, plan), loaded("c:3"))
    assert records() == ["c:3", "c:3"], "what is forgotten was computed nowhere"


def test_a_run_that_continues_elsewhere_names_both(files: Path, store: Store) -> None:
    with serving() as (first, _):
        cancel = Cancel()
        with closing(run(planned(files, first), store, "llprobe run", cancel)) as events:
            for event in events:
                if isinstance(event, GroupScored) and not cancel.requests:
                    cancel.request()
    assert 0 < store.runs()[0].n_done < 24, "it was stopped on its way"
    with serving() as (second, _):
        list(run(planned(files, second), store, "llprobe run"))
    (cell,) = store.cells(store.find_run("last"))
    assert (cell.status, cell.record["rpc_servers"]) == ("done", f"{first}, {second}")
    assert cell.settings["rpc"] == [second]
    with serving() as (third, _):
        both = planned(files, third, lenses=("norm", "raw"))
        list(run(both, store, "llprobe run"))
    where = [cell.record["rpc_servers"] for cell in store.cells(both.id)]
    assert where == [f"{first}, {second}", third], "nothing of the first lens was computed again"
