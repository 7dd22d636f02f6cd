"""The facts task: a table that holds no second truth, and questions that give nothing away."""

from __future__ import annotations

import hashlib
import importlib
import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import cache
from itertools import takewhile
from statistics import mean
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llprobe.errors import UnknownName, UsageError
from llprobe.task import Item, Row, TaskRequest, load_definition, load_questions

facts = importlib.import_module("llprobe.tasks.facts")
RELATIONS = list(facts.TEMPLATES)
FACTS = {fact.id: fact for name in RELATIONS for fact in facts.table()[name]}
POOL = {name: Counter(fact.answer for fact in facts.table()[name]) for name in RELATIONS}


def rows(seed: int, per_relation: int = 32) -> list[Row]:
    return list(facts.generate(seed, {"per_relation": per_relation}))


def ask(**wanted: Any) -> list[Item]:
    return list(load_questions(TaskRequest("facts", **wanted)).items)


def words(text: str) -> set[str]:
    """Return the words of three letters and more that say something."""
    return {word for word in re.findall(r"\w{3,}", text.lower()) if word != "the"}


# The table.


def test_there_are_enough_facts_of_enough_relations() -> None:
    assert len(RELATIONS) == 14
    assert {len(facts.table()[name]) for name in RELATIONS} == {32}
    lines = facts._TABLE.read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(FACTS) == 448, "a relation without templates, or an id that is twice"
    assert {json.loads(line)["relation"] for line in lines} == set(RELATIONS)


def test_ids_are_plain() -> None:
    assert all(re.fullmatch(r"[a-z]+/[a-z0-9]+(-[a-z0-9]+)*", name) for name in FACTS)
    wanted = {"capital/france", "language/bahamas", "kind/iguana", "instrument/toumani-diabate"}
    assert wanted <= set(FACTS)


def test_texts_are_clean() -> None:
    for fact in FACTS.values():
        for text in (fact.subject, fact.answer, *fact.also):
            assert text == " ".join(text.split()) != ""
            assert not set(text) & set('<>{}|,;:"')


@pytest.mark.parametrize("name", RELATIONS)
def test_no_answer_takes_over_a_relation(name: str) -> None:
    assert len(POOL[name]) >= 19
    assert max(POOL[name].values()) <= 0.1 * 32


@pytest.mark.parametrize("name", RELATIONS)
def test_other_truths_are_spelled_as_in_the_table_and_leave_enough(name: str) -> None:
    for fact in facts.table()[name]:
        assert set(fact.also) <= set(POOL[name]) - {fact.answer}, fact.id
        assert len(set(fact.also)) == len(fact.also)
        assert len(set(POOL[name]) - {fact.answer, *fact.also}) >= 9


def test_no_answer_stands_in_its_question_or_the_other_way_round() -> None:
    for fact in FACTS.values():
        assert not words(fact.subject) & words(fact.answer), fact.id
        if len(fact.answer) > 2:
            assert fact.answer.lower() not in fact.subject.lower(), fact.id
            assert fact.subject.lower() not in fact.answer.lower(), fact.id


@pytest.mark.parametrize("name", RELATIONS)
def test_answers_of_a_relation_differ_in_more_than_capitals(name: str) -> None:
    plain = [answer.lower().removeprefix("the ") for answer in POOL[name]]
    assert len(set(plain)) == len(plain)


@pytest.mark.parametrize("name", RELATIONS)
def test_templates_end_in_the_mask(name: str) -> None:
    assert 2 <= len(set(facts.TEMPLATES[name])) == len(facts.TEMPLATES[name]) <= 4
    for template in facts.TEMPLATES[name]:
        assert template.count("{}") == 1
        assert template.endswith(" <mask>.")
        assert template.count("<mask>") == 1


# Questions.


@settings(max_examples=15, deadline=None)
@given(seed=st.integers())
def test_every_question_is_well_formed(seed: int) -> None:
    asked = rows(seed)
    assert sorted(row.fields["id"] for row in asked) == sorted(FACTS)
    for row in asked:
        fact, choices = FACTS[row.fields["id"]], row.fields["choices"]
        assert row.fields["group"] == fact.relation
        assert row.fields["answer"] == fact.answer
        assert len(set(choices)) == len(choices) == 10
        assert choices.count(fact.answer) == 1
        assert set(choices) <= set(POOL[fact.relation])
        assert fact.subject[1:] in row.fields["question"]
        assert row.fields["question"][0] == row.fields["question"][0].upper()
        assert row.fields["question"].endswith(" <mask>.")


