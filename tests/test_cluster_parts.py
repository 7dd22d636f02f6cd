"""The pure parts of clusters: addresses, machines, what is asked for and how it fails."""

import datetime as dt
import importlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from clihelp import Cli, tiny_model, write_questions

from llprobe.cli.hire import hiring
from llprobe.cluster import (
    Place,
    check_certificate,
    connect,
    divided,
    hired,
    make_certificate,
    parse_place,
)
from llprobe.cluster.bring import bring
from llprobe.cluster.orders import Message, Wanted, pack, unpack, wanted
from llprobe.errors import ModelFileError, RunError, UsageError
from llprobe.machine import performance_cores
from llprobe.model import read_model
from llprobe.paths import certificate_path
from llprobe.places import continued, is_placed
from llprobe.settings import EngineSettings


@pytest.mark.parametrize(
    ("typed", "place"),
    [
        ("local:2", Place(n_local=2)),
        ("tls://lab-3.example.org:8786", Place("tls://lab-3.example.org:8786")),
        ("tls://10.0.0.7:1", Place("tls://10.0.0.7:1")),
        ("tcp://[::1]:8786", Place("tcp://[::1]:8786")),
    ],
)
def test_addresses(typed: str, place: Place) -> None:
    assert parse_place(typed) == place
    assert str(place) == typed


@pytest.mark.parametrize("address", ["tcp://10.0.0.7:8786", "tcp://lab-3:1", "tcp://[fe80::1]:1"])
def test_plain_connections_stay_on_this_machine_unless_they_are_wanted(
    address: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="is not encrypted"):
        parse_place(address)
    assert parse_place(address, insecure=True) == Place(address)
    words = ["cluster", "worker", address], ["cluster", "check", address]
    for command in (*words, ["sweep", "resume", "s", "--cluster", address]):
        done = Cli(tmp_path)(*command)
        assert done.code == 2
        assert "--insecure" in done.line


@pytest.mark.parametrize("typed", ["", "local:0", "local", "tcp://host", "http://h:1", "tcp://h:x"])
def test_what_is_no_address_is_said(typed: str) -> None:
    with pytest.raises(UsageError, match="write tcp://HOST:8786"):
        parse_place(typed)


