"""`llprobe tui --web`: a real server, asked by hand: who is let in, how it begins and ends."""

import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from clihelp import Cli
from webserver import PATIENCE, UPGRADE, Served, serving_at

from llprobe.errors import UsageError
from llprobe.tui.web.door import Door
from llprobe.tui.web.server import listen


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve the example; what is wished for in the environment must not reach a tab."""
    folder = tmp_path_factory.mktemp("web") / "a folder"
    with serving_at(folder, LLPROBE_WEB="1", LLPROBE_PORT="1") as serving:
        yield serving


# --- who is let in --------------------------------------------------------------------------


def test_the_page_is_given_by_both_names_of_this_machine(served: Served) -> None:
    for name in ("127.0.0.1", "localhost", "LocalHost"):
        host = f"{name}:{served.at.port}"
        answer = served.ask(Host=host, Origin=f"http://{host}")
        assert answer.status == 200
        assert f"ws://{host}{served.at.path}ws" in answer.text


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{}", "127.0.0.1:1", "127.0.0.1"])
def test_other_names_are_refused(served: Served, host: str) -> None:
    for path in ("", "/static/js/textual.js"):
        answer = served.ask(path, Host=host.format(served.at.port))
        assert answer.status == 403
        assert f"ssh -L {served.at.port}:127.0.0.1" in answer.text


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://{}", "http://{}.evil.example", ""]
)
def test_pages_of_others_cannot_drive_the_interface(served: Served, origin: str) -> None:
    own = {"Origin": origin.format(served.host)} if origin else {}
    answer = served.ask(f"{served.at.path}ws", **own, **UPGRADE)
    assert answer.status == 403
    assert "its own page only" in answer.text
    assert served.children() == []


def test_without_the_key_nothing_is_given(served: Served) -> None:
    assert served.ask("/").status == 403
    assert served.ask("/no-such-key/").status == 404
    own = {"Origin": f"http://{served.host}"} | UPGRADE
    assert served.ask("/ws", **own).status == 404
    assert served.ask("/download/none").status == 404


def test_other_sites_cannot_frame_or_read_the_page(served: Served) -> None:
    answer = served.ask()
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-eval" not in policy
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    (nonce,) = re.findall(r"'nonce-([^']+)'", policy)
    assert f'nonce="{nonce}"' in answer.text
    refused = served.ask(Host="evil.example")
    assert "script-src 'none'" in refused.headers["Content-Security-Policy"]


def test_only_this_machine_can_reach_it(served: Served) -> None:
    listening = [
        each.laddr.ip
        for each in psutil.Process(served.process.pid).net_connections()
        if each.status == psutil.CONN_LISTEN
    ]
    assert listening == ["127.0.0.1"]


def test_the_door_knows_the_port_that_names_leave_out() -> None:
    assert Door(80).refusal("localhost", "http://localhost", drives=True) == ""
    assert Door(80).refusal("localhost:80", None) == ""
    assert Door(8000).refusal("localhost", None)


# --- how it begins and ends -----------------------------------------------------------------


def test_ctrl_c_ends_it_and_its_tabs_without_a_word(tmp_path: Path) -> None:
    with serving_at(tmp_path / "x") as serving, serving.tab():
        behind = serving.children()
        assert len(behind) == 1
        assert serving.line == f"llprobe is at {serving.address} until Ctrl-C\n"
        assert serving.end() == (0, "")
        gone, alive = psutil.wait_procs(behind, PATIENCE)
        assert (len(gone), alive) == (1, [])
        assert serving.left() == []


def test_a_tab_that_is_closed_ends_its_process(served: Served) -> None:
    with served.tab():
        behind = served.children()
        assert [each.cmdline()[-2:] for each in behind] == [["tui", "--demo"]]
    assert psutil.wait_procs(behind, PATIENCE)[1] == []
    assert served.left() == []


def test_tabs_end_with_a_server_that_was_killed(tmp_path: Path) -> None:
    with serving_at(tmp_path / "x") as serving, serving.tab():
        behind = serving.children()
        serving.process.kill()
        assert psutil.wait_procs(behind, PATIENCE)[1] == []
        assert serving.left() == []


def test_a_tab_opens_the_database_that_was_named(tmp_path: Path) -> None:
    wanted = tmp_path / "it's here $HOME.db"
    with serving_at(tmp_path / "x", "--db", str(wanted), "--theme", "light") as serving:
        assert "#fbfbf8" in serving.ask().text
        with serving.tab("Runs"):
            (behind,) = serving.children()
            assert behind.cmdline()[-4:] == ["--db", str(wanted), "--theme", "light"]


def test_the_command_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cli = Cli(tmp_path)
    assert "--web only" in cli("tui", "--port", "8000").line
    assert "needs a terminal" in cli("tui", LLPROBE_PORT="8000").line
    assert "65535" in cli("tui", "--web", "--port", "65536").line
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = cli("tui", "--web", "--port", port)
    assert said.code == 2
    assert f"port {port} is taken" in said.line
    assert "--port" in said.line
    for name in ("server", "tab"):
        monkeypatch.delitem(sys.modules, f"llprobe.tui.web.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "textual_serve", None)
    assert "pip install 'llprobe[web]'" in cli("tui", "--web").line


def test_a_port_that_may_not_be_had_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: tuple[str, int]) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket, "create_server", refuse)
    with pytest.raises(UsageError, match=r"port 80 cannot be used: Permission denied; .*--port"):
        listen(80)
