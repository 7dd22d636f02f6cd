"""The child that reads strangers' files: its limits, its end, and that it gets in nobody's way."""

from __future__ import annotations

import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from taskhelp import ROWS, asker

from llprobe.children import ask
from llprobe.errors import TaskError, UnknownName, UsageError
from llprobe.events import Checked, CheckRequest
from llprobe.settings import EngineSettings, ReadingLimits
from llprobe.task import TaskRequest, bounded, load_definition, load_questions
from llprobe.task.bounded import Call, Raised

FREE = "import resource; resource.setrlimit(resource.RLIMIT_DATA, (-1, -1));"
"""Lifts the limit on memory, as where the system does not bind it."""
SCRIPT = """
import os, sys, threading
from llprobe.settings import ReadingLimits
from llprobe.task import TaskRequest, bounded, load_questions
asked = []
reading = lambda: asked.append(len(load_questions(TaskRequest(sys.argv[1])).items))
thread = threading.Thread(target=reading, daemon=True)
thread.start()
thread.join()
reading()
child = bounded._idle[0]
child._pipe.send(bounded.Call(exec, ("while True: pass",), {}, ReadingLimits(), "", {}))
print(*asked, child._child.pid, flush=True)
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def reader() -> Iterator[bounded._Reader]:
    reader = bounded._Reader()
    yield reader
    reader.end()


def call(function: object, *args: object, seconds: float = 30.0, megabytes: float = 300.0) -> Call:
    limits = ReadingLimits(seconds, megabytes)
    return Call(function, args, {}, limits, "", dict(os.environ))  # type: ignore[arg-type]


def task(folder: Path) -> str:
    asker(folder)()
    return str(folder / "t.yaml")


def why(reader: bounded._Reader, wanted: Call) -> str:
    with pytest.raises(bounded._DeathError) as death:
        reader.answer(wanted)
    return str(death.value)


def test_a_child_that_computes_too_long_is_ended_by_its_own_limit(reader: bounded._Reader) -> None:
    said = why(reader, call(exec, "while True: pass", seconds=1))
    assert "more than 1 s" in said
    assert "LLPROBE_READ_SECONDS" in said
    assert reader._child.returncode == -signal.SIGXCPU


def test_a_child_that_waits_for_ever_is_ended(reader: bounded._Reader) -> None:
    assert "LLPROBE_READ_SECONDS" in why(reader, call(time.sleep, 300, seconds=0.05))


def test_a_child_without_memory_says_so_and_can_go_on(reader: bounded._Reader) -> None:
    answer = reader.answer(call(exec, "[bytearray(1 << 20) for _ in range(1000)]"))
    assert isinstance(answer, Raised)
    assert isinstance(answer.error, MemoryError)
    assert reader.answer(call(len, "abc")) == 3


def test_memory_is_watched_where_the_system_does_not_bind_it(reader: bounded._Reader) -> None:
    wanted = call(exec, FREE + "held = b'x' * 400_000_000; import time; time.sleep(300)")
    assert "more than 300 MB" in why(reader, wanted)


def test_how_a_child_died_is_said(reader: bounded._Reader) -> None:
    assert "SIGABRT" in why(reader, call(os.abort))


def test_what_a_child_cannot_foresee_is_raised_with_its_traceback(reader: bounded._Reader) -> None:
    answer = reader.answer(call(int, "three"))
    assert isinstance(answer.error, ValueError)
    assert "_serve" in answer.error.__notes__[0]


def test_errors_with_names_cross_the_pipe() -> None:
    sent = UnknownName("task", "fact", ["facts"])
    back = pickle.loads(pickle.dumps(sent))
    assert (type(back), str(back), back.exit_code) == (UnknownName, str(sent), 2)
    with pytest.raises(UnknownName, match="did you mean facts"):
        load_questions(TaskRequest("fact", data="x.jsonl"))


def test_one_child_reads_one_thing_after_the_other(tmp_path: Path) -> None:
    path = task(tmp_path)
    load_definition(path)
    child = bounded._idle[0]
    assert len(load_questions(TaskRequest(path)).items) == 2
    assert bounded._idle == [child]


def test_bundled_tasks_need_no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "_answer", lambda _: pytest.fail("a child was asked"))
    assert load_definition("facts").name == "facts"
    assert len(load_questions(TaskRequest("facts", limit=2)).items) == 2


def test_a_child_that_is_gone_is_replaced(tmp_path: Path) -> None:
    path = task(tmp_path)
    load_definition(path)
    bounded._idle[0]._child.kill()
    bounded._idle[0]._child.wait()
    assert load_definition(path).name == "t"


def test_a_child_is_where_its_caller_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, name in enumerate(("one", "two"), start=1):
        (tmp_path / name).mkdir()
        asker(tmp_path / name)(ROWS[:number])
        monkeypatch.chdir(tmp_path / name)
        assert len(load_questions(TaskRequest("t.yaml")).items) == number
    with pytest.raises(TaskError):
        load_questions(TaskRequest("one/t.yaml"))


def test_threads_read_at_the_same_time(tmp_path: Path) -> None:
    path, done = task(tmp_path), []
    threads = [threading.Thread(target=lambda: done.append(load_definition(path))) for _ in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 3
    assert len(bounded._idle) == 1


def test_who_stops_waiting_leaves_no_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, children = task(tmp_path), []

    def interrupted(reader: bounded._Reader, _: ReadingLimits) -> None:
        children.append(reader._child)
        raise KeyboardInterrupt

    monkeypatch.setattr(bounded._Reader, "_watch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load_definition(path)
    assert children[0].returncode == -signal.SIGKILL
    monkeypatch.undo()
    assert load_definition(path).name == "t"


def test_a_script_without_a_main_guard_reads_and_leaves_no_child(tmp_path: Path) -> None:
    """Also from a daemon thread, and where the script is killed while the child computes."""
    command = [sys.executable, "-", task(tmp_path)]
    done = subprocess.run(command, input=SCRIPT, capture_output=True, text=True, check=False)
    first, second, child = done.stdout.split()
    assert (first, second) == ("2", "2")
    end = time.monotonic() + 30
    while psutil.pid_exists(int(child)) and _runs(int(child)):
        assert time.monotonic() < end
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_folder_with_modules_in_it_is_not_imported_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("yaml", "jinja2", "llprobe", "psutil", "numpy", "llama_cpp"):
        (tmp_path / f"{module}.py").write_text("raise SystemExit('a stranger ran')")
    monkeypatch.chdir(tmp_path)
    bounded._end_all()
    assert load_definition(task(tmp_path)).name == "t"
    assert ask(CheckRequest(None, EngineSettings()), Checked).facts


def test_no_python_is_started_that_imports_from_the_working_directory() -> None:
    top = Path(__file__).parents[1]
    modules = [*(top / "llprobe").rglob("*.py"), *(top / "tui").rglob("*.py")]
    starts = [
        (module.name, start)
        for module in modules
        for start in re.findall(r"\[sys\.executable, .*", module.read_text("utf-8"))
    ]
    assert len(starts) >= 8
    assert [start for start in starts if not start[1].startswith('[sys.executable, "-P", ')] == []


@pytest.mark.parametrize("name", ["LLPROBE_READ_SECONDS", "LLPROBE_READ_MB"])
def test_limits_that_are_no_numbers_are_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = task(tmp_path)
    monkeypatch.setenv(name, "inf")
    assert load_definition(path).name == "t"
    monkeypatch.setenv(name, "much")
    with pytest.raises(UsageError, match=f"{name}=much: must be a number of"):
        load_definition(path)
