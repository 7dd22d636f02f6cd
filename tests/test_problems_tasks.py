"""The tasks mps_cal, mps_rea, xmps_cal and xmps_rea: settings, order, languages, balance."""

from __future__ import annotations

import hashlib
import importlib
import itertools
import json
import math
import re
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from llprobe.errors import UnknownName, UsageError
from llprobe.task import Item, TaskRequest, load_definition, load_questions
from llprobe.task.habits import habits

problems = importlib.import_module("llprobe.tasks.problems")
wording = importlib.import_module("llprobe.tasks.problems.wording")
TASKS = ["mps_cal", "mps_rea", "xmps_cal", "xmps_rea"]
FEW = ("per_template", "1")


@cache
def ask(task: str, *settings: tuple[str, str], **wanted: Any) -> list[Item]:
    questions = load_questions(TaskRequest(task, settings=settings, **wanted))
    assert not questions.skipped
    assert not questions.notes
    return list(questions.items)


def true(item: Item) -> str:
    return item.choices[item.best]


def tongue(text: str) -> str:
    """Return the language of a solution, by how it tells the answer."""
    said = {"The answer": "en", "La respuesta": "es", "La réponse": "fr", "答案": "zh"}
    return next((name for start, name in said.items() if start in text), "th")


@pytest.mark.parametrize("task", TASKS)
def test_every_question_has_one_true_option_of_four(task: str) -> None:
    for item in ask(task, FEW):
        assert len(item.choices) == 4
        assert item.correct == (item.best,)
        assert item.prompt.startswith("Q: ")
        assert item.prompt.endswith("\nA:")
        assert all(choice[0] == " " != choice[1] for choice in item.choices)


@pytest.mark.parametrize("task", ["mps_cal", "mps_rea"])
def test_five_questions_of_each_template_by_default(task: str) -> None:
    items = ask(task)
    assert len(items) == 220
    assert set(Counter(item.group for item in items).values()) == {20}
    assert items[0].id == "ages-1/0"
    assert len({item.prompt for item in items}) == len(items)


@pytest.mark.parametrize("limit", [1, 11, 20, 44, 50])
def test_a_limit_gives_a_balanced_sample(limit: int) -> None:
    groups = Counter(item.group for item in ask("mps_rea", limit=limit))
    assert len(groups) == min(limit, 11)
    assert max(groups.values()) - min(groups.values()) <= 1


def test_fewer_of_each_are_the_first_ones() -> None:
    assert ask("mps_cal", ("per_template", "2")) == ask("mps_cal")[:88]


def test_languages_take_turns_and_are_the_group() -> None:
    items = ask("xmps_cal", limit=5)
    assert [item.group for item in items] == ["es", "fr", "zh", "th"] * 5
    assert [item.id for item in items[3:5]] == ["ages-1/0/th", "farming-1/0/es"]
    for item in items:
        assert tongue(true(item)) == item.group
        assert [tongue(choice) for choice in item.choices].count("en") == 3


@pytest.mark.parametrize("kind", ["cal", "rea"])
def test_only_the_true_option_and_the_order_differ_from_mps(kind: str) -> None:
    english = {item.id: item for item in ask(f"mps_{kind}", FEW)}
    for item in ask(f"xmps_{kind}", FEW):
        same = english[item.id.rpartition("/")[0]]
        assert item.prompt == same.prompt
        assert set(item.choices) - {true(item)} == set(same.choices) - {true(same)}
        assert true(item) != true(same)


@pytest.mark.parametrize("task", ["xmps_cal", "xmps_rea"])
def test_every_language_has_an_order_of_its_own(task: str) -> None:
    orders: dict[str, list[tuple[int, ...]]] = defaultdict(list)
    for item in ask(task):
        wrong = sorted(set(item.choices) - {true(item)})
        ranks = [wrong.index(each) + 1 if each in wrong else 0 for each in item.choices]
        orders[item.group].append(tuple(ranks))
    assert len(set(map(tuple, orders.values()))) == 4
    for one, other in itertools.combinations(orders.values(), 2):
        alike = sum(a == b for a, b in zip(one, other, strict=True))
        assert alike < len(one) / 6  # a 24th if they are independent
    for each in orders.values():
        assert len(set(each)) == math.factorial(4)


@pytest.mark.parametrize("task", ["xmps_cal", "xmps_rea"])
def test_a_language_is_asked_alike_with_and_without_the_others(task: str) -> None:
    alone = ask(task, FEW, ("language", "zh"))
    assert alone == [item for item in ask(task, FEW) if item.group == "zh"]


