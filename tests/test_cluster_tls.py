"""Clusters whose machines show certificates: the commands as typed, and strangers refused."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trustme
from clihelp import Cli, scores_of, tiny_model, write_questions
from clusterhelp import soon

from llprobe.cluster import connect


def certificates(folder: Path, authority: trustme.CA) -> list[str]:
    """Write what one machine needs; return the options that name it."""
    folder.mkdir()
    own = authority.issue_cert("127.0.0.1")
    files = {name: folder / f"{name}.pem" for name in ("ca", "cert", "key")}
    authority.cert_pem.write_to_path(str(files["ca"]))
    own.cert_chain_pems[0].write_to_path(str(files["cert"]))
    own.private_key_pem.write_to_path(str(files["key"]))
    return [word for name, file in files.items() for word in (f"--tls-{name}", str(file))]


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
        self._started: list[subprocess.Popen[str]] = []
        self._start("scheduler", "--port", self.port)
        soon(lambda: listens(self.port), "a scheduler")
        self._start("worker", self.address, "--name", "safe")

    def _start(self, *words: object) -> None:
        with (self._cli.folder / "log").open("ab") as log:
            self._started.append(
                subprocess.Popen(
                    self._cli.command("cluster", *words, *self.known), env=self._cli.env,
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self._cli.folder,
                    text=True,
                )
            )  # fmt: skip

    def close(self) -> None:
        for process in reversed(self._started):
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
    given: dict[str, Any] = dict(zip(secured.known[::2], secured.known[1::2], strict=True))
    of = "DASK_DISTRIBUTED__COMM__TLS__"
    env = {
        f"{of}CA_FILE": given["--tls-ca"],
        f"{of}CLIENT__CERT": given["--tls-cert"],
        f"{of}CLIENT__KEY": given["--tls-key"],
    }
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
    assert "the certificates" in done.line
