"""A real process that carries a sweep out: found again, paused, killed, and gone on with."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from clihelp import scores_of, tiny_model, write_questions
from monitoring import again, opened, said
from settled import settle

from llprobe.errors import RunError, UsageError
from llprobe.sweep import parse_sweep
from llprobe.tui import process
from llprobe.tui.app import LlprobeApp
from llprobe.tui.screens.monitor import MonitorScreen
from llprobe.tui.screens.monitor.look import look
from llprobe.tui.screens.monitor.words import advice
from llprobe.tui.screens.newsweep import NewSweepScreen
from llprobe.tui.screens.newsweep import page as newsweep
from llprobe.tui.screens.newsweep.choices import Choices

SECONDS = 60


N_ITEMS = 600


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """See no model of this machine, and use one thread."""
    monkeypatch.setenv("LLPROBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LLPROBE_THREADS", "1")
    monkeypatch.setattr(NewSweepScreen, "WAIT", 0.0)
    monkeypatch.setattr(newsweep, "choices", lambda: Choices((), (), 1))


@pytest.fixture
def long_sweep(tmp_path: Path) -> str:
    """Give a sweep of a tiny model that takes some seconds, in many groups."""
    model = tiny_model(tmp_path, n_layers=32)
    questions = write_questions(tmp_path / "q.jsonl", N_ITEMS, words=9)
    return (
        f"name: tiny\nmodels: [{model}]\ntasks: [prompts]\ndata: {questions}\n"
        "engine: {threads: 1, batch: 16}\n"
    )


@pytest.fixture
def no_orphan() -> Iterator[None]:
    """Let no process outlive its test."""
    yield
    for pid, child in process._children.items():
        if child.poll() is None:
            os.killpg(pid, signal.SIGKILL)
            child.wait(SECONDS)


async def ended(pid: int) -> int:
    return await asyncio.to_thread(process._children[pid].wait, SECONDS)


async def scored(database: Path, n: int, pid: int) -> None:
    """Wait until `n` items are stored."""

    def wait() -> None:
        child = process._children[pid]
        while child.poll() is None:
            if look(database, "tiny").counts.get("items_done", 0) >= n:
                return
            with suppress(Exception):
                child.wait(0.02)
        raise AssertionError(process.log_of(database, "tiny").read_text())

    await asyncio.to_thread(wait)


@pytest.mark.asyncio
@pytest.mark.usefixtures("no_orphan")
async def test_a_sweep_outlives_the_interface(no_database: Path, long_sweep: str) -> None:
    app = LlprobeApp(no_database)
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(NewSweepScreen(long_sweep))
        await settle(pilot)
        await pilot.press("ctrl+r")
        await settle(pilot)
        monitor = app.screen
        assert isinstance(monitor, MonitorScreen)
        found = await again(pilot, monitor)
        assert found.pid is not None
    pid = found.pid
    with pytest.raises(UsageError, match="running already"):
        process.start(no_database, parse_sweep(long_sweep, "x"))
    app = LlprobeApp(no_database)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, "tiny")
        await scored(no_database, 1, pid)
        found = await again(pilot, screen)
        assert found.pid == pid
        assert found.workers == (f"process {pid}",)
        await pilot.press("p")
        assert await ended(pid) == 130
        found = await again(pilot, screen)
        assert found.run is not None
        assert (found.run.status, found.works) == ("paused", False)
        assert 0 < found.counts["items_done"] < N_ITEMS
        assert any("asked to pause" in line for line in found.log)
        await pilot.press("r")
        await settle(pilot)
        second = (await again(pilot, screen)).pid
        assert second is not None
        assert await ended(second) == 0
        found = await again(pilot, screen)
        assert advice(found) == "all of it is done; Enter opens it"
    assert len(scores_of(no_database)) == N_ITEMS


@pytest.mark.asyncio
@pytest.mark.usefixtures("no_orphan")
async def test_a_killed_sweep_is_said_and_goes_on(no_database: Path, long_sweep: str) -> None:
    pid = process.start(no_database, parse_sweep(long_sweep, "x"))
    await scored(no_database, 1, pid)
    os.killpg(pid, signal.SIGKILL)
    await ended(pid)
    app = LlprobeApp(no_database)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, "tiny")
        assert "the process that ran it is gone" in said(screen, "#advice")
        await pilot.press("r")
        await settle(pilot)
        found = await again(pilot, screen)
        assert found.pid is not None
        assert await ended(found.pid) == 0
        assert (await again(pilot, screen)).counts["items_done"] == N_ITEMS


@pytest.mark.usefixtures("no_orphan")
def test_a_process_that_prepares_is_cancelled(no_database: Path, long_sweep: str) -> None:
    spec = parse_sweep(long_sweep, "x")
    pid = process.start(no_database, spec)
    assert process.alive(no_database, "tiny") == pid
    with pytest.raises(UsageError, match="does not score yet"):
        process.stop(no_database, "tiny", "pause")
    assert "cancelled" in process.stop(no_database, "tiny", "cancel")
    assert process._children[pid].wait(SECONDS) != 0
    assert process.alive(no_database, "tiny") is None


def test_what_cannot_be_written_is_said(tmp_path: Path, long_sweep: str) -> None:
    (tmp_path / "sweeps").write_text("in the way")
    with pytest.raises(RunError, match=r"cannot write .*sweeps"):
        process.start(tmp_path / "llprobe.db", parse_sweep(long_sweep, "x"))


@pytest.mark.asyncio
@pytest.mark.usefixtures("no_orphan")
async def test_the_environment_can_name_a_cluster(
    no_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLPROBE_CLUSTER", "local:1")
    model, questions = tiny_model(tmp_path), write_questions(tmp_path / "q.jsonl")
    text = f"name: far\nmodels: [{model}]\ntasks: [prompts]\ndata: {questions}\n"
    pid = process.start(no_database, parse_sweep(text, "x"))
    assert await ended(pid) == 0, process.log_of(no_database, "far").read_text()
    app = LlprobeApp(no_database)
    async with app.run_test(size=(140, 40)) as pilot:
        monitor = await opened(pilot, "far")
        await settle(pilot)
        assert monitor.found is not None
        assert monitor.found.rows[0]["machine"].endswith("(local-1)")
