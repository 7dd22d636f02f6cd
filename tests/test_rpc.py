"""RPC servers from outside: addresses, greetings, settings, and the commands about them."""

import json
import re
import signal
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import psutil
import pytest
from clihelp import Cli, tiny_model
from rpchelp import serving

from llprobe import lastwords, rpc
from llprobe.engine import rpc as engine_rpc
from llprobe.errors import RunError, UsageError
from llprobe.events import CheckRequest, QuantizeRequest
from llprobe.model import read_model
from llprobe.rpc import PROTOCOL, answers, greet, is_loopback, parse_servers
from llprobe.settings import EngineSettings, RpcSettings, settings_from
from llprobe.sweep import parse_sweep, to_yaml

SWEEP = "name: x\nmodels: [a]\ntasks: [lama]\n"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving() as (address, _):
        yield address


@contextmanager
def pretending(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Listen as something that is no server, and answer one client in its own way."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def one() -> None:
            line, _ = listener.accept()
            with line:
                answer(line)

        thread = threading.Thread(target=one, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        thread.join(timeout=10)


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found: int = listener.getsockname()[1]
        return found


# --- addresses and settings -----------------------------------------------------------------------


def test_addresses_are_read_from_a_text_or_a_list() -> None:
    found = ("a.local:1", "10.0.0.1:65535")
    assert parse_servers(" a.local:1, 10.0.0.1:65535") == parse_servers(found) == found


@pytest.mark.parametrize("text", ["a", "a:", ":1", "a:0", "a:65536", "a:b", "[::1]:5", "a:1,", ""])
def test_what_is_no_address_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--rpc .*: write HOST:PORT, e\.g\. "):
        parse_servers(text)


def test_a_server_is_named_once() -> None:
    with pytest.raises(UsageError, match=r"^--rpc a:1 is given twice; give it once$"):
        parse_servers("a:1,b:1,a:1")


def test_loopback_is_this_machine() -> None:
    assert all(is_loopback(each) for each in ("127.0.0.1", "127.3.2.1:5", "localhost:5"))
    assert not any(is_loopback(each) for each in ("10.0.0.1", "192.168.1.2:5", "example:5"))


def test_settings_without_servers_are_what_they_were() -> None:
    plain = EngineSettings(n_threads=1)
    assert type(plain.using(())) is EngineSettings
    assert "rpc" not in asdict(plain)
    assert plain.deciding() == asdict(plain)


def test_where_a_server_is_decides_nothing_but_that_there_is_one() -> None:
    plain = EngineSettings(n_threads=1)
    one, other = plain.using(["a:1"]), plain.using(["b:2", "c:3"])
    assert one.deciding() == other.deciding() == plain.deciding() | {"rpc": True}
    assert json.dumps(one.deciding()) != json.dumps(plain.deciding())


def test_settings_with_servers_are_settings() -> None:
    remote = EngineSettings(n_threads=3).using(["a:1"])
    assert isinstance(remote, RpcSettings)
    assert remote.reference().servers == replace(remote, force=True).servers == ("a:1",)
    assert remote.using(()) == EngineSettings(n_threads=3)
    assert settings_from(json.loads(json.dumps(asdict(remote)))) == remote
    assert settings_from(asdict(EngineSettings())) == EngineSettings()
    with pytest.raises(UsageError, match="at least 2 tokens"):
        replace(remote, n_batch=1)
    with pytest.raises(UsageError, match="--rpc a: write"):
        remote.using(["a"])


@pytest.mark.parametrize("written", ["a:1,b:2", "[a:1, b:2]", "['a:1', 'b:2']"])
def test_a_sweep_names_servers(written: str) -> None:
    spec = parse_sweep(f"{SWEEP}engine:\n  rpc: {written}\n  threads: 2\n", "x")
    assert spec.engine == EngineSettings(n_threads=2).using(["a:1", "b:2"])
    assert parse_sweep(to_yaml(spec), "x") == spec


def test_a_sweep_s_wrong_address_is_told_with_its_line() -> None:
    with pytest.raises(Exception, match=r"x, line 4.*rpc.*write HOST:PORT"):
        parse_sweep(f"{SWEEP}engine: {{rpc: [a]}}\n", "x")


# --- greetings ------------------------------------------------------------------------------------


def test_a_server_says_what_it_has(server: str) -> None:
    found = greet(server)
    assert found.version[:2] == PROTOCOL, "PROTOCOL must be that of the llama.cpp that is installed"
    ((free, total),) = found.memory
    assert 0 < free <= total
    assert greet(server) == replace(found, memory=greet(server).memory), "it serves the next one"


def test_nobody_there() -> None:
    address = f"127.0.0.1:{closed_port()}"
    with pytest.raises(RunError, match=r"no RPC server at .*: start one there with `llprobe rpc"):
        greet(address)
    assert not answers(address)


def test_no_such_host() -> None:
    with pytest.raises(RunError, match=r"there is no host nowhere\.invalid"):
        greet("nowhere.invalid:50052")


@pytest.mark.parametrize(
    "answer",
    [
        lambda line: line.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(100)),
        lambda line: line.sendall(b"\0"),
        lambda _line: None,
    ],
    ids=["a web server", "cut short", "closed at once"],
)
def test_somebody_else_there(answer: Callable[[socket.socket], None]) -> None:
    with pretending(answer) as address, pytest.raises(RunError, match="is no RPC server of versi"):
        greet(address)


@pytest.mark.parametrize("version", [(6, 0), (8, 0), (7, 9)])
def test_another_version(version: tuple[int, int]) -> None:
    def answer(line: socket.socket) -> None:
        line.recv(1 + 8 + 24)
        line.sendall(struct.pack("<QBBBB", 28, *version, 0, 0) + bytes(24))

    said = rf"speaks protocol {version[0]}\.{version[1]}, this llama.cpp 7\.0: install the same"
    with pretending(answer) as address, pytest.raises(RunError, match=said):
        greet(address)


def test_a_busy_server() -> None:
    over = threading.Event()
    with pretending(lambda _line: over.wait(10) and None) as address:
        with pytest.raises(RunError, match="one client at a time and may be busy"):
            greet(address, timeout=0.1)
        over.set()


# --- the worker's last words ----------------------------------------------------------------------


def test_ggml_s_last_words_are_about_a_server_only_where_there_is_one(server: str) -> None:
    said = "ggml-rpc.cpp:1: Remote RPC server crashed or returned malformed response"
    gone = f"127.0.0.1:{closed_port()}"
    assert lastwords.why_ended(said, ()) is None
    assert lastwords.why_ended("ggml.c:1: out of memory", (server,)) is None
    failed = lastwords.why_ended(said, (server, gone))
    assert failed is not None
    assert failed.message == (
        f"RPC server {gone} is gone: start it again with `llprobe rpc serve`, then run the same "
        "command again"
    )
    failed = lastwords.why_ended(said, (server,))
    assert failed is not None
    assert failed.message.startswith(f"RPC server {server} broke off; see what it printed: ")


def test_every_request_names_its_servers(tmp_path: Path) -> None:
    info = read_model(tiny_model(tmp_path))
    settings = EngineSettings().using(["a:1"])
    assert lastwords.servers_of(CheckRequest(info, settings)) == ("a:1",)
    assert lastwords.servers_of(QuantizeRequest(info, "Q8_0", "x", 1)) == ()


# --- commands -------------------------------------------------------------------------------------


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    tiny_model(tmp_path)
    return Cli(tmp_path)


def test_a_server_is_checked(cli: Cli, server: str) -> None:
    (row,) = cli("rpc", "check", server, "-F", "json").rows
    assert (row["server"], row["device"]) == (server, 0)
    assert row["protocol"].startswith("7.0.")
    assert 0 < row["free"] <= row["total"]


def test_a_port_that_is_taken(cli: Cli, server: str) -> None:
    done = cli("rpc", "serve", "--port", server.rpartition(":")[2])
    assert done.code == 2
    assert re.fullmatch(r"error: cannot listen at .* \(.*\): choose another --port, .*", done.line)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--device", "GPU9"), "error: no device named 'GPU9'; "),
        (("--threads", "0"), "error: --threads 0: must be at least 1"),
        (("--host", "nowhere.invalid"), "error: RPC server nowhere.invalid:0: there is no host"),
    ],
)
def test_what_cannot_be_served(cli: Cli, words: tuple[str, ...], said: str) -> None:
    done = cli("rpc", "serve", "--port", "0", *words)
    assert done.line.startswith(said)
    assert done.code in {1, 2}


