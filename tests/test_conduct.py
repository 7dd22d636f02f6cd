"""Sweeps from a spec to stored scores: models set aside, quants made and deleted, what is new."""

import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import pytest
from clihelp import scores_of, tiny_model, write_questions
from tinygguf import WIDE

from llprobe import children
from llprobe.conduct import Prepared, carry_out, make_quants, prepare, spec_of_run
from llprobe.errors import ModelFileError, UnknownName, UsageError
from llprobe.events import Event, Failed, GroupScored, ModelLoaded, Quantized, QuantizeStep
from llprobe.model import ModelInfo, quant_path, read_model
from llprobe.plan import Exclusion, Plan
from llprobe.runner import Cancel
from llprobe.settings import EngineSettings
from llprobe.store import Store
from llprobe.sweep import (
    ModelEntry,
    SweepSpec,
    delete_temporary,
    note_temporary,
    parse_sweep,
    remembered,
    temporary,
)

N_ITEMS = 12


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with two models and questions."""
    folder = tmp_path_factory.mktemp("files")
    tiny_model(folder, "one")
    tiny_model(folder, "two", seed=1)
    write_questions(folder / "q.jsonl", N_ITEMS)
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep quants in the test's own folder."""
    monkeypatch.setenv("LLPROBE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "a.db") as store:
        yield store


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Give the numbers of the children that are started."""
    pids: list[int] = []
    start = children._start

    def counted(fd: int, noise: IO[bytes]) -> "subprocess.Popen[bytes]":
        child = start(fd, noise)
        pids.append(child.pid)
        return child

    monkeypatch.setattr(children, "_start", counted)
    return pids


def sweep(files: Path, *models: str | ModelEntry, **more: Any) -> SweepSpec:
    """Ask the questions of models, by their names or patterns in the folder."""
    entries = (each if isinstance(each, ModelEntry) else ModelEntry(each) for each in models)
    rooted = tuple(replace(entry, name=str(files / f"{entry.name}.gguf")) for entry in entries)
    settings = EngineSettings(n_threads=1, n_batch=16)
    fixed = {"models": rooted, "tasks": ("prompts",), "data": str(files / "q.jsonl")}
    return SweepSpec(**{"name": "first", **fixed, "engine": settings, **more})


def carried_out(spec: SweepSpec, store: Store, **more: Any) -> list[Event]:
    return list(carry_out(spec, store, "llprobe sweep run", **more))


def of_kind(events: Sequence[Event], kind: type[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def scored_cells(events: Sequence[Event]) -> set[str]:
    return {event.cell for event in of_kind(events, GroupScored)}


def by_model(store: Store) -> dict[str, str]:
    """Give the status of every model's cells, where they agree."""
    found = {(cell.model, cell.status) for cell in store.cells(store.find_run("last"))}
    assert len(dict(found)) == len(found), found
    return dict(found)


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


# --- quants -------------------------------------------------------------------------------------


LADDER = ModelEntry("one", ("Q8_0", "Q5_0"), keep=False)
STEP = replace(LADDER, quantize=("Q8_0",))
WITHOUT_SOURCE = (Exclusion((("model", "one"),)),)


def places(files: Path) -> list[Path]:
    return [quant_path(read_model(files / "one.gguf"), quant) for quant in LADDER.quantize]


def test_quants_are_made_and_deleted_when_they_are_done_with(
    files: Path, store: Store, cache: Path, starts: list[int]
) -> None:
    spec = sweep(files, STEP)
    place = places(files)[0]
    events = carried_out(spec, store)
    assert not of_kind(events, Failed)
    assert [event.path for event in of_kind(events, Quantized)] == [str(place)]
    assert of_kind(events, QuantizeStep)
    assert by_model(store) == dict.fromkeys(("one", f"{place.parent.name}:Q8_0"), "done")
    assert list(cache.rglob("*.gguf")) == []
    assert len(starts) == 3  # one to make it, two to run
    before = scores_of(store.path)
    assert len(before) == 2 * N_ITEMS
    # the same again: what is done is known without the file
    assert carried_out(spec, store) == []
    assert len(starts) == 3
    assert store.runs()[0].status == "done"
    # one more lens: it is needed again, and found to be what it was
    edited = replace(spec, lenses=("norm", "raw"), exclude=WITHOUT_SOURCE)
    assert [each.quant for each in prepare(edited, store).unmade] == ["Q8_0"]
    added = scored_cells(carried_out(edited, store))
    assert len(added) == 1
    assert not added & {cell for cell, _ in before}
    assert len(store.cells(store.find_run("first"))) == 2
    assert list(cache.rglob("*.gguf")) == []


def test_quants_that_a_user_made_are_never_deleted(files: Path, store: Store) -> None:
    mine, other = places(files)
    list(make_quants(prepare(sweep(files, replace(STEP, keep=True)))))
    assert mine.exists()
    events = carried_out(sweep(files, LADDER, exclude=WITHOUT_SOURCE), store)
    assert [event.path for event in of_kind(events, Quantized)] == [str(other)]
    assert len(scored_cells(events)) == 2
    assert (mine.exists(), other.exists()) == (True, False)


def test_a_file_that_a_user_put_in_place_of_a_sweeps_own_is_the_users(files: Path) -> None:
    place = places(files)[0]
    place.parent.mkdir(parents=True)
    assert not delete_temporary(place)
    for seed in (1, 2):
        tiny_model(place.parent, place.stem, seed=seed)
        if seed == 1:
            note_temporary(place)
            assert delete_temporary(place)
            assert not place.exists()
        else:
            assert not delete_temporary(place)
            assert place.exists()


def test_what_another_llama_cpp_made_is_made_anew(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the file itself says what it is; without it, what was made before may be another."""
    place, source = places(files)[0], read_model(files / "one.gguf")
    place.parent.mkdir(parents=True)
    assert remembered(source, "Q8_0") is None
    tiny_model(place.parent, place.stem, seed=1)
    fingerprint = read_model(place).fingerprint
    note_temporary(place)
    delete_temporary(place)
    known = remembered(source, "Q8_0")
    assert known
    assert (known.name, known.fingerprint) == (f"{place.parent.name}:Q8_0", fingerprint)
    monkeypatch.setattr(temporary, "versions", lambda: {"llama-cpp-python": "another"})
    assert remembered(source, "Q8_0") is None


def test_quants_stay_while_anything_on_them_is_to_be_done(files: Path, store: Store) -> None:
    """Interrupted on the first of two: both stay, and are not made again."""
    spec, cancel = sweep(files, LADDER, exclude=WITHOUT_SOURCE), Cancel()
    for event in carry_out(spec, store, "llprobe sweep run", cancel):
        if isinstance(event, ModelLoaded):
            assert event.model.endswith(":Q8_0")
            cancel.request()
            cancel.request()
    assert store.runs()[0].status == "stopped"
    first, second = store.cells(store.find_run("last"))
    # on a busy machine the first may be done before the word to stop reaches it
    assert [place.exists() for place in places(files)] == [first.status != "done", True]
    assert second.status != "done"
    events = carried_out(spec, store)
    assert not of_kind(events, Quantized)
    assert [place.exists() for place in places(files)] == [False, False]


def test_a_sweep_that_is_to_start_over_makes_its_quants_anew(files: Path, store: Store) -> None:
    spec = sweep(files, STEP, exclude=WITHOUT_SOURCE)
    first = scored_cells(carried_out(spec, store))
    events = carried_out(spec, store, fresh=True)
    assert len(of_kind(events, Quantized)) == 1
    assert scored_cells(events) == first != set()


def test_a_quant_that_cannot_be_made_is_named_and_the_rest_goes_on(
    files: Path, store: Store
) -> None:
    """llama.cpp makes the smallest ones only with an importance matrix."""
    wide = tiny_model(files, "wide", n_layers=1, **WIDE)
    spec = sweep(files, ModelEntry("wide", ("IQ2_XXS", "Q8_0")))
    events = carried_out(spec, store)
    (failed,) = of_kind(events, Failed)
    assert failed.message.startswith(f"wide-{read_model(wide).fingerprint[:8]}:IQ2_XXS: ")
    assert "requires an imatrix" in failed.message
    assert "\n" not in failed.message
    assert len(of_kind(events, Quantized)) == 1
    made = f"wide-{read_model(wide).fingerprint[:8]}:Q8_0"
    assert by_model(store) == {"wide": "done", made: "done"}
    assert store.runs()[0].status == "failed"


def test_where_no_quant_that_is_left_can_be_made_nothing_is_run(files: Path, store: Store) -> None:
    tiny_model(files, "wide", n_layers=1, **WIDE)
    without = (Exclusion((("model", "wide"),)),)
    plans: list[Plan] = []
    spec = sweep(files, ModelEntry("wide", ("IQ2_XXS",)), exclude=without)
    assert prepare(spec).plan().cells == ()
    (failed,) = carried_out(spec, store, planned=plans.append)
    assert isinstance(failed, Failed)
    assert (plans, store.runs()) == ([], [])


@pytest.mark.parametrize(
    "patterns",
    [
        [{"model": "*:Q8_0"}],
        [{"model": "*:Q8_0", "lens": "norm"}, {"model": "one-*:Q8*", "lens": "raw"}],
    ],
)
def test_a_quant_of_which_everything_is_excluded_is_not_made(
    files: Path, store: Store, cache: Path, patterns: list[dict[str, str]]
) -> None:
    exclude = tuple(Exclusion(tuple(each.items())) for each in patterns)
    spec = sweep(files, STEP, lenses=("norm", "raw"), exclude=exclude)
    prepared = prepare(spec)
    assert (prepared.unmade, [each.quant for each in prepared.unwanted]) == ((), ["Q8_0"])
    events = carried_out(spec, store)
    assert not of_kind(events, Failed)
    assert not of_kind(events, Quantized)
    assert by_model(store) == {"one": "done"}
    assert store.runs()[0].status == "done"
    assert list(cache.rglob("*.gguf")) == []


def test_a_quant_of_which_something_is_left_is_made(files: Path) -> None:
    exclude = (Exclusion((("model", "*:Q8_0"), ("lens", "norm"))),)
    for lenses, wanted in (("norm", "raw"), ["Q8_0"]), (("norm",), []):
        prepared = prepare(sweep(files, STEP, lenses=lenses, exclude=exclude))
        assert [each.quant for each in prepared.unmade] == wanted


# --- exclusions that leave nothing out ------------------------------------------------------------


def test_an_exclusion_that_matches_no_cell_is_known(files: Path) -> None:
    """One for a quant that is not made (yet), or for what another one leaves out, has its use."""
    typed = [
        {"model": "*:Q8_0"},
        {"model": "*:Q5_0", "lens": "norm"},
        {"model": "one", "lens": "norm"},
        {"lens": "norm", "model": "on?"},
        {"model": "Q8_0"},
        {"model": "one", "lens": "paper"},
    ]
    exclude = tuple(Exclusion(tuple(each.items())) for each in typed)
    plan = prepare(sweep(files, LADDER, lenses=("norm", "raw"), exclude=exclude)).plan()
    assert [cell.lens for cell in plan.cells] == ["raw"]
    assert [str(each) for each in plan.unmatched] == ["model=Q8_0", "model=one,lens=paper"]
    assert prepare(sweep(files, "one")).plan().unmatched == ()


def test_a_sweep_that_is_stopped_while_quants_are_made_plans_nothing(
    files: Path, store: Store
) -> None:
    cancel, plans = Cancel(), list[Plan]()
    cancel.request()
    events = carry_out(sweep(files, LADDER), store, "x", cancel, planned=plans.append)
    assert list(events) == []
    assert (plans, store.runs()) == ([], [])


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
