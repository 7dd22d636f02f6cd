"""Pairing: which cells stand against each other, and what is refused as not the same items."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from madeup import always, made_up_model, made_up_run

from llprobe.errors import UnknownName, UsageError
from llprobe.report.pairing import across, between, shared, sides
from llprobe.store import Store
from llprobe.task import TaskRequest

CURVE = (0.2, 0.2, 0.4, 0.5, 0.6, 0.6)
CALC = TaskRequest("calculation", limit=12)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "a.db") as store:
        yield store


def _run(store: Store, folder: Path, *models: str, task: TaskRequest = CALC, **sweep: Any) -> str:
    infos = [made_up_model(folder, name) for name in models]
    return made_up_run(store, infos, [task], always(CURVE), **sweep)


def test_runs_of_two_models_are_paired_task_by_task_and_called_by_their_models(
    store: Store, tmp_path: Path
) -> None:
    runs = [sides(store, _run(store, tmp_path, name)) for name in ("small", "large")]
    ((a, b),) = between(runs)
    assert (a.label, b.label) == ("small", "large")
    own, other = shared(store, a, b)
    assert own.tolist() == other.tolist() == list(range(12))


def test_a_shorter_run_is_paired_on_what_both_have(store: Store, tmp_path: Path) -> None:
    short = _run(store, tmp_path, "small", task=replace(CALC, limit=5))
    whole = _run(store, tmp_path, "large")
    ((a, b),) = between([sides(store, whole), sides(store, short)])
    assert a.cell.questions != b.cell.questions
    own, other = shared(store, a, b)
    assert [a.table.ids[i] for i in own] == [b.table.ids[i] for i in other] == list(b.table.ids)


def test_other_questions_of_the_same_names_are_refused_in_one_line(
    store: Store, tmp_path: Path
) -> None:
    one = _run(store, tmp_path, "small")
    other = _run(store, tmp_path, "large", task=replace(CALC, seed=7))
    a, b = sides(store, one)[0], sides(store, other)[0]
    assert set(a.keys) & set(b.keys)
    with pytest.raises(UsageError, match=r"other options for item .*--unpaired") as refused:
        shared(store, a, b)
    assert "\n" not in str(refused.value)


def test_nothing_shared_is_refused(store: Store, tmp_path: Path) -> None:
    side = sides(store, _run(store, tmp_path, "small"))[0]
    with pytest.raises(UsageError, match="share no items"):
        shared(store, side.take([0, 1]), side.take([2, 3]))


def test_letters_are_paired_with_the_texts_they_stand_for(store: Store, tmp_path: Path) -> None:
    texts = sides(store, _run(store, tmp_path, "small"))
    letters = sides(store, _run(store, tmp_path, "small", task=replace(CALC, answer="letter")))
    ((a, b),) = across([*texts, *letters], "answer")
    assert (a.label, b.label) == ("cloze", "letter")
    assert len(shared(store, a, b)[0]) == len(shared(store, b, a)[0]) == 12
    foreign = sides(store, _run(store, tmp_path, "large", task=replace(CALC, seed=7)))[0]
    with pytest.raises(UsageError, match="other options"):
        shared(store, foreign, b)


def test_examples_do_not_part_the_questions(store: Store, tmp_path: Path) -> None:
    runs = [
        _run(store, tmp_path, "small", task=replace(CALC, num_fewshot=shots)) for shots in (0, 2)
    ]
    ((a, b),) = across([side for run in runs for side in sides(store, run)], "shots")
    assert (a.label, b.label) == ("0", "2")
    assert len(shared(store, a, b)[0]) == 12


def test_cells_of_one_run_are_paired_by_lens_with_all_else_alike(
    store: Store, tmp_path: Path
) -> None:
    run = _run(store, tmp_path, "small", "large", lenses=("norm", "paper"))
    pairs = [
        (a.cell.model, a.label, b.cell.model, b.label) for a, b in across(sides(store, run), "lens")
    ]
    assert pairs == [
        ("small", "norm", "small", "paper"),
        ("large", "norm", "large", "paper"),
    ]


def test_quants_are_paired_within_a_model_only(store: Store, tmp_path: Path) -> None:
    infos = [
        made_up_model(tmp_path, "small", quant="F16"),
        made_up_model(tmp_path, "small:Q4_0", quant="Q4_0"),
        made_up_model(tmp_path, "big.F16", quant="F16"),
        made_up_model(tmp_path, "big.Q8_0", quant="Q8_0"),
    ]
    run = made_up_run(store, infos, [CALC], always(CURVE))
    pairs = [(a.cell.model, b.cell.model) for a, b in across(sides(store, run), "quant")]
    assert pairs == [("small", "small:Q4_0"), ("big.F16", "big.Q8_0")]
    assert len(list(across(sides(store, run), "model"))) == 3


def test_languages_are_paired_by_question(store: Store, tmp_path: Path) -> None:
    run = _run(store, tmp_path, "small", task=TaskRequest("xmps_rea", limit=3))
    pairs = list(across(sides(store, run), "language"))
    assert [(a.label, b.label) for a, b in pairs] == [("es", "fr"), ("es", "zh"), ("es", "th")]
    a, b = pairs[0]
    own, other = shared(store, a, b)
    names = [(a.table.ids[i], b.table.ids[j]) for i, j in zip(own, other, strict=True)]
    assert len(names) == 3
    assert all(x.removesuffix("/es") == y.removesuffix("/fr") for x, y in names)


def test_whole_and_decimal_numbers_of_one_number_are_no_pair(store: Store, tmp_path: Path) -> None:
    side = sides(store, _run(store, tmp_path, "small"))
    ((a, b),) = across(side, "numbers")
    with pytest.raises(UsageError, match="share no items"):
        shared(store, a, b)


def test_what_does_not_vary_is_named_with_what_does(store: Store, tmp_path: Path) -> None:
    found = sides(store, _run(store, tmp_path, "small", "large"))
    with pytest.raises(UsageError, match=r"nothing differs in lens only.*model"):
        list(across(found, "lens"))
    with pytest.raises(UnknownName, match="no feature named 'colour'"):
        list(across(found, "colour"))


def test_a_counterpart_agrees_in_what_a_run_has_several_of(store: Store, tmp_path: Path) -> None:
    both = _run(store, tmp_path, "small", lenses=("norm", "paper"))
    one = _run(store, tmp_path, "large", lenses=("paper",))
    ((a, b),) = between([sides(store, both), sides(store, one)])
    assert (a.cell.lens, b.cell.lens) == ("paper", "paper")


def test_a_run_that_asks_a_task_in_two_ways_by_settings_alone_is_refused(
    store: Store, tmp_path: Path
) -> None:
    tasks = [replace(CALC, limit=None, settings=(("per_group", n),)) for n in ("1", "2")]
    infos = [made_up_model(tmp_path, "small")]
    twice = made_up_run(store, infos, tasks, always(CURVE))
    once = _run(store, tmp_path, "large")
    with pytest.raises(UsageError, match="in 2 ways"):
        list(between([sides(store, once), sides(store, twice)]))


def test_runs_that_only_their_ids_tell_apart_are_called_by_them(
    store: Store, tmp_path: Path
) -> None:
    runs = [_run(store, tmp_path, "small", task=replace(CALC, limit=n)) for n in (4, 8)]
    ((a, b),) = between([sides(store, run) for run in runs])
    assert (a.label, b.label) == (runs[0][:8], runs[1][:8])
