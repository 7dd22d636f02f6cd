"""Sweeps from a spec to stored scores: models set aside, what is new, what is retried, names."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from clihelp import scores_of, tiny_model
from conducthelp import (
    LADDER,
    by_model,
    carried_out,
    counted_starts,
    of_kind,
    own_cache,
    scored_cells,
    sweep,
    write_files,
)

from llprobe.conduct import Prepared, prepare, spec_of_run
from llprobe.errors import ModelFileError, UnknownName, UsageError
from llprobe.events import Failed
from llprobe.model import ModelInfo, quant_path, read_model
from llprobe.plan import Plan
from llprobe.store import Store
from llprobe.sweep import ModelEntry, parse_sweep


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_files(tmp_path_factory.mktemp("files"))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return own_cache(tmp_path, monkeypatch)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "a.db") as store:
        yield store


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    return counted_starts(monkeypatch)


def rows(store: Store, table: str) -> int:
    with sqlite3.connect(store.path) as db:
        (found,) = db.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - a test's own
    db.close()
    return int(found)


# --- models that cannot be used -----------------------------------------------------------------


def test_models_that_cannot_be_used_are_set_aside(files: Path, store: Store) -> None:
    damaged = files / "damaged.gguf"
    damaged.write_bytes((files / "one.gguf").read_bytes()[:3000])
    spec = sweep(files, "gone", "one", "damaged", "none*")
    prepared = prepare(spec)
    assert [model.name for model in prepared.models] == ["one"]
    names = [str(files / f"{name}.gguf") for name in ("gone", "damaged", "none*")]
    assert [each.name for each in prepared.unusable] == names
    plans: list[Plan] = []
    events = carried_out(spec, store, planned=plans.append)
    failed = of_kind(events, Failed)
    assert len(failed) == 3
    for failure, name in zip(failed, names, strict=True):
        assert failure.message.count(name) == 1
        assert failure.cells == ()
        assert "\n" not in failure.message
    assert [len(plan.cells) for plan in plans] == [1]
    assert by_model(store) == {"one": "done"}
    assert store.runs()[0].status == "failed"  # not all that was asked for is there
    damaged.unlink()


def test_where_no_model_is_left_the_first_error_is_raised(files: Path, store: Store) -> None:
    with pytest.raises(ModelFileError, match=r"gone\.gguf does not exist"):
        carried_out(sweep(files, "gone", "none*"), store)
    assert store.runs() == []


def test_a_damaged_quant_is_set_aside_and_its_source_used(files: Path) -> None:
    place = quant_path(read_model(files / "one.gguf"), "Q8_0")
    place.parent.mkdir(parents=True)
    place.write_bytes(b"GGUF and no more")
    prepared = prepare(sweep(files, ModelEntry("one", ("Q8_0", "Q5_0"))))
    assert [model.name for model in prepared.models] == ["one"]
    assert [each.quant for each in prepared.unmade] == ["Q5_0"]
    (unusable,) = prepared.unusable
    assert unusable.name == f"{files / 'one.gguf'}:Q8_0"
    assert str(place) in str(unusable.error)


# --- again, edited, retried -----------------------------------------------------------------------


def test_an_edited_sweep_computes_what_is_new_only(
    files: Path, store: Store, starts: list[int]
) -> None:
    spec = sweep(files, "one")
    carried_out(spec, store)
    assert len(starts) == 1
    before = scores_of(store.path)
    assert carried_out(spec, store) == []
    assert carried_out(replace(spec, name="another"), store) == []
    assert len(starts) == 1  # a cell is the same in any sweep
    wider = sweep(files, "one", "two", lenses=("norm", "paper"))
    added = scored_cells(carried_out(wider, store))
    assert len(added) == 3
    assert not added & {cell for cell, _ in before}
    assert len(starts) == 3
    cells = store.cells(store.find_run("first"))
    assert [(cell.model, cell.lens) for cell in cells] == [
        (model, lens) for model in ("one", "two") for lens in ("norm", "paper")
    ]
    # and back: what is not asked for any more is kept
    assert carried_out(spec, store) == []
    assert len(store.cells(store.find_run("first"))) == 1
    assert carried_out(wider, store) == []
    assert len(starts) == 3
    assert before.items() <= scores_of(store.path).items()
    assert rows(store, "owners") == rows(store, "leases") == 0
    assert list(store.path.parent.glob("*.lock")) == []


def test_what_failed_is_retried_and_nothing_else(
    files: Path, store: Store, starts: list[int]
) -> None:
    gone = tiny_model(files, "gone", seed=9)
    spec = sweep(files, "gone", "two", lenses=("norm", "raw"))
    data = gone.read_bytes()

    def lose(_: Plan) -> None:
        gone.unlink(missing_ok=True)

    (failed,) = of_kind(carried_out(spec, store, planned=lose), Failed)
    assert by_model(store) == {"gone": "failed", "two": "done"}
    gone.write_bytes(data)
    wider = sweep(files, "gone", "two", "one", lenses=("norm", "raw"))
    events = carried_out(wider, store, failed_only=True)
    assert scored_cells(events) == set(failed.cells)
    assert len(scored_cells(events)) == 2
    assert len(starts) == 3
    assert by_model(store) == {"gone": "done", "two": "done", "one": "planned"}
    assert store.runs()[0].status == "stopped"
    assert carried_out(wider, store, failed_only=True) == []
    gone.unlink()


# --- names --------------------------------------------------------------------------------------


def test_a_name_stands_for_one_run_however_it_is_edited(files: Path, store: Store) -> None:
    plans = [
        prepare(sweep(files, "one", **more)).plan()
        for more in ({}, {"lenses": ("raw",)}, {"name": "other"}, {"name": ""})
    ]
    first, edited, _, nameless = plans
    assert first.id == edited.id
    assert len({plan.id for plan in plans}) == 3
    assert {cell.id for cell in first.cells} == {cell.id for cell in nameless.cells}
    again = prepare(sweep(files, "one", name="", lenses=("raw",))).plan()
    assert again.id != nameless.id  # without a name, the cells are the run
    for plan in plans:
        store.begin(plan, "llprobe sweep run")
    assert sorted(run.name for run in store.runs()) == ["", "first", "other"]
    assert store.find_run("first") == first.id
    assert [cell.lens for cell in store.cells(first.id)] == ["raw"]


@pytest.mark.parametrize("name", ["first", ""])
def test_a_stored_run_gives_its_sweep_back(files: Path, store: Store, name: str) -> None:
    spec = sweep(files, "one", ModelEntry("two", ("Q8_0",), keep=False), name=name, limit=3)
    plan = prepare(spec).plan()
    store.begin(plan, "llprobe sweep run")
    assert spec_of_run(store, name or plan.id[:8]) == (plan.id, spec)
    assert parse_sweep(plan.spec, "x") == spec


def test_a_run_that_is_older_than_sweeps_says_so(files: Path, store: Store) -> None:
    plan = replace(prepare(sweep(files, "one")).plan(), spec="")
    store.begin(plan, "llprobe run")
    with pytest.raises(UsageError, match="is older than sweeps: type its command again"):
        spec_of_run(store, "last")
    with pytest.raises(UnknownName, match=r"no run named 'second'; known: .*first"):
        spec_of_run(store, "second")


def test_what_is_prepared_can_be_planned_without_a_store(files: Path) -> None:
    prepared = prepare(sweep(files, LADDER))
    assert isinstance(prepared, Prepared)
    assert [each.keep for each in prepared.unmade] == [False, False]
    assert [cell.model.name for cell in prepared.plan().cells] == ["one"]
    assert all(isinstance(model, ModelInfo) for model in prepared.models)