@settings(max_examples=15, deadline=None)
@given(seed=st.integers())
def test_what_is_true_as_well_is_never_offered(seed: int) -> None:
    for row in rows(seed):
        assert not set(FACTS[row.fields["id"]].also) & set(row.fields["choices"])


@given(
    answers=st.lists(st.sampled_from("abcdefghijkl"), max_size=60),
    start=st.integers(0, 10**6),
)
def test_nine_marks_fall_on_nine_answers_however_frequent_one_is(
    answers: list[str], start: int
) -> None:
    fact = facts.Fact("made-up", "subject", "z")
    others = [*"abcdefghi", *answers]
    table = {"made-up": tuple(facts.Fact("made-up", f"s{i}", a) for i, a in enumerate(others))}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(facts, "table", lambda: table)
        drawn = facts._wrong(facts.Draw(str(start)), fact)
    assert len(drawn) == len(set(drawn)) == 9
    assert set(drawn) <= set(others)


def test_any_two_wrong_candidates_can_meet() -> None:
    fact = FACTS["capital/france"]
    met = [set(facts._question(seed, fact)["choices"]) for seed in range(300)]
    wrong = set(POOL["capital"]) - {fact.answer}
    assert all(any({a, b} <= each for each in met) for a in wrong for b in wrong)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(), other=st.integers())
def test_seeds_decide(seed: int, other: int) -> None:
    assert rows(seed) == rows(seed)
    assert (rows(seed) == rows(other)) == (seed == other)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(), fewer=st.integers(1, 16), more=st.integers(1, 16))
def test_more_per_relation_keeps_the_questions_there_were(seed: int, fewer: int, more: int) -> None:
    first = rows(seed, fewer)
    assert len(first) == fewer * len(RELATIONS)
    assert rows(seed, fewer + more)[: len(first)] == first


def test_every_template_is_used() -> None:
    used = defaultdict(set)
    for row in rows(0):
        subject = FACTS[row.fields["id"]].subject
        for template in facts.TEMPLATES[row.fields["group"]]:
            sentence = template.format(subject)
            if sentence[0].upper() + sentence[1:] == row.fields["question"]:
                used[row.fields["group"]].add(template)
    assert {name: len(used[name]) for name in RELATIONS} == {
        name: len(facts.TEMPLATES[name]) for name in RELATIONS
    }


def test_the_questions_are_the_same_on_every_machine() -> None:
    asked = [[row.fields["question"], row.fields["choices"]] for row in rows(0)]
    digest = hashlib.sha256(json.dumps(asked).encode()).hexdigest()
    assert digest == "d439df411c174399c541d1033c9dd267dda0c3484365df4336399f06afdef3a8"


# The task.


def test_all_facts_by_default_in_the_papers_form() -> None:
    items = ask()
    assert len(items) == 448
    assert {item.id for item in items} == set(FACTS)
    for item in items:
        assert item.prompt.startswith("Q: ")
        assert item.prompt.endswith(" <mask>.\nA:")
        assert item.correct == (item.best,)
        assert item.choices[item.best] == f" {FACTS[item.id].answer}"


@pytest.mark.parametrize("limit", [1, 13, 14, 24, 28, 100, 448, 1000])
def test_a_limit_gives_a_balanced_sample(limit: int) -> None:
    items = ask(limit=limit)
    assert len(items) == min(limit, 448)
    groups = Counter(item.group for item in items)
    assert len(groups) == min(limit, 14)
    assert max(groups.values()) - min(groups.values()) <= (len(items) % 14 > 0 and limit > 14)


def test_a_setting_limits_the_facts_of_a_relation() -> None:
    groups = Counter(item.group for item in ask(settings=(("per_relation", "5"),)))
    assert groups == dict.fromkeys(RELATIONS, 5)


@pytest.mark.parametrize("value", ["0", "-1", "33", "all"])
def test_a_bad_number_per_relation_is_refused(value: str) -> None:
    with pytest.raises(UsageError, match="per_relation"):
        ask(settings=(("per_relation", value),))


