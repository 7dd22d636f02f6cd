"""llprobe from Python: a model in this process, and stored runs as frames and arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tinygguf import write_tiny

import llprobe
from llprobe.events import Failed
from llprobe.model import read_model
from llprobe.plan import Sweep, make_plan
from llprobe.runner import run
from llprobe.store import Store

SETTINGS = llprobe.EngineSettings(n_threads=1)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("api") / "tiny.gguf", n_layers=3)


def test_open_model_scores_items_and_single_prompts_alike(tiny: Path) -> None:
    item = llprobe.Item("a", "one two", (" three", " four five"), (0,), 0)
    with llprobe.open_model(tiny, SETTINGS) as model:
        scores, skipped = model.score([item], lens="paper")
        alone = model.option_logprobs("one two", [" three", " four five"], lens="paper")
        some = model.option_logprobs("one two", [" three"], layers="-1")
    assert not skipped
    assert scores[0].logprob.shape == (2, 3) == alone.shape
    assert scores[0].layers == (1, 2, 3)
    np.testing.assert_array_equal(scores[0].logprob, alone)
    np.testing.assert_array_equal(scores[0].mc1, scores[0].logprob[0] > scores[0].logprob[1])
    assert some.shape == (1, 1)
    assert np.isclose(some[0, 0], alone[0, 2], rtol=1e-3)


def test_a_prompt_longer_than_the_context_is_an_error_that_says_so(tiny: Path) -> None:
    settings = llprobe.EngineSettings(n_threads=1, n_ctx=16)
    with (
        llprobe.open_model(tiny, settings) as model,
        pytest.raises(llprobe.UsageError, match=r"needs \d+ tokens"),
    ):
        model.option_logprobs("many words " * 40, [" a"])


def test_unknown_models_and_choices_missing_are_errors(tiny: Path) -> None:
    with (
        pytest.raises(llprobe.UnknownName, match="smollm2-135m"),
        llprobe.open_model("smolm2-135m"),
    ):
        pass
    with llprobe.open_model(tiny, SETTINGS) as model, pytest.raises(llprobe.UsageError):
        model.option_logprobs("one", [])


def test_a_stored_run_is_read_as_frame_and_arrays(tiny: Path, tmp_path: Path) -> None:
    request = llprobe.TaskRequest("calculation", limit=6)
    plan = make_plan(Sweep((read_model(tiny),), (request,), ("norm", "raw"), settings=SETTINGS))
    with Store(tmp_path / "runs.db") as store:
        assert not [e for e in run(plan, store, "test") if isinstance(e, Failed)]
    stored = llprobe.read_run(plan.id[:6], tmp_path / "runs.db")
    assert [cell.record.lens for cell in stored.cells] == ["norm", "raw"]
    cell = stored.cells[0]
    assert cell.curve().accuracy.shape == (3,)
    first = cell.items[0]
    np.testing.assert_array_equal(cell.logprob(first.item.id), first.logprob)
    with pytest.raises(llprobe.UsageError, match="no item"):
        cell.logprob("nothing")
    frame = stored.frame()
    assert len(frame) == 2 * 6 * 4 * 3
    rows = frame[(frame.lens == "norm") & (frame.item == first.item.id) & (frame.option == 1)]
    assert rows.layer.tolist() == [1, 2, 3]
    assert rows.logprob.tolist() == first.logprob[1].tolist()
    assert frame[frame.best].correct.all()


def test_a_missing_database_is_said(tmp_path: Path) -> None:
    with pytest.raises(llprobe.StoreError, match="llprobe run"):
        llprobe.read_run("last", tmp_path / "none.db")