@pytest.mark.parametrize("task", ["xmps_cal", "xmps_rea"])
def test_everything_can_be_translated(task: str) -> None:
    mixed = ask(task, FEW)
    for item, other in zip(ask(task, FEW, ("all", "yes")), mixed, strict=True):
        assert (item.id, item.best, true(item)) == (other.id, other.best, true(other))
        assert len(set(item.choices)) == 4
        assert {tongue(choice) for choice in item.choices} == {item.group}
        assert item.prompt != other.prompt


def test_languages_can_be_chosen() -> None:
    assert {item.group for item in ask("xmps_rea", FEW, ("language", "th"))} == {"th"}
    two = ask("xmps_rea", FEW, ("language", "zh, es"))
    assert [item.group for item in two[:4]] == ["zh", "es", "zh", "es"]
    assert ask("xmps_rea", FEW, ("language", "es,es")) == ask("xmps_rea", FEW, ("language", "es"))


@pytest.mark.parametrize(
    ("task", "name", "value", "said"),
    [
        ("xmps_cal", "language", "de", "no language 'de'; known: es, fr, zh, th"),
        ("xmps_rea", "language", "es,en", "no language 'en'; known: es, fr, zh, th"),
        ("xmps_rea", "language", " ,", "no language is given; known: es, fr, zh, th"),
        ("xmps_cal", "all", "maybe", "the setting all must be yes or no, not 'maybe'"),
        ("mps_cal", "per_template", "0", "per_template is 0; give 1 to 40"),
        ("xmps_rea", "per_template", "41", "per_template is 41; give 1 to 40"),
        ("mps_rea", "per_template", "x", "per_template must be a whole number"),
    ],
)
def test_a_bad_setting_is_refused(task: str, name: str, value: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        ask(task, (name, value))


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(UnknownName, match="per_template"):
        ask("mps_cal", ("language", "es"))


@pytest.mark.parametrize("task", TASKS)
def test_a_file_goes_before_the_generator(task: str, tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text(json.dumps({"question": "q", "truth_answer": ["a"], "error": ["b", "c"]}))
    (item,) = ask(task, data=str(path))
    assert (item.id, item.group, item.prompt) == (f"{task}-0", "", "Q: q\nA:")
    assert item.choices == (" a", " b", " c")
    with pytest.raises(UsageError, match="no settings where its questions come from a file"):
        ask(task, FEW, data=str(path))


@pytest.mark.parametrize("task", TASKS)
def test_worked_examples_are_right_and_not_asked(task: str) -> None:
    samples = load_definition(task).samples
    assert len(samples) == 4
    reader = importlib.import_module("test_problems")
    for sample in samples:
        assert all(map(reader.holds, reader.equations(sample["answer"])))
        assert reader.answer(sample["answer"]) > 1
        assert not any(sample["question"] in item.prompt for item in ask("mps_cal", FEW))


@pytest.mark.parametrize("task", TASKS)
def test_wrong_options_of_worked_examples_are_wrong_in_the_way_of_the_task(task: str) -> None:
    reader = importlib.import_module("test_problems")
    for sample in load_definition(task).samples:
        right = sample["answer"]
        wrong = [each for each in sample["choices"] if each != right]
        answers = [reader.answer(each) for each in sample["choices"]]
        assert (len(wrong), len(set(answers))) == (3, 4)
        for each in wrong:
            false = [one for one in reader.equations(each) if not reader.holds(one)]
            assert len(false) == (1 if task.endswith("cal") else 0)
            assert each.endswith(f" The answer is {reader.equations(each)[-1][1]}.")
            if task.endswith("cal"):
                assert re.sub("[0-9]", "", each) == re.sub("[0-9]", "", right)
        lengths = [len(each) for each in wrong]
        if task.endswith("cal"):
            assert set(lengths) == {len(right)}
        else:
            assert min(lengths) < len(right) <= max(lengths)


def test_seeds_decide() -> None:
    assert ask("mps_rea", FEW, seed=3) == ask("mps_rea", FEW, seed=3)
    assert ask("mps_rea", FEW, seed=3) != ask("mps_rea", FEW, seed=4)


DIGESTS = {
    "mps_cal": "183571ae11f589ce5dd1104e7f30dd371b442637825964583a118fb869ea76f7",
    "mps_rea": "c527726d4b19ddbe91892fcf5ff29377fb5a91de68d3f00af0e58f67b55ed293",
    "xmps_cal": "d492fc4c29df537b76435c13044890772d2687db9d2aeae427b367f007de006b",
    "xmps_rea": "2fb4fa089d90aab3f92f044569ffb1b6506e0aa442624a538ad465f833a9bf42",
}


@pytest.mark.parametrize("task", TASKS)
def test_the_questions_are_the_same_on_every_machine(task: str) -> None:
    asked = [[item.id, item.prompt, item.choices, item.best] for item in ask(task, FEW)]
    digest = hashlib.sha256(json.dumps(asked).encode()).hexdigest()
    assert digest == DIGESTS[task]


# What can be guessed without knowing anything.

SEEDS = range(3)


@cache
def asked(kind: str) -> list[Any]:
    """Return the problems of some seeds, each with its wrong solutions."""
    return [each.question for seed in SEEDS for each in problems._asked(kind, seed, 5)]


def share(merits: list[list[int]]) -> float:
    """Return the share that the option of most merit gets right, ties drawn by lot; 0 is true."""
    return mean((merit[0] == max(merit)) / merit.count(max(merit)) for merit in merits)


@cache
def guesses(kind: str, language: str) -> dict[str, float]:
    """Return what each blind strategy gets right, all options in one language."""
    merits: dict[str, list[list[int]]] = defaultdict(list)
    for question in asked(kind):
        solutions = [question.problem.solution, *question.wrong]
        lengths = [len(wording.told(question.problem, each, language)) for each in solutions]
        answers = [each[-1].result for each in solutions]
        merits["longest"].append(lengths)
        merits["shortest"].append([-length for length in lengths])
        merits["largest answer"].append(answers)
        merits["smallest answer"].append([-each for each in answers])
    return {name: share(each) for name, each in merits.items()}


NOISE = 4 * math.sqrt(0.25 * 0.75 / (len(SEEDS) * 220))


@pytest.mark.parametrize("language", ["en", "es", "fr", "zh", "th"])
@pytest.mark.parametrize("kind", ["cal", "rea"])
def test_no_length_tells(kind: str, language: str) -> None:
    found = guesses(kind, language)
    for name in ("longest", "shortest"):
        assert found[name] == pytest.approx(0.25, abs=NOISE), f"{name}: {found[name]}"


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("task", TASKS)
def test_the_true_option_stands_in_each_place_as_often(task: str, seed: int) -> None:
    places = Counter(
        (item.group if task[0] == "x" else "", item.best) for item in ask(task, seed=seed)
    )
    assert set(places.values()) == {55}


def test_the_size_of_the_answer_tells_nothing_about_slips() -> None:
    found = guesses("cal", "en")
    assert found["largest answer"] == found["smallest answer"] == 0.25


def test_the_size_of_the_answer_tells_about_detours_what_the_documentation_says() -> None:
    found = guesses("rea", "en")
    assert 0.24 < found["smallest answer"] < 0.31
    assert 0.18 < found["largest answer"] < 0.26


# What `llprobe tasks check` counts.


def sticking_out(task: str, *settings: tuple[str, str], seed: int = 0) -> set[str]:
    return {each.name for each in habits(ask(task, *settings, seed=seed)).each if each.sticks_out}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("language", ["es", "fr", "zh", "th", "es,fr,zh,th"])
@pytest.mark.parametrize("task", ["xmps_cal", "xmps_rea"])
def test_no_habit_sticks_out_where_all_is_translated(task: str, language: str, seed: int) -> None:
    assert not sticking_out(task, ("all", "yes"), ("language", language), seed=seed)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("task", TASKS)
def test_only_declared_habits_stick_out(task: str, seed: int) -> None:
    declared = load_definition(task).habits
    assert sticking_out(task, seed=seed) == set(declared)
    assert set(declared) == ({"longest", "shortest"} if task[0] == "x" else set())


@pytest.mark.parametrize("task", ["xmps_cal", "xmps_rea"])
def test_a_limit_asks_so_many_of_each_language(task: str) -> None:
    definition = load_definition(task)
    assert (definition.limits_groups, definition.facets) == (True, ("language",))
    items = ask(task, limit=6)
    assert Counter(item.group for item in items) == dict.fromkeys(["es", "fr", "zh", "th"], 6)
    assert items == ask(task)[:24]
