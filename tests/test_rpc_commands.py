"""The commands about RPC servers: what `rpc serve` and `rpc check` say, and where `--rpc` ends."""

import json
import platform
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from clihelp import Cli, tiny_model
from rpchelp import serving

from llprobe import rpc
from llprobe import serving as lender
from llprobe.engine import ggml


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving() as (address, _):
        yield address


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found: int = listener.getsockname()[1]
        return found


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    tiny_model(tmp_path)
    return Cli(tmp_path)


def test_a_server_is_checked(cli: Cli, server: str) -> None:
    (row,) = cli("rpc", "check", server, "-F", "json").rows
    assert (row["server"], row["device"]) == (server, 0)
    assert row["protocol"].startswith("7.0.")
    assert 0 < row["free"] <= row["total"]


def test_servers_are_checked_one_by_one(cli: Cli, server: str) -> None:
    gone, unknown = f"127.0.0.1:{closed_port()}", "nowhere.invalid:5"
    done = cli("rpc", "check", f"{gone},{server},{unknown}", "-F", "json")
    assert done.code == 1
    assert [row["server"] for row in done.rows] == [server]
    first, second = done.err.splitlines()
    assert first.startswith(f"error: no RPC server at {gone} (")
    assert second == f"error: RPC server {unknown}: there is no host nowhere.invalid here"


def test_where_no_server_answers_there_is_no_table(cli: Cli) -> None:
    done = cli("rpc", "check", f"127.0.0.1:{closed_port()}")
    assert (done.code, done.out) == (1, "")
    assert done.line.startswith("error: no RPC server at ")


@pytest.mark.parametrize(
    ("servers", "said"),
    [
        ("a..b:5", "error: --rpc a..b:5: a..b is no name of a host: "),
        ("localhost:5,127.0.0.1:5", "error: --rpc localhost:5 and 127.0.0.1:5 are one server; "),
    ],
)
def test_what_names_no_servers_is_refused(cli: Cli, servers: str, said: str) -> None:
    model = ("-m", cli.folder / "tiny.gguf", "--rpc", servers)
    for words in [("rpc", "check", servers), ("doctor", *model), ("lens", "the", *model)]:
        done = cli(*words)
        assert done.line.startswith(said)
        assert done.code == 2


def test_a_port_that_is_taken(cli: Cli, server: str) -> None:
    done = cli("rpc", "serve", "--port", server.rpartition(":")[2])
    assert done.code == 2
    assert re.fullmatch(r"error: cannot listen at .* \(.*\): choose another --port", done.line)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--device", "GPU9"), "error: no device named 'GPU9'; "),
        (("--threads", "0"), "error: --threads 0: must be at least 1"),
        (("--host", "nowhere.invalid"), "error: --host nowhere.invalid: there is no such host"),
        (("--host", "a..b"), "error: --host a..b: there is no such host here; "),
        (("--host", "::1"), "error: --host ::1: llama.cpp's RPC cannot do IPv6; "),
        (("--host", "192.0.2.1"), "error: cannot listen at 192.0.2.1: give an address of this "),
    ],
)
def test_what_cannot_be_served(cli: Cli, words: tuple[str, ...], said: str) -> None:
    done = cli("rpc", "serve", "--port", "0", *words)
    assert done.line.startswith(said)
    assert done.code == 2


@pytest.mark.parametrize("host", ["a..b", ""])
def test_the_server_s_process_says_what_is_wrong_and_ends(host: str) -> None:
    command = [sys.executable, "-m", "llprobe.serving", host, "0", "1"]
    child = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert json.loads(child.stdout.readline()).get("code") == 2
        assert (child.wait(timeout=30), child.stderr.read()) == (2, "")


def test_an_abort_of_the_server_starts_no_debugger() -> None:
    with serving() as (_, computing):
        assert computing.environ()["GGML_NO_BACKTRACE"] == "1"


def test_a_cpu_lends_what_is_available(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = SimpleNamespace(available=5)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    cpu = ggml.Device(ggml.cpu_device())
    assert lender._described(cpu)["free"] == 5
    assert lender._described(cpu)["total"] == cpu.memory_total
    cpu.is_cpu, cpu.memory_free = False, 7
    assert lender._described(cpu)["free"] == 7


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
    port = address.rpartition(":")[2]
    assert f"at every address of this machine; use it with --rpc {platform.node()}:{port} or" in err
    assert "this address," not in err
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
