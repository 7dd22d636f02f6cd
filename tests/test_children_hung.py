"""Children that hang: how long one may be silent, and what says so."""

import re
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from childhelp import Starts, hasten, look_at, no_worker, note_starts, write_files
from clihelp import Cli

from llprobe import children
from llprobe.children import STALLED, Cancel, call
from llprobe.errors import UsageError
from llprobe.events import Failed
from llprobe.settings import patience

pytestmark = pytest.mark.alone


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_files(tmp_path_factory.mktemp("files"))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    hasten(monkeypatch)


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> Starts:
    return note_starts(monkeypatch)


# --- a child that hangs -------------------------------------------------------------------------


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("how", ["os.kill(os.getpid(), signal.SIGSTOP)", "time.sleep(600)"])
def test_a_child_that_does_nothing_is_stopped(how: str, files: Path, starts: Starts) -> None:
    starts.start = no_worker(how)
    (failed,) = call(look_at(files), stalled=1.0)
    assert isinstance(failed, Failed)
    assert failed.message.startswith("one: the worker hung: nothing was heard of it for ")
    assert "run it again, and try -ngl 0" in failed.message
    assert (failed.kind, failed.exit_code) == ("RunError", 1)
    assert not any(psutil.pid_exists(pid) for pid in starts.pids)
    assert len(starts.pids) == 1


class Clock:
    """Time as it is told, and processor time that a child has used by then."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, share: float) -> None:
        self.now, self.share, self.killed = 1000.0, share, False
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(psutil, "Process", lambda _: self)
        monkeypatch.setattr(children, "_LOOK", 60)
        child: Any = SimpleNamespace(pid=1, kill=self.kill)
        self.watch = children._Watch(child, Cancel(), stalled=300, silent=7200)

    def kill(self) -> None:
        self.killed = True

    def cpu_times(self) -> SimpleNamespace:
        return SimpleNamespace(user=self.now * self.share, system=0.0)

    def silent(self, seconds: float) -> None:
        """Let time pass, looking at the child every minute."""
        end = self.now + seconds
        while self.now < end and not self.killed:
            self.now = min(self.now + 60, end)
            self.watch.look()


def test_a_busy_child_may_be_silent_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model of many gigabytes may take an hour for one group of questions."""
    clock = Clock(monkeypatch, share=0.01)
    clock.silent(7000)
    assert not clock.killed
    clock.watch.heard()
    clock.silent(7000)
    assert not clock.killed
    clock.silent(300)
    assert clock.killed
    assert clock.watch.hung
    assert clock.watch.silence == pytest.approx(7260, abs=60)


def test_an_idle_child_may_be_silent_for_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, share=0.0)
    clock.silent(300)
    assert not clock.killed
    clock.watch.heard()
    clock.silent(300)
    assert not clock.killed
    clock.silent(120)
    assert clock.killed
    assert clock.watch.hung


def test_what_a_parent_sleeps_through_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was stopped itself, or did something else: the child may have waited for it."""
    clock = Clock(monkeypatch, share=0.0)
    clock.silent(240)
    clock.now += 10**6
    clock.watch.look()
    assert clock.watch.silence == 240 + 2 * 60
    assert not clock.killed
    clock.silent(120)
    assert clock.killed


def test_what_a_real_child_computes_is_seen() -> None:
    """Each time that a busy child is looked at it has worked since the time before."""
    with subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"]) as child:
        watch = children._Watch(child, Cancel(), stalled=600, silent=600)
        end = time.monotonic() + 60
        try:
            watch.look()
            for _ in range(3):
                used = watch._used
                while watch._used == used:
                    assert time.monotonic() < end, "it is never seen to work"
                    watch.look()
                assert watch.idle == 0.0
        finally:
            child.kill()
    assert not watch.hung


# --- what the environment says --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["LLPROBE_STALL", "LLPROBE_SILENT"])
@pytest.mark.parametrize("value", ["abc", "0", "-1", "nan", "5 min"])
def test_what_is_no_number_of_seconds_is_said_when_it_is_needed(
    name: str, value: str, files: Path, starts: Starts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    said = re.escape(f"{name}={value}: must be a number of seconds above 0, e.g. ")
    with pytest.raises(UsageError, match=said):
        next(call(look_at(files)))
    assert starts.pids == []


@pytest.mark.usefixtures("quick")
def test_the_environment_says_how_long_a_child_may_hang(
    files: Path, starts: Starts, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts.start = no_worker("time.sleep(600)")
    monkeypatch.setenv("LLPROBE_STALL", "0.5")
    (failed,) = call(look_at(files))
    assert isinstance(failed, Failed)
    assert "the worker hung" in failed.message
    starts.start = no_worker("while True: pass")
    monkeypatch.setenv("LLPROBE_STALL", "inf")
    monkeypatch.setenv("LLPROBE_SILENT", "0.5")
    (failed,) = call(look_at(files))
    assert isinstance(failed, Failed)
    assert "the worker hung" in failed.message


def test_where_the_environment_is_wrong_a_command_says_so_in_one_line(files: Path) -> None:
    cli = Cli(files, LLPROBE_STALL="abc")
    assert cli.process("ls").code == 1  # there is no database: it starts all the same
    ended = cli.process("run", "-m", files / "two.gguf", "-t", "calculation", "-L", "2")
    assert ended.code == 2
    assert ended.line == ("error: LLPROBE_STALL=abc: must be a number of seconds above 0, e.g. 300")


def test_a_child_has_some_minutes_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LLPROBE_STALL", raising=False)
    monkeypatch.setenv("LLPROBE_SILENT", "")
    assert 60 <= patience().stalled < patience().silent < STALLED
