"""A child ends with its parent, and one that does not stop when it is asked to is stopped."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from childhelp import Starts, hasten, note_starts, plan_with, worker, write_files
from clihelp import Cli, tiny_model, worker_of, write_questions

from llprobe import children
from llprobe.events import Failed, ModelLoaded
from llprobe.runner import Cancel, run
from llprobe.store import Store

pytestmark = pytest.mark.alone

SECONDS = 20
ENDLESS = (
    "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
    "{{ messages[0].content }}"
)
BUSY = {
    "asleep": "import time; time.sleep(600)",
    "busy": "while True: pass",
    "holding Python's lock": "import re; re.match('(n+)+$', 'n' * 90 + '?')",
}
STARTS = """
import subprocess, sys, threading, time
children = []

def start():
    command = [sys.executable, "-m", "llprobe.lifeline", "busy"]
    children.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
    children[0].stdout.readline()

thread = threading.Thread(target=start)
thread.start()
thread.join()
print(children[0].pid, flush=True)
time.sleep(600)
"""


def gone(process: psutil.Process) -> bool:
    return not psutil.wait_procs([process], timeout=SECONDS)[1]


@pytest.mark.parametrize("how", BUSY)
def test_a_child_ends_with_its_parent_and_not_before(how: str, tmp_path: Path) -> None:
    """The thread that started the child has long ended when the parent is killed."""
    if how == "holding Python's lock" and sys.platform != "linux":
        pytest.skip("only Linux ends a process that holds Python's lock")
    (tmp_path / "busy.py").write_text(f"print('here', flush=True)\n{BUSY[how]}\n")
    env = os.environ | {"PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", STARTS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=env, text=True) as parent:
        assert parent.stdout
        child = psutil.Process(int(parent.stdout.readline()))
        assert child.is_running()
        parent.kill()
    assert gone(child)


@pytest.fixture
def chat(tmp_path: Path) -> Cli:
    """Give a folder with questions and a model whose chat template never ends."""
    tiny_model(tmp_path, chat_template=ENDLESS)
    write_questions(tmp_path / "q.jsonl")
    return Cli(tmp_path, LLPROBE_READ_SECONDS="inf")


def start(cli: Cli) -> "tuple[subprocess.Popen[str], list[psutil.Process]]":
    """Start a run; return it with its worker, and the worker's child that renders."""
    model, data = cli.folder / "tiny.gguf", cli.folder / "q.jsonl"
    command = cli.start("run", "-m", model, "-t", "prompts", "--data", data, "--chat")
    child = worker_of(command)
    while not any(reader.cpu_times().user > 1.0 for reader in child.children()):
        assert command.poll() is None, command.communicate()
        time.sleep(0.05)
    return command, [child, *child.children()]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_no_worker_outlives_a_command_that_is_killed(number: int, chat: Cli) -> None:
    command, family = start(chat)
    command.send_signal(number)
    command.communicate(timeout=SECONDS)
    assert all(map(gone, family))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_ends_a_run_whose_worker_does_not_listen(number: int, chat: Cli) -> None:
    command, family = start(chat)
    command.send_signal(number)
    _, err = command.communicate(timeout=SECONDS)
    assert command.returncode == 130
    assert "Traceback" not in err
    assert all(map(gone, family))


# --- the same, from inside ----------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> Path:
    return write_files(tmp_path)


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Iterator[Starts]:
    """Have workers that never end their first group of items."""
    hasten(monkeypatch)
    starts = note_starts(monkeypatch)
    starts.start = worker(
        "def stuck(*_):\n    while True: pass\n    yield\nworker._score_job = stuck\n"
    )
    yield starts
    assert not any(psutil.pid_exists(pid) for pid in starts.pids)


def test_a_worker_that_was_asked_to_stop_has_its_time(
    files: Path, stuck: Starts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "_GRACE", 0.2)
    cancel, plan = Cancel(), plan_with(files, "one")
    with Store(files / "a.db") as store:
        for event in run(plan, store, "llprobe run", cancel):
            assert not isinstance(event, Failed)
            if isinstance(event, ModelLoaded):
                cancel.request()
        assert store.run(plan.id).status == "stopped"
    assert len(stuck.pids) == 1


def test_a_worker_whose_parent_turns_away_ends(
    files: Path, stuck: Starts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "_ABANDONED", 0.2)
    plan = plan_with(files, "one")
    with Store(files / "a.db") as store, closing(run(plan, store, "llprobe run")) as events:
        assert isinstance(next(events), ModelLoaded)
    assert len(stuck.pids) == 1
