"""The truth task: a well-formed table, and answers that do not tell by their form."""

from __future__ import annotations

import hashlib
import importlib
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from statistics import mean
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llprobe.errors import UnknownName, UsageError
from llprobe.task import Item, Row, TaskRequest, load_definition, load_questions

truth = importlib.import_module("llprobe.tasks.truth")
CATEGORIES = list(truth.table())
ENTRIES = {entry.id: entry for name in CATEGORIES for entry in truth.table()[name]}
NEGATION = re.compile(
    r"\b(no|not|never|none|nothing|nobody|neither|nor|cannot|without|nowhere|unless"
    r"|hardly|rarely|seldom|scarcely)\b|n't\b",
    re.IGNORECASE,
)
ABSOLUTE = re.compile(r"\b(only|alone|always|all|every|everybody|each|exactly|certain|any)\b")
HEDGE = re.compile(
    r"\b(some|many|most|mostly|usually|often|may|can|about|much|mainly|part|tends)\b"
)
REASON = re.compile(r", (as|since|because|for)\b")


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z0-9']+", text.lower()))


LITTLE = words("the a an of to in it is as and that they for on at by with its be was are")


def rows(seed: int, per_category: int = 6) -> list[Row]:
    return list(truth.generate(seed, {"per_category": per_category}))


def ask(**wanted: Any) -> list[Item]:
    return list(load_questions(TaskRequest("truth", **wanted)).items)


def overlap(one: set[str], other: set[str]) -> float:
    return len(one & other) / len(one | other)


# The table.


def test_there_are_enough_questions_of_enough_categories() -> None:
    assert len(CATEGORIES) == 16
    assert {len(truth.table()[name]) for name in CATEGORIES} == {6}
    lines = truth._TABLE.read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(ENTRIES) == 96, "a slug stands twice in its category"
    assert len({entry.question for entry in ENTRIES.values()}) == 96


def test_ids_are_plain() -> None:
    assert all(re.fullmatch(r"[a-z]+/[a-z0-9]+(-[a-z0-9]+)*", name) for name in ENTRIES)
    assert {"animals/bat-eyes", "physics/hammer-feather", "law/high-seas"} <= set(ENTRIES)


@pytest.mark.parametrize("name", ENTRIES)
def test_an_entry_is_well_formed(name: str) -> None:
    entry = ENTRIES[name]
    answers = [*entry.true, *entry.false]
    assert 3 <= len(entry.true) <= 5
    assert 3 <= len(entry.false) <= 5
    assert entry.true[0] == entry.best
    assert len({answer.casefold() for answer in answers}) == len(answers)
    assert entry.question.endswith("?")
    for text in (entry.question, *answers):
        assert text == " ".join(text.split())
        assert text[0].isupper()
        assert not set(text) & set('<>{}|;:"()')
    for answer in answers:
        assert re.fullmatch(r"[^.?!]+\.", answer), answer
        assert 3 <= len(answer.split()) <= 16, answer


@pytest.mark.parametrize("name", ENTRIES)
def test_true_and_false_answers_of_a_question_are_alike_in_length(name: str) -> None:
    entry = ENTRIES[name]
    true, false = (mean(map(len, answers)) for answers in (entry.true, entry.false))
    assert abs(true - false) <= 8, f"{true} characters against {false}"


def test_questions_do_not_repeat_one_another() -> None:
    asked = [words(entry.question) for entry in ENTRIES.values()]
    pairs = [(a, b) for place, a in enumerate(asked) for b in asked[:place]]
    assert max(overlap(a, b) for a, b in pairs) < 0.6


# Questions.


@settings(max_examples=15, deadline=None)
@given(seed=st.integers())
def test_every_question_is_well_formed(seed: int) -> None:
    asked = rows(seed)
    assert sorted(row.fields["id"] for row in asked) == sorted(ENTRIES)
    for row in asked:
        entry, choices = ENTRIES[row.fields["id"]], row.fields["choices"]
        assert row.fields["group"] == entry.category
        assert row.fields["question"] == entry.question
        assert row.fields["answer"] == entry.best
        assert sorted(choices) == sorted([*entry.true, *entry.false])
        assert {choices[place] for place in row.fields["correct"]} == set(entry.true)
        assert row.fields["correct"] == sorted(set(row.fields["correct"]))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(), other=st.integers())
