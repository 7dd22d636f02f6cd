"""RPC servers from outside: addresses, greetings and settings."""

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from clihelp import tiny_model
from rpchelp import serving

from llprobe import lastwords
from llprobe.engine import rpc as engine_rpc
from llprobe.errors import RunError, UsageError
from llprobe.events import CheckRequest, QuantizeRequest
from llprobe.model import read_model
from llprobe.rpc import (
    PROTOCOL,
    answers,
    check_distinct,
    endpoint,
    greet,
    is_loopback,
    parse_servers,
)
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


@pytest.mark.parametrize("host", ["a..b", ".", ".a", "a" * 64, ".".join(["a" * 63] * 5)])
def test_what_can_be_no_host_is_refused(host: str) -> None:
    with pytest.raises(UsageError, match=r"^--rpc \S+:5: \S+ is no name of a host: write "):
        parse_servers(f"a:1,{host}:5")


def test_names_of_hosts_may_be_long_and_end_with_a_dot() -> None:
    found = (f"{'a' * 63}.b.:1", "a_b-c:2")
    assert parse_servers(found) == found


@pytest.mark.parametrize("host", ["a..b", ".a", "a" * 64, "é" * 64])
def test_what_can_be_no_host_has_no_endpoint(host: str) -> None:
    with pytest.raises(UsageError, match=r"^RPC server \S+:5: \S+ is no name of a host$"):
        endpoint(f"{host}:5")


def test_a_server_is_named_once() -> None:
    with pytest.raises(UsageError, match=r"^--rpc a:1 is given twice; give it once$"):
        parse_servers("a:1,b:1,a:1")


@pytest.mark.parametrize(
    ("one", "other"), [("localhost:5", "127.0.0.1:5"), ("127.0.0.1:5", "127.0.0.1:05")]
)
def test_a_server_under_two_names_is_one(one: str, other: str) -> None:
    with pytest.raises(UsageError, match=f"^--rpc {one} and {other} are one server; give it once$"):
        check_distinct([one, "127.0.0.1:6", "nowhere.invalid:5", other])


def test_servers_at_two_ports_are_two() -> None:
    check_distinct(["localhost:5", "127.0.0.1:6", "nowhere.invalid:5", "nowhere.invalid:6"])


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
    assert found.version == PROTOCOL, "PROTOCOL must be that of the llama.cpp that is installed"
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


@pytest.mark.parametrize("version", [(6, 0, 0), (8, 0, 0), (7, 9, 0), (7, 0, 9)])
def test_another_version(version: tuple[int, int, int]) -> None:
    def answer(line: socket.socket) -> None:
        line.recv(1 + 8 + 24)
        line.sendall(struct.pack("<QBBBB", 28, *version, 0) + bytes(24))

    theirs, ours = (r"\.".join(map(str, each)) for each in (version, PROTOCOL))
    said = f"speaks protocol {theirs}, this llama.cpp {ours}: install the same"
    with pretending(answer) as address, pytest.raises(RunError, match=said):
        greet(address)


def test_a_busy_server() -> None:
    over = threading.Event()
    with pretending(lambda _line: over.wait(10) and None) as address:
        with pytest.raises(RunError, match="one client at a time and may be busy"):
            greet(address, timeout=0.1)
        over.set()


def test_a_busy_server_that_lets_nobody_wait() -> None:
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1))
        for _ in range(4):  # greetings that were given up, which it has not taken yet
            line = stack.enter_context(socket.socket())
            line.settimeout(0)
            line.connect_ex(listener.getsockname())
        with pytest.raises(RunError, match=r"in its firewall\? Or it serves another client; wait"):
            greet(f"127.0.0.1:{listener.getsockname()[1]}", timeout=0.1)


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
    assert failed.message.startswith(f"RPC server {server} broke off")


def test_every_request_names_its_servers(tmp_path: Path) -> None:
    info = read_model(tiny_model(tmp_path))
    settings = EngineSettings().using(["a:1"])
    assert lastwords.servers_of(CheckRequest(info, settings)) == ("a:1",)
    assert lastwords.servers_of(QuantizeRequest(info, "Q8_0", "x", 1)) == ()


def test_a_build_without_rpc(monkeypatch: pytest.MonkeyPatch) -> None:
    engine_rpc._library.cache_clear()
    monkeypatch.setattr(engine_rpc, "available", lambda: False)
    with (
        pytest.raises(UsageError, match=r"built without RPC; build it: CMAKE_ARGS=.*GGML_RPC=ON"),
        engine_rpc.remote_devices(["127.0.0.1:1"]),
    ):
        raise AssertionError("there is no such library")
