"""llprobe from Python: a model in this process, and stored runs as frames and arrays."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock, patch

import numpy as np
import pytest
from tinygguf import write_tiny

import llprobe
from llprobe.api import StoredCell, StoredRun
from llprobe.engine.probe import Probe
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


def test_a_closed_model_is_an_error_and_python_goes_on(tiny: Path) -> None:
    item = llprobe.Item("a", "one two", (" three", " four"), (0,), 0)
    model = llprobe.open_model(tiny, SETTINGS)
    assert "3 layers" in repr(model)
    model.close()
    model.close()
    with model:
        pass
    for use in (
        lambda: model.option_logprobs("one", [" two"]),
        lambda: model.score([item]),
        lambda: model.score([]),
    ):
        with pytest.raises(llprobe.UsageError, match="tiny is closed: open it again"):
            use()
    assert "closed" in repr(model)
    assert (model.name, model.n_layers, model.remarks) == ("tiny", 3, ())


def test_a_model_that_is_not_closed_is_freed_when_it_is_let_go_and_when_python_ends(
    tiny: Path,
) -> None:
    with llprobe.open_model(tiny, SETTINGS) as model:
        expected = model.option_logprobs("one", [" two", " three"])
    kept = llprobe.open_model(tiny, SETTINGS)
    with patch.object(Probe, "close", autospec=True, side_effect=Probe.close) as close:
        let_go = llprobe.open_model(tiny, SETTINGS)
        np.testing.assert_array_equal(let_go.option_logprobs("one", [" two", " three"]), expected)
        del let_go
        gc.collect()
        assert close.call_count == 1
    np.testing.assert_array_equal(kept.option_logprobs("one", [" two", " three"]), expected)
    kept.close()
    script = (
        "import sys, llprobe\n"
        "m = llprobe.open_model(sys.argv[1], llprobe.EngineSettings(n_threads=1))\n"
        "print(m.option_logprobs('one', [' two']).shape, flush=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, tiny], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "(1, 3)\n", "")


def test_what_a_notebook_shows_of_a_run_is_short(tiny: Path) -> None:
    prompt = "a long prompt " * 30
    choices = tuple(f" {n} a long choice" for n in range(40))
    item = llprobe.Item("n" * 500, prompt, choices, (0,), 0)
    with llprobe.open_model(tiny, SETTINGS) as model:
        scores, _ = model.score([item] * 9)
    record = Mock(task="t" * 500, model="m" * 500, lens="norm", layers=(1, 2, 3))
    cell = StoredCell(record, (Mock(),) * 5_000)
    stored = StoredRun("a" * 64, (cell,) * 10)
    assert "5000 items" in repr(cell)
    assert "10 cells" in repr(stored)
    for shown in (scores, stored, stored.cells):
        assert len(repr(shown)) < 2_000


def test_a_missing_database_is_said(tmp_path: Path) -> None:
    with pytest.raises(llprobe.StoreError, match="llprobe run"):
        llprobe.read_run("last", tmp_path / "none.db")