def test_threads_are_divided_among_local_workers_unless_given() -> None:
    usual, given_ = EngineSettings(), EngineSettings(n_threads=3)
    each = max(1, performance_cores() // 2)
    assert divided(usual, Place(n_local=2)).n_threads == each
    assert divided(given_, Place(n_local=2)) == given_
    assert divided(usual, Place("tcp://h:1")) == usual


def test_the_machines_of_a_cell_are_kept_in_order() -> None:
    now = {"k": "v", "host": "b", "worker": "2"}
    one = continued({"host": "a", "worker": "1", "k": "u"}, now, "home")
    assert one == {"k": "v", "host": "a, b", "worker": "1, 2"}
    assert continued(one, {"host": "b", "worker": "3"}, "home") == {
        "host": "a, b", "worker": "1, 2, 3",
    }  # fmt: skip
    assert continued({}, now, "home") == {"k": "v", "host": "home, b", "worker": "2"}
    assert continued(now, now, "home") == now
    assert is_placed(now)
    assert not is_placed({"k": "v"})


def test_messages_come_as_they_went() -> None:
    message = Message("share", 3, "a line")
    assert unpack(pack(message)) == message


# --- models -------------------------------------------------------------------------------------


def no_stop() -> bool:
    return False


def test_a_file_is_found_in_the_workers_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("LLPROBE_CACHE", str(cache))
    model = read_model(tiny_model(tmp_path, "one"))
    there = replace(model, paths=(tmp_path / "elsewhere" / "one.gguf",))
    with pytest.raises(UsageError, match="not in the catalog: copy it to"):
        bring(Wanted(there), str, no_stop)
    (cache / "mine").mkdir(parents=True)
    model.paths[0].rename(cache / "mine" / "one.gguf")
    found = bring(Wanted(there), str, no_stop)
    assert found.paths == (cache / "mine" / "one.gguf",)
    assert (found.name, found.fingerprint) == ("one", model.fingerprint)
    tiny_model(cache / "mine", "one", seed=4)
    with pytest.raises(ModelFileError, match="is not the same file"):
        bring(Wanted(there), str, no_stop)


def test_a_quant_whose_source_is_not_known_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLPROBE_CACHE", str(tmp_path))
    model = read_model(tiny_model(tmp_path, "one"))
    quant = replace(model, origin="quantized", name="one-12345678:Q8_0")
    assert wanted(quant, ()).source is None
    with pytest.raises(UsageError, match="what it was made from is not known"):
        bring(Wanted(quant), str, no_stop)


def test_a_stop_while_another_worker_fetches_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLPROBE_CACHE", str(tmp_path))
    model = read_model(tiny_model(tmp_path, "one"))

    def stop() -> bool:
        """Be asked while the lock is held, which a second caller meets."""
        with pytest.raises(RunError, match="stopped before the model was there"):
            bring(Wanted(model), str, lambda: True)
        return True

    held = replace(model, origin="quantized", name="one-12345678:Q8_0")
    with pytest.raises(RunError, match="stopped before"):
        bring(Wanted(held, Wanted(model)), str, stop)


# --- what is asked for --------------------------------------------------------------------------


@pytest.fixture
def shut() -> Iterator[int]:
    """Give a port at which nobody listens."""
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    write_questions(tmp_path / "q.jsonl")
    path = tmp_path / "s.yaml"
    path.write_text(f"name: s\nmodels: {tiny_model(tmp_path)}\ntasks: prompts\ndata: q.jsonl\n")
    return path


def test_a_scheduler_that_is_not_there(
    shut: int, sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "_TIMEOUT", 1)
    done = Cli(tmp_path)("sweep", "run", sweep, "--cluster", f"tcp://127.0.0.1:{shut}")
    assert done.code == 2
    assert f"no scheduler answers at tcp://127.0.0.1:{shut}" in done.line


def test_certificates_are_asked_for_and_checked(tmp_path: Path) -> None:
    with (
        pytest.raises(UsageError, match="needs the cluster's file: give it as --tls"),
        hired(Place("tls://127.0.0.1:1"), str),
    ):
        pass
    files = {"none.pem": None, "empty.pem": "", "text.pem": "no certificate"}
    for name, text in files.items():
        path = tmp_path / name
        if text is not None:
            path.write_text(text, encoding="ascii")
        with (
            pytest.raises(UsageError, match=f"{name} cannot be used as the cluster's file"),
            hired(Place("tls://127.0.0.1:1", certificate=path), str),
        ):
            pass


def test_options_that_do_not_go_together(sweep: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="belongs to --cluster"):
        hiring(None, Path("c.pem"), insecure=False)
    for address in ("tcp://h:1", "local:2"):
        with pytest.raises(UsageError, match=f"{address} is none"):
            hiring(address, Path("c.pem"), insecure=False)
    with sweep.open("a", encoding="utf-8") as file:
        file.write("engine: {rpc: ['127.0.0.1:50052']}\n")
    done = Cli(tmp_path)("sweep", "run", sweep, "--cluster", "local:1")
    assert done.code == 2
    assert "do not go together" in done.line


def test_without_the_extra_one_line_says_what_to_install(
    sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str) -> Any:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(connect, "import_module", absent)
    for words in (("sweep", "run", sweep, "--cluster", "local:1"), ("cluster", "scheduler")):
        done = Cli(tmp_path)(*words)
        assert done.code == 2
        assert done.line.endswith("pip install 'llprobe[cluster]'")


def test_dask_is_imported_only_when_it_is_asked_for(tmp_path: Path) -> None:
    code = (
        "import sys, llprobe.cli.sweep, llprobe.cluster.work; print('distributed' in sys.modules)"
    )
    assert run_python(code, tmp_path).strip() == "False"


def run_python(code: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.parametrize(
    ("words", "program", "given_"),
    [
        (("scheduler", "--port", "1"), "scheduler", ["--host", "127.0.0.1", "--port", "1"]),
        (("worker", "tls://h:1", "--name", "n"), "worker", ["tls://h:1", "--nthreads", "1"]),
    ],
)
def test_the_cluster_commands_become_dasks(
    words: tuple[str, ...], program: str, given_: list[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    became = list[list[str]]()

    def become(_: str, words: list[str]) -> None:
        became.append(words)

    monkeypatch.setattr("os.execv", become)
    file = tmp_path / "c.pem"
    make_certificate(file)
    assert file.stat().st_mode & 0o777 == 0o600
    done = Cli(tmp_path)("cluster", *words, "--tls", file)
    assert done.code == 0, done.err
    ((_, _, _, module, *rest),) = became
    assert module == f"distributed.cli.dask_{program}"
    assert rest[: len(given_)] == given_
    given = ["--tls-ca-file", "--tls-cert", "--tls-key"]
    assert rest[-6:] == [word for name in given for word in (name, str(file))]


def test_a_scheduler_for_other_machines_makes_the_clusters_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    became = list[list[str]]()
    monkeypatch.setattr("os.execv", lambda _, words: became.append(words))
    home = {"HOME": str(tmp_path), "XDG_DATA_HOME": ""}
    cli, everywhere = Cli(tmp_path, **home), "0.0.0.0"  # noqa: S104 - nothing listens
    first = cli("cluster", "scheduler", "--host", everywhere)
    with monkeypatch.context() as patch:
        for name, value in home.items():
            patch.setenv(name, value)
        path = certificate_path()
    made = path.read_bytes()
    assert f"made {path}" in first.err
    assert "llprobe cluster worker tls://0.0.0.0:8786 --tls cluster.pem" in first.err
    assert became[0][-8:-6] == ["--protocol", "tls"]
    cli("cluster", "scheduler", "--host", everywhere)
    assert path.read_bytes() == made
    # whoever connects from this machine has the file
    cli("cluster", "worker", "tls://h:1")
    assert became[-1][-1] == str(path)


def test_a_plain_scheduler_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    became = list[list[str]]()
    monkeypatch.setattr("os.execv", lambda _, words: became.append(words))
    cli = Cli(tmp_path)
    assert "whoever is logged in to this machine" in cli("cluster", "scheduler").err
    said = cli("cluster", "scheduler", "--host", "10.0.0.1", "--insecure").err
    assert "whoever reaches 10.0.0.1:8786 can run programs" in said
    assert not any("--tls-key" in words for words in became)


def test_an_expired_file_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c.pem"
    make_certificate(path)
    check_certificate(path)

    class Later(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> "Later":
            return cls(2100, 1, 1, tzinfo=tz)

    monkeypatch.setattr(dt, "datetime", Later)
    with pytest.raises(UsageError, match="has expired: remove it"):
        check_certificate(path)
    with pytest.raises(UsageError, match="cannot write"):
        make_certificate(path)


# --- what a large sweep takes -------------------------------------------------------------------


def test_a_large_model_is_reckoned_by_its_sizes() -> None:
    folder = str(Path(__file__).parent / "bench")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        scaling: Any = importlib.import_module("scaling")
    model = scaling.Model(10, 100, 1000, 1.2e6, 4e9)
    assert (model.flop_per_token, model.flop_per_row) == (2e6, 2e6)
    work, large = scaling.Work(1024, 100), scaling.Machine(1e6, 2e6, 5e9)
    assert scaling.alone(work, model, large) == 2048 + 100
    small = scaling.Machine(1e6, 2e6, 2e9)
    assert scaling.alone(work, model, small) == 2148 + 2 * 4e9 / 2e9
    sent = 1024 * 400 + 100 * 400 * 10 * 2
    assert scaling.over_rpc(work, model, small, 2, 1000) == 2148 + sent / 1000
    with pytest.raises(ValueError, match="do not hold"):
        scaling.over_rpc(work, model, small, 1, 1000)