def test_seeds_decide(seed: int, other: int) -> None:
    assert rows(seed) == rows(seed)
    assert (rows(seed) == rows(other)) == (seed == other)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(), fewer=st.integers(1, 3), more=st.integers(1, 3))
def test_more_per_category_keeps_the_questions_there_were(seed: int, fewer: int, more: int) -> None:
    first = rows(seed, fewer)
    assert len(first) == fewer * len(CATEGORIES)
    assert rows(seed, fewer + more)[: len(first)] == first


def test_the_questions_are_the_same_on_every_machine() -> None:
    kept = ("id", "question", "choices", "correct", "answer")
    asked = [[row.fields[key] for key in kept] for row in rows(0)]
    digest = hashlib.sha256(json.dumps(asked).encode()).hexdigest()
    assert digest == "f73cb084d5fa30ec79703de93c31f89fc2f55bf26f39a7a479ced2855f981243"


# The task.


def test_all_questions_by_default_in_the_papers_form() -> None:
    questions = load_questions(TaskRequest("truth"))
    assert {item.id for item in questions.items} == set(ENTRIES)
    assert not questions.notes
    assert not questions.skipped
    for item in questions.items:
        entry = ENTRIES[item.id]
        assert item.prompt == f"Q: {entry.question}\nA:"
        assert item.choices[item.best] == f" {entry.best}"
        assert {item.choices[place] for place in item.correct} == {f" {it}" for it in entry.true}


@pytest.mark.parametrize("limit", [1, 15, 16, 20, 40, 96, 1000])
def test_a_limit_gives_a_balanced_sample(limit: int) -> None:
    items = ask(limit=limit)
    assert len(items) == min(limit, 96)
    groups = Counter(item.group for item in items)
    assert len(groups) == min(limit, 16)
    assert max(groups.values()) - min(groups.values()) <= 1


def test_a_setting_limits_the_questions_of_a_category() -> None:
    groups = Counter(item.group for item in ask(settings=(("per_category", "2"),)))
    assert groups == dict.fromkeys(CATEGORIES, 2)


@pytest.mark.parametrize("value", ["0", "-1", "7", "all"])
def test_a_bad_number_per_category_is_refused(value: str) -> None:
    with pytest.raises(UsageError, match="per_category"):
        ask(settings=(("per_category", value),))


def test_an_unknown_setting_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean per_category"):
        ask(settings=(("category", "3"),))


def test_worked_examples_are_not_asked() -> None:
    samples = load_definition("truth").samples
    assert len(samples) == 6
    for sample in samples:
        assert sample["answer"].endswith(".")
        asked = words(sample["question"])
        assert max(overlap(asked, words(it.question)) for it in ENTRIES.values()) < 0.6
        assert len(sample["choices"]) == 5
        assert all(each.endswith(".") for each in sample["choices"])


# What can be guessed without knowing anything.


def alike(answer: str, answers: Sequence[str]) -> float:
    """Return how much an answer's words are those of the other answers."""
    return sum(overlap(words(answer), words(other)) for other in answers if other != answer)


STRATEGIES: dict[str, Callable[[str, str, Sequence[str]], float]] = {
    "longest": lambda _question, answer, _answers: len(answer),
    "shortest": lambda _question, answer, _answers: -len(answer),
    "most words": lambda _question, answer, _answers: len(answer.split()),
    "fewest words": lambda _question, answer, _answers: -len(answer.split()),
    "longest words": lambda _question, answer, _answers: len(answer) / len(answer.split()),
    "shortest words": lambda _question, answer, _answers: -len(answer) / len(answer.split()),
    "first": lambda _question, answer, answers: -answers.index(answer),
    "last": lambda _question, answer, answers: answers.index(answer),
    "negated": lambda _question, answer, _answers: bool(NEGATION.search(answer)),
    "not negated": lambda _question, answer, _answers: not NEGATION.search(answer),
    "absolute": lambda _question, answer, _answers: bool(ABSOLUTE.search(answer)),
    "not absolute": lambda _question, answer, _answers: not ABSOLUTE.search(answer),
    "hedged": lambda _question, answer, _answers: bool(HEDGE.search(answer)),
    "not hedged": lambda _question, answer, _answers: not HEDGE.search(answer),
    "with a reason": lambda _question, answer, _answers: bool(REASON.search(answer)),
    "without a reason": lambda _question, answer, _answers: not REASON.search(answer),
    "with a comma": lambda _question, answer, _answers: "," in answer,
    "without a comma": lambda _question, answer, _answers: "," not in answer,
    "words of the question": lambda question, answer, _answers: len(
        (words(question) & words(answer)) - LITTLE
    ),
    "other words": lambda question, answer, _answers: (
        -len((words(question) & words(answer)) - LITTLE)
    ),
    "like the others": lambda _question, answer, answers: alike(answer, answers),
    "odd one out": lambda _question, answer, answers: -alike(answer, answers),
}

