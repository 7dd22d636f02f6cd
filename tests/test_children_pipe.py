"""What goes through a child's pipe: half events, requests to stop, and ticks meanwhile."""

import os
import re
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from childhelp import Starts, hasten, look_at, no_worker, note_starts, write_files

from llprobe.children import Cancel, call
from llprobe.events import Failed

SAYS_HALF = """
import struct
os.write(fd, struct.pack("!i", 1000) + b"the beginning of an event")
open(FLAG, "w").close()
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_files(tmp_path_factory.mktemp("files"))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    hasten(monkeypatch)


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> Starts:
    return note_starts(monkeypatch)


def watchers() -> list[threading.Thread]:
    """Give the threads that look after a child."""
    return [thread for thread in threading.enumerate() if "_go_on_looking" in thread.name]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("then", "said"),
    [
        ("os.kill(os.getpid(), signal.SIGSTOP)", "hung: nothing was heard of it for [12] s, "),
        ("time.sleep(600)", "hung: nothing was heard of it for [12] s, "),
        ("os.kill(os.getpid(), signal.SIGKILL)", "died of SIGKILL: "),
        ("sys.exit(3)", "ended with exit code 3"),
    ],
)
def test_a_child_that_ends_or_hangs_within_an_event_is_told(
    then: str, said: str, files: Path, tmp_path: Path, starts: Starts
) -> None:
    starts.start = no_worker(SAYS_HALF.replace("FLAG", repr(str(tmp_path / "flag"))) + then)
    started_at = time.monotonic()
    (failed,) = call(look_at(files), stalled=1.0)
    assert isinstance(failed, Failed)
    assert re.match(f"one: the worker {said}", failed.message), failed.message
    assert (tmp_path / "flag").exists()
    assert time.monotonic() - started_at < 30
    assert not any(psutil.pid_exists(pid) for pid in starts.pids)
    assert watchers() == []


@pytest.mark.usefixtures("quick")
def test_a_child_that_hangs_before_it_has_its_request_is_told(files: Path, starts: Starts) -> None:
    """More of a request than a pipe holds waits for the child to read it."""
    starts.start = no_worker("os.kill(os.getpid(), signal.SIGSTOP)")
    request = replace(look_at(files), text="the city " * 10**6)
    (failed,) = call(request, stalled=1.0)
    assert isinstance(failed, Failed)
    assert failed.message.startswith("one: the worker hung: ")


@pytest.mark.usefixtures("quick")
def test_a_busy_child_may_take_its_time_within_an_event(files: Path, starts: Starts) -> None:
    """Longer than an idle one may be silent; what it says in the end is heard."""
    code = """
import pickle, struct
event = pickle.dumps("said in two halves")
os.write(fd, struct.pack("!i", len(event)) + event[:5])
end = time.monotonic() + 2.5
while time.monotonic() < end: pass
os.write(fd, event[5:])
"""
    starts.start = no_worker(code)
    events: list[Any] = list(call(look_at(files), stalled=1.0))
    assert events == ["said in two halves"]


@pytest.mark.usefixtures("quick")
def test_requests_to_stop_are_heard_within_an_event(
    files: Path, tmp_path: Path, starts: Starts
) -> None:
    """The first at once, also by a child that goes on then; the second kills one that does not."""
    flag = tmp_path / "flag"
    half = SAYS_HALF.replace("FLAG", repr(str(flag)))
    starts.start = no_worker(half + "os.kill(os.getpid(), signal.SIGSTOP)")
    cancel, heard = Cancel(), list[float]()

    def handle(*_: object) -> None:
        cancel.request()
        heard.append(time.monotonic())

    def interrupt() -> None:
        end = time.monotonic() + 30
        while not flag.exists() and time.monotonic() < end:
            time.sleep(0.01)
        for n in range(2):
            time.sleep(0.3)  # in the middle of the event by now
            os.kill(os.getpid(), signal.SIGINT)
            while len(heard) == n and time.monotonic() < end:
                time.sleep(0.01)

    before = signal.signal(signal.SIGINT, handle)
    user = threading.Thread(target=interrupt)
    try:
        user.start()
        assert list(call(look_at(files), cancel, stalled=60)) == []
    finally:
        user.join()
        signal.signal(signal.SIGINT, before)
    assert (cancel.requests, len(heard)) == (2, 2)
    assert not any(psutil.pid_exists(pid) for pid in starts.pids)


@pytest.mark.usefixtures("quick")
def test_who_is_slow_to_take_what_is_said_does_not_make_the_child_hang(
    files: Path, starts: Starts
) -> None:
    """A child that waits for its parent uses no processor."""
    code = """
import pickle, struct
event = pickle.dumps("x" * 10**6)
for n in range(3):
    sent = struct.pack("!i", len(event)) + event
    while sent: sent = sent[os.write(fd, sent):]
"""
    starts.start = no_worker(code)
    taken = 0
    for event in call(look_at(files), stalled=0.5):
        assert not isinstance(event, Failed)
        taken += 1
        time.sleep(1.0)
    assert taken == 3


def test_a_child_that_was_killed_by_a_second_request_is_no_failure(
    files: Path, starts: Starts
) -> None:
    """Also if it is stopped and hears nothing."""
    starts.start = no_worker("os.kill(os.getpid(), signal.SIGSTOP)")
    cancel = Cancel()

    def tick() -> None:
        cancel.request()

    assert list(call(look_at(files), cancel, tick)) == []
    assert cancel.requests == 2


@pytest.mark.usefixtures("quick")
def test_ticks_come_while_a_child_is_silent(files: Path, tmp_path: Path, starts: Starts) -> None:
    """The child ends when the parent has ticked; until then it says nothing."""
    flag, ticks = tmp_path / "flag", list[float]()

    def tick() -> None:
        ticks.append(time.monotonic())
        if len(ticks) == 5:
            flag.touch()

    waits = f"while not os.path.exists({str(flag)!r}): time.sleep(0.01)\nsys.exit(7)"
    starts.start = no_worker(waits)
    (failed,) = call(look_at(files), tick=tick)
    assert isinstance(failed, Failed)
    assert len(ticks) >= 5
