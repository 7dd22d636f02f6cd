"""Quants that a sweep makes, deletes when it is done with them, and leaves to the user."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from clihelp import scores_of, tiny_model
from conducthelp import (
    LADDER,
    N_ITEMS,
    by_model,
    carried_out,
    counted_starts,
    of_kind,
    own_cache,
    scored_cells,
    sweep,
    write_files,
)
from tinygguf import WIDE

from llprobe.conduct import carry_out, make_quants, prepare
from llprobe.events import Failed, ModelLoaded, Quantized, QuantizeStep
from llprobe.model import quant_path, read_model
from llprobe.plan import Exclusion, Plan
from llprobe.runner import Cancel
from llprobe.store import Store
from llprobe.sweep import ModelEntry, delete_temporary, note_temporary, remembered, temporary


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


# --- quants -------------------------------------------------------------------------------------


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