def test_a_server_beyond_loopback_warns_and_ends_quietly(cli: Cli) -> None:
    child = cli.start("rpc", "serve", "--host", "0.0.0.0", "--port", "0")  # noqa: S104 - the test
    assert child.stdout is not None
    address = child.stdout.readline().strip()
    assert address.startswith("0.0.0.0:")
    (computing,) = psutil.Process(child.pid).children()
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=30)
    assert child.returncode == 0, err
    assert (out, "Traceback" in err) == ("", False)
    assert "WARNING: whoever reaches 0.0.0.0:" in err
    assert "no passwords and no encryption" in err
    assert not computing.is_running()


def test_a_server_does_not_outlive_its_command() -> None:
    with serving() as (_, computing):
        psutil.Process(computing.ppid()).kill()
        computing.wait(timeout=30)
    assert not computing.is_running()


def test_addresses_elsewhere_are_warned_of(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc, "endpoint", lambda _address: f"127.0.0.1:{closed_port()}")
    words = ("lens", "the", "-m", cli.folder / "tiny.gguf")
    done = cli("doctor", "--rpc", "192.0.2.1:5")
    assert "warning: model and texts go to 192.0.2.1:5 unencrypted" in done.err
    assert "no RPC server at 192.0.2.1:5" in done.line
    assert "warning" not in cli(*words, "--rpc", f"127.0.0.1:{closed_port()}").err