PLACES = ["first", "last"]


def score(entry: Any, strategy: str, answers: Sequence[str]) -> float:
    """Return the chance that a strategy picks a true one of `answers`, ties drawn by lot."""
    merit = [STRATEGIES[strategy](entry.question, answer, answers) for answer in answers]
    picked = [answer for answer, each in zip(answers, merit, strict=True) if each == max(merit)]
    return sum(answer in entry.true for answer in picked) / len(picked)


@cache
def offered(seed: int) -> list[tuple[Any, list[str], list[str]]]:
    """Return each entry with the answers that MC1 compares, and with all, as they are offered."""
    found = []
    for row in rows(seed):
        entry = ENTRIES[row.fields["id"]]
        against = {entry.best, *entry.false}
        all_of_them = row.fields["choices"]
        found.append((entry, [it for it in all_of_them if it in against], all_of_them))
    return found


def two_deviations(chance: float, asked: int) -> float:
    """Return two standard deviations of the share that guessing gets right."""
    return 2 * math.sqrt(chance * (1 - chance) / asked)


def test_chance_is_what_the_documentation_says() -> None:
    first = mean(1 / len(compared) for _, compared, _ in offered(0))
    second = mean(len(entry.true) / len(everything) for entry, _, everything in offered(0))
    said = str(truth.__doc__)
    assert f"{first:.1%}" in said
    assert f"{first:.1%}" in truth._TABLE.with_name("truth.yaml").read_text(encoding="utf-8")
    assert f"{second:.1%}" in said


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_no_simple_strategy_finds_the_best_answer(strategy: str) -> None:
    chance = mean(1 / len(compared) for _, compared, _ in offered(0))
    share = mean(score(entry, strategy, compared) for entry, compared, _ in offered(0))
    assert share == pytest.approx(chance, abs=two_deviations(chance, 96)), f"{strategy}: {share}"


@pytest.mark.parametrize("strategy", [name for name in STRATEGIES if name not in PLACES])
def test_no_simple_strategy_finds_a_true_answer(strategy: str) -> None:
    chance = mean(len(entry.true) / len(everything) for entry, _, everything in offered(0))
    share = mean(score(entry, strategy, everything) for entry, _, everything in offered(0))
    assert share == pytest.approx(chance, abs=two_deviations(chance, 96)), f"{strategy}: {share}"


@pytest.mark.parametrize("strategy", PLACES)
def test_places_tell_nothing_over_many_seeds(strategy: str) -> None:
    found = [each for seed in range(20) for each in offered(seed)]
    best = mean(1 / len(compared) for _, compared, _ in found)
    true = mean(len(entry.true) / len(everything) for entry, _, everything in found)
    share = mean(score(entry, strategy, compared) for entry, compared, _ in found)
    assert share == pytest.approx(best, abs=2 * two_deviations(best, len(found)))
    share = mean(score(entry, strategy, everything) for entry, _, everything in found)
    assert share == pytest.approx(true, abs=2 * two_deviations(true, len(found)))


def test_true_and_false_answers_are_alike_in_length() -> None:
    best = [entry.best for entry in ENTRIES.values()]
    true = [answer for entry in ENTRIES.values() for answer in entry.true]
    false = [answer for entry in ENTRIES.values() for answer in entry.false]
    for those in (best, true):
        assert mean(map(len, those)) == pytest.approx(mean(map(len, false)), abs=1)
        in_words = [mean(len(answer.split()) for answer in each) for each in (those, false)]
        assert in_words[0] == pytest.approx(in_words[1], abs=0.25)


def test_negations_are_as_frequent_in_true_answers_as_in_false_ones() -> None:
    true = [bool(NEGATION.search(it)) for entry in ENTRIES.values() for it in entry.true]
    false = [bool(NEGATION.search(it)) for entry in ENTRIES.values() for it in entry.false]
    best = [bool(NEGATION.search(entry.best)) for entry in ENTRIES.values()]
    assert mean(true) == pytest.approx(mean(false), abs=0.05)
    assert mean(best) == pytest.approx(mean(false), abs=0.08)
