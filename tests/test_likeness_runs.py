"""Models that cannot be compared, comparisons that go wrong, and those of stored runs."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from clihelp import tiny_model, write_rows
from stateshelp import PLAIN, models_of, questions_of, work_inside, write_files

from llprobe import children
from llprobe.children import Cancel
from llprobe.errors import LlprobeError, RunError, UnknownName, UsageError
from llprobe.likeness import Reading, layer_similarity, similarity_of_runs
from llprobe.model import read_model
from llprobe.plan import Sweep, make_plan
from llprobe.report.similarity import Similarity
from llprobe.store import Store
from llprobe.task import TaskRequest


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_files(tmp_path_factory.mktemp("files"))


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch) -> None:
    work_inside(monkeypatch)


# --- what is refused, and what goes wrong -------------------------------------------------------


def test_what_cannot_be_compared_is_refused(files: Path) -> None:
    questions, models = questions_of(files), models_of(files, "one", "two", "short")
    for given in ([], models):
        with pytest.raises(UsageError, match=f"{len(given)} models are given: name one, or two"):
            layer_similarity(given, questions)
    few = replace(questions, items=questions.items[:3])
    with pytest.raises(UsageError, match="prompts has 3 questions with different prompts, CKA"):
        layer_similarity(models[:1], few)
    with pytest.raises(UsageError, match="no position 'first'; known: last, mean"):
        Reading(position="first")
    with pytest.raises(UsageError, match="a batch of 3: CKA needs at least 4 items"):
        Reading(batch=3)
    with pytest.raises(UsageError, match="--layers 4: this model has layers 0 to 3"):
        layer_similarity(models[:1], questions, Reading(layers="4"))


def test_a_model_that_is_gone_is_one_line(files: Path, tmp_path: Path) -> None:
    path = tiny_model(tmp_path, "gone")
    model = read_model(path)
    path.unlink()
    with pytest.raises(LlprobeError, match=r"gone\.gguf") as found:
        layer_similarity([model], questions_of(files), Reading(engine=PLAIN))
    assert "\n" not in str(found.value)


def dying(n_batches: int) -> Callable[[int, IO[bytes]], "subprocess.Popen[bytes]"]:
    """Start real workers that kill themselves after some batches."""
    program = f"""
import os, signal, sys
from llprobe import worker
from llprobe.events import StatesBatch

real = worker._states

def sabotaged(request):
    for event in real(request):
        if isinstance(event, StatesBatch) and event.batch == {n_batches}:
            os.kill(os.getpid(), signal.SIGKILL)
        yield event

worker._states = sabotaged
worker.main(int(sys.argv[1]))
"""
    return lambda fd, noise: subprocess.Popen(
        [sys.executable, "-c", program, str(fd)],
        pass_fds=(fd,), stdout=noise, stderr=noise, process_group=0,
    )  # fmt: skip


def test_a_child_that_is_killed_is_one_line(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "_start", dying(1))
    with pytest.raises(RunError, match=r"^one: the worker died of SIGKILL: ") as found:
        layer_similarity(
            models_of(files, "one", "two"), questions_of(files), Reading(batch=6, engine=PLAIN)
        )
    assert "\n" not in str(found.value)


def test_stopping_ends_in_an_interrupt(files: Path) -> None:
    cancel = Cancel()

    def watch(_model: str, done: int, _total: int) -> None:
        if done:
            cancel.request()

    with pytest.raises(KeyboardInterrupt):
        layer_similarity(
            models_of(files, "one"), questions_of(files), Reading(batch=4, engine=PLAIN), cancel,
            watch,
        )  # fmt: skip


# --- stored runs ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stored(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a database with runs of one model, of another, of both, and of one more.

    What a run has scored does not matter here: nothing is.
    """
    path = tmp_path_factory.mktemp("stored") / "a.db"
    requests = (TaskRequest("prompts", data=str(files / "q.jsonl"), limit=20),)
    named = {"first": ("one",), "second": ("two",), "pair": ("one", "two"), "all": ()}
    with Store(path) as store:
        for name, models in named.items():
            infos = tuple(models_of(files, *(models or ("one", "two", "short"))))
            sweep = Sweep(infos, requests, settings=PLAIN, pmi=True)
            store.begin(make_plan(sweep, name), "llprobe run")
    return path


def same(a: Similarity, b: Similarity) -> None:
    assert (a.labels, a.task, a.layers_a, a.layers_b, a.n_items) == (
        b.labels, b.task, b.layers_a, b.layers_b, b.n_items
    )  # fmt: skip
    np.testing.assert_array_equal(a.matrix, b.matrix)


@pytest.mark.usefixtures("inside")
def test_runs_give_models_and_questions(files: Path, stored: Path) -> None:
    asked = questions_of(files)
    asked = replace(asked, items=asked.items[:20])
    expected = layer_similarity(models_of(files, "one", "two"), asked, Reading(engine=PLAIN))
    with Store(stored) as store:
        same(similarity_of_runs(store, ["first", "second"]), expected)
        same(similarity_of_runs(store, ["pair"], "prompts"), expected)
        alone = similarity_of_runs(store, ["first", "first"], n_items=12)
    assert alone.is_one_model
    assert alone.n_items == 12


def test_runs_that_cannot_be_compared_are_refused(files: Path, stored: Path) -> None:
    with Store(stored) as store:
        with pytest.raises(UsageError, match="3 models are given"):
            similarity_of_runs(store, ["all"])
        with pytest.raises(UnknownName, match="no task in this run named 'facts'"):
            similarity_of_runs(store, ["first"], "facts")
        data = (files / "q.jsonl").read_text()
        rows = [{"id": "new", "prompt": "the city", "choices": [" a", " b"], "correct": [0]}]
        try:
            write_rows(files / "q.jsonl", rows)
            with pytest.raises(UsageError, match="asks other questions than the run did"):
                similarity_of_runs(store, ["first"])
        finally:
            (files / "q.jsonl").write_text(data)
        (files / "one.gguf").rename(files / "moved.gguf")
        try:
            with pytest.raises(UsageError, match="one is no longer at "):
                similarity_of_runs(store, ["first"])
            tiny_model(files, "one", seed=9)
            with pytest.raises(UsageError, match="is no longer the one of the run"):
                similarity_of_runs(store, ["first"])
        finally:
            (files / "moved.gguf").replace(files / "one.gguf")