def test_a_build_without_rpc(monkeypatch: pytest.MonkeyPatch) -> None:
    engine_rpc._library.cache_clear()
    monkeypatch.setattr(engine_rpc, "available", lambda: False)
    with (
        pytest.raises(UsageError, match=r"built without RPC; build it: CMAKE_ARGS=.*GGML_RPC=ON"),
        engine_rpc.remote_devices(["127.0.0.1:1"]),
    ):
        raise AssertionError("there is no such library")


@pytest.mark.parametrize("words", [("lens", "the"), ("doctor",)], ids=["lens", "doctor"])
def test_a_command_with_no_server_there(cli: Cli, words: tuple[str, ...]) -> None:
    address = f"127.0.0.1:{closed_port()}"
    done = cli(*words, "-m", cli.folder / "tiny.gguf", "--rpc", address)
    assert done.code == 1
    assert f"no RPC server at {address}" in done.line


def test_the_doctor_compares_a_server_with_the_cpu(cli: Cli, server: str) -> None:
    done = cli("doctor", "-m", cli.folder / "tiny.gguf", "--rpc", server, "-F", "json")
    facts = {row["what"]: row["value"] for row in done.rows}
    device = f"RPC0[{server}]"
    assert facts["split"] == f"layers 1-3 {device}, head {device}"
    agrees = rf"{re.escape(device)} agrees with the CPU to .* at every layer"
    assert re.fullmatch(agrees, facts["device against CPU"])
    assert f"rpc {server}" in facts
    assert facts["rpc"].startswith("yes: ")


def test_the_doctor_has_nothing_to_compare_the_cpu_with(cli: Cli) -> None:
    rows = cli("doctor", "-m", cli.folder / "tiny.gguf", "-F", "json").rows
    facts = {row["what"]: row["value"] for row in rows}
    assert facts["device against CPU"].startswith("the CPU is the only device in use")