def test_an_unknown_setting_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean per_relation"):
        ask(settings=(("relation", "3"),))


def test_worked_examples_are_not_asked() -> None:
    samples = load_definition("facts").samples
    assert len(samples) == 4
    subjects = ["Bulgaria", "falcon", "Gulliver", "tin"]
    for sample, subject in zip(samples, subjects, strict=True):
        assert subject.lower() in words(sample["question"])
        assert sample["question"].endswith(" <mask>.")
        assert not any(subject.lower() in words(fact.subject) for fact in FACTS.values())


def test_wrong_candidates_of_worked_examples_are_answers_of_one_relation() -> None:
    relations = ["capital", "kind", "author", "symbol"]
    for sample, relation in zip(load_definition("facts").samples, relations, strict=True):
        there = {fact.answer for fact in facts.table()[relation]}
        assert set(sample["choices"]) - there <= {sample["answer"]}
        assert len(set(sample["choices"])) == 10


# What can be guessed without knowing anything.


def spelled_alike(subject: str, choice: str) -> int:
    """Return how many letters a word of one and a word of the other begin with in common."""
    pairs = ((a, b) for a in subject.lower().split() for b in choice.lower().split())
    return max(common_start(a, b) for a, b in pairs)


def common_start(one: str, other: str) -> int:
    """Return how many letters two words begin with in common."""
    alike = (a == b for a, b in zip(one, other, strict=False))
    return sum(1 for _ in takewhile(bool, alike))


STRATEGIES: dict[str, Callable[[str, str, int, Counter[str]], int]] = {
    "longest": lambda _subject, choice, _place, _pool: len(choice),
    "shortest": lambda _subject, choice, _place, _pool: -len(choice),
    "most words": lambda _subject, choice, _place, _pool: len(choice.split()),
    "first": lambda _subject, _choice, place, _pool: -place,
    "last": lambda _subject, _choice, place, _pool: place,
    "most frequent": lambda _subject, choice, _place, pool: pool[choice],
    "least frequent": lambda _subject, choice, _place, pool: -pool[choice],
    "spelled alike": lambda subject, choice, _place, _pool: spelled_alike(subject, choice),
}


def score(row: Row, strategy: str) -> float:
    """Return the chance that a strategy is right, ties drawn by lot."""
    fact, choices = FACTS[row.fields["id"]], row.fields["choices"]
    merit = [
        STRATEGIES[strategy](fact.subject, choice, place, POOL[fact.relation])
        for place, choice in enumerate(choices)
    ]
    picked = [choice for choice, each in zip(choices, merit, strict=True) if each == max(merit)]
    return (fact.answer in picked) / len(picked)


@cache
def shares(strategy: str) -> dict[str, float]:
    """Return the share that a strategy gets right of each relation, over 20 seeds."""
    scores: dict[str, list[float]] = defaultdict(list)
    for seed in range(20):
        for row in rows(seed):
            scores[row.fields["group"]].append(score(row, strategy))
    return {name: mean(found) for name, found in scores.items()}


BLIND = [name for name in STRATEGIES if name != "spelled alike"]


def noise(asked: int) -> float:
    """Return four standard deviations of the share that guessing one in ten gets right."""
    return 4 * math.sqrt(0.1 * 0.9 / asked)


@pytest.mark.parametrize("strategy", BLIND)
def test_no_simple_strategy_beats_chance(strategy: str) -> None:
    share = mean(score(row, strategy) for row in rows(0))
    assert share == pytest.approx(0.1, abs=noise(448)), f"{strategy}: {share}"
    assert mean(shares(strategy).values()) == pytest.approx(0.1, abs=noise(20 * 448))


@pytest.mark.parametrize("strategy", BLIND)
@pytest.mark.parametrize("name", RELATIONS)
def test_nor_in_any_one_relation(name: str, strategy: str) -> None:
    assert shares(strategy)[name] == pytest.approx(0.1, abs=noise(20 * 32))


def test_spelling_tells_something_where_the_documentation_says_so() -> None:
    telling = {name: share for name, share in shares("spelled alike").items() if share > 0.15}
    assert set(telling) == {"symbol", "language"}
    assert 0.5 < telling["symbol"] < 0.75
    assert 0.2 < telling["language"] < 0.35
