"""`kill -9` at random moments, then the same command again: nothing is lost, doubled or different.

The moments are counted in stored groups, which is what can be seen from outside: a killed process
is between two of them, or in the middle of one.
"""

import os
import random
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from clihelp import Cli, scores_of, tiny_model, worker_of, write_questions

pytestmark = pytest.mark.alone

SECONDS = 30
N_ITEMS = 90


def stored(db: Path) -> int:
    """Count the groups that a reader from outside sees."""
    if not db.exists():
        return 0
    with sqlite3.connect(f"file:{db}?mode=ro", uri=True, timeout=5) as reader:
        try:
            (found,) = reader.execute("SELECT count(*) FROM scored_groups").fetchone()
        except sqlite3.OperationalError as error:
            if "no such table" not in str(error):
                raise
            found = 0
    reader.close()
    return int(found)


def wait_for(groups: int, db: Path, child: "subprocess.Popen[str]") -> int:
    """Wait until so many groups are stored, or the process is at its end; give their number."""
    end = time.monotonic() + SECONDS
    while (found := stored(db)) < groups and child.poll() is None:
        assert time.monotonic() < end, "the run does not come forward"
        time.sleep(0.002)
    return found


def kill_both(child: "subprocess.Popen[str]", worker: psutil.Process) -> None:
    """Kill the command's whole process group and its worker, as a power cut would."""
    os.killpg(child.pid, signal.SIGKILL)
    worker.kill()


def kill_command(child: "subprocess.Popen[str]", worker: psutil.Process) -> None:
    """Kill the command only; the worker must then end by itself."""
    child.kill()
    _, alive = psutil.wait_procs([worker], timeout=SECONDS)
    assert not alive, "the worker outlives its command"


def kill_worker(_: "subprocess.Popen[str]", worker: psutil.Process) -> None:
    """Kill the worker only; the command must say so."""
    worker.kill()


@pytest.fixture
def command(tmp_path: Path) -> tuple[object, ...]:
    model = tiny_model(tmp_path, n_layers=32)
    questions = write_questions(tmp_path / "q.jsonl", N_ITEMS, words=9)
    return ("run", "-m", model, "-t", "prompts", "--data", questions, "-b", 16)


KILLS = (kill_both, kill_worker, kill_command, kill_both)


def test_a_killed_run_continues_to_the_same_scores(
    tmp_path: Path, command: tuple[object, ...]
) -> None:
    (tmp_path / "whole").mkdir()
    whole = Cli(tmp_path / "whole")
    done = whole(*command)
    assert done.code == 0, done.err
    cli, n_groups = Cli(tmp_path), stored(whole.db)
    moments = sorted(random.Random(2).sample(range(1, n_groups * 3 // 4), len(KILLS)))
    for kill, moment in zip(KILLS, moments, strict=True):
        kill_at(kill, moment, cli, command)
    assert stored(cli.db) < n_groups, "no kill came in the middle"
    last = cli(*command)
    assert (last.code, last.out) == (0, done.out)
    assert stored(cli.db) == n_groups
    scores = scores_of(cli.db)
    assert len(scores) == N_ITEMS
    assert scores == scores_of(whole.db)


def kill_at(
    kill: Callable[["subprocess.Popen[str]", psutil.Process], None],
    moment: int,
    cli: Cli,
    command: tuple[object, ...],
) -> None:
    """Start the command, kill once `moment` groups are stored, and see that they stay."""
    child = cli.start(*command)
    worker = worker_of(child)
    seen = wait_for(moment, cli.db, child)
    kill(child, worker)
    _, err = child.communicate(timeout=SECONDS)
    assert stored(cli.db) >= seen >= moment
    assert "Traceback" not in err
    if kill is kill_worker:
        assert child.returncode == 1
        assert err.splitlines()[-1].startswith("error: tiny: the worker died of SIGKILL")
    else:
        assert child.returncode == -signal.SIGKILL


def test_a_run_killed_before_its_first_group_starts_anew(
    tmp_path: Path, command: tuple[object, ...]
) -> None:
    cli = Cli(tmp_path)
    child = cli.start(*command)
    kill_both(child, worker_of(child))
    child.communicate(timeout=SECONDS)
    done = cli(*command)
    assert done.code == 0, done.err
    assert len(scores_of(cli.db)) == N_ITEMS
