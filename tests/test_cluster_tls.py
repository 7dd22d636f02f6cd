"""Clusters whose machines show certificates: the commands as typed, and strangers refused."""

import asyncio
import importlib
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest
import trustme
from clihelp import Cli, scores_of, tiny_model, write_questions
from clusterhelp import cluster, soon

from llprobe.cluster import Place, connect, hired


def certificates(folder: Path, authority: trustme.CA) -> list[str]:
    """Write what one machine needs; return the options that name it."""
    folder.mkdir()
    own = authority.issue_cert("127.0.0.1")
    parts = (own.cert_chain_pems[0], own.private_key_pem, authority.cert_pem)
    (folder / "c.pem").write_bytes(b"".join(part.bytes() for part in parts))
    return ["--tls", str(folder / "c.pem")]


def free_port() -> int:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def listens(port: int) -> bool:
    with closing(socket.socket()) as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0


class Secured:
    """A scheduler and a worker that only those whom `known` names can reach."""

    def __init__(self, folder: Path, known: list[str]) -> None:
        self.known, self.port = known, free_port()
        self.address = f"tls://127.0.0.1:{self.port}"
        self._cli = Cli(folder)
        self.started: list[subprocess.Popen[str]] = []
        self._start("scheduler", "--port", self.port)
        soon(lambda: listens(self.port), "a scheduler")
        self._start("worker", self.address, "--name", "safe")

    def _start(self, *words: object) -> None:
        with (self._cli.folder / "log").open("ab") as log:
            self.started.append(
                subprocess.Popen(
                    self._cli.command("cluster", *words, *self.known), env=self._cli.env,
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self._cli.folder,
                    text=True,
                )
            )  # fmt: skip

    def close(self) -> None:
        for process in reversed(self.started):
            process.terminate()  # so that dask ends what it has started itself
            process.wait(timeout=30)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("secured")
    made = Secured(folder, certificates(folder / "known", trustme.CA()))
    yield made
    made.close()


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    write_questions(tmp_path / "q.jsonl")
    path = tmp_path / "s.yaml"
    path.write_text(
        f"name: s\nmodels: {tiny_model(tmp_path)}\ntasks: prompts\ndata: q.jsonl\n"
        "engine: {threads: 1}\n"
    )
    return path


def in_folder(folder: Path) -> Cli:
    folder.mkdir()
    return Cli(folder)


def test_a_sweep_between_machines_that_know_each_other(
    secured: Secured, sweep: Path, tmp_path: Path
) -> None:
    home, away = in_folder(tmp_path / "home"), in_folder(tmp_path / "away")
    assert home("sweep", "run", sweep).code == 0
    done = away("sweep", "run", sweep, "--cluster", secured.address, *secured.known)
    assert done.code == 0, done.err
    assert scores_of(away.db) == scores_of(home.db)
    (cell,) = away("sweep", "show", "-F", "json").rows
    assert cell["machine"].endswith("(safe)")


def test_dasks_own_settings_hold_where_no_file_is_named(
    secured: Secured, sweep: Path, tmp_path: Path
) -> None:
    of, file = "DASK_DISTRIBUTED__COMM__TLS__", secured.known[-1]
    env = {f"{of}{name}": file for name in ("CA_FILE", "CLIENT__CERT", "CLIENT__KEY")}
    cli = Cli(tmp_path, **env)
    done = cli.process("sweep", "run", sweep, "--cluster", secured.address)
    assert done.code == 0, done.err


@pytest.mark.parametrize("stranger", ["another authority", "no certificate"])
def test_whoever_is_not_known_is_refused_in_one_line(
    stranger: str, secured: Secured, sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "_TIMEOUT", 3)
    address, own = secured.address, certificates(tmp_path / "own", trustme.CA())
    if stranger == "no certificate":
        address, own = address.replace("tls://", "tcp://"), []
    done = Cli(tmp_path)("sweep", "run", sweep, "--cluster", address, *own)
    assert done.code == 2
    assert f"no scheduler answers at {address}" in done.line
    assert "the cluster's file" in done.line


# --- who is reached from where ------------------------------------------------------------------


def ports(process: psutil.Process) -> list[tuple[str, int]]:
    """Give what a process and its children listen at."""
    family = (process, *process.children(recursive=True))
    return [port for member in family for port in _listening(member)]


def _listening(process: psutil.Process) -> list[tuple[str, int]]:
    try:
        found = process.net_connections(kind="tcp")
    except psutil.NoSuchProcess:  # it has just ended
        return []
    return [(c.laddr.ip, c.laddr.port) for c in found if c.status == psutil.CONN_LISTEN]


def test_programs_of_a_cluster_on_this_machine_are_reached_from_it_alone(secured: Secured) -> None:
    scheduler, worker = (psutil.Process(process.pid) for process in secured.started)
    # the nanny's port and those of its worker
    soon(lambda: len(ports(worker)) >= 3, "the worker's ports")
    open_ = ports(scheduler) + ports(worker)
    assert {host for host, _ in open_} == {"127.0.0.1"}


def test_a_stranger_on_this_machine_gets_nothing_done_by_local_workers() -> None:
    """Whoever knows the ports, and not the certificate, which is nowhere on the disk."""
    me = psutil.Process()
    before, children = set(ports(me)), me.children()
    with hired(Place(n_local=1), lambda _: None):
        new = lambda: next((c for c in me.children() if c not in children), None)  # noqa: E731
        worker = soon(new, "a worker")
        soon(lambda: ports(worker), "the worker's port")
        open_ = set(ports(me)) - before
        assert {host for host, _ in open_} == {"127.0.0.1"}
        for _, port in open_:
            assert not answers(port)


def test_a_plain_scheduler_answers_strangers(tmp_path: Path) -> None:
    """So what is refused above is refused by the certificates."""
    with cluster(tmp_path / "c") as made:
        assert answers(int(made.address.rpartition(":")[2]))


def answers(port: int) -> bool:
    """Whether a scheduler or a worker takes a stranger's connection."""
    dask: Any = importlib.import_module("distributed")

    async def greet() -> Any:
        async with dask.rpc(f"tcp://127.0.0.1:{port}", timeout=2) as peer:
            return await peer.identity()

    try:
        asyncio.run(asyncio.wait_for(greet(), 3))
    except (OSError, TimeoutError):
        return False
    return True
