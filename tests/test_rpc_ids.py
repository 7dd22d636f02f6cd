"""Ids of cells over RPC servers: that there are servers decides them, not where they are."""

from pathlib import Path

import pytest
from clihelp import Cli, tiny_model, write_questions
from rpchelp import serving

from llprobe.model import read_model
from llprobe.plan import Plan, Sweep, make_plan
from llprobe.settings import EngineSettings
from llprobe.store import Store
from llprobe.task import TaskRequest


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    tiny_model(tmp_path)
    write_questions(tmp_path / "q.jsonl", 6)
    return Cli(tmp_path)


def planned(folder: Path, *servers: str) -> Plan:
    info, asked = read_model(folder / "tiny.gguf"), str(folder / "q.jsonl")
    settings = EngineSettings(n_threads=1).using(servers)
    return make_plan(Sweep((info,), (TaskRequest("prompts", data=asked),), settings=settings))


def test_where_a_server_is_does_not_decide_an_id(cli: Cli) -> None:
    here, one, other = (planned(cli.folder, *at) for at in ((), ("a:1",), ("b:2", "c:3")))
    assert one.cells[0].id == other.cells[0].id != here.cells[0].id
    assert one.id == other.id
    assert other.cells[0].settings.servers == ("b:2", "c:3"), "it runs there all the same"


def test_the_same_command_at_another_address_continues(cli: Cli) -> None:
    words = (cli.folder / "tiny.gguf", cli.folder / "q.jsonl", "--rpc")
    for _ in range(2):
        with serving() as (address, _):
            assert cli.run(*words, address).code == 0
    with Store(cli.db, create=False) as store:
        assert len(store.runs()) == 1
        assert len(store.cells(store.find_run("last"))) == 1
