"""The logic task: well-formed questions whose right option is not to be guessed by its looks."""

from __future__ import annotations

import hashlib
import importlib
import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from functools import cache
from statistics import mean
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llprobe.errors import UnknownName, UsageError
from llprobe.task import Item, Row, TaskRequest, load_definition, load_questions

logic = importlib.import_module("llprobe.tasks.logic")
flaws = importlib.import_module("llprobe.tasks.logic.flaws")
question = importlib.import_module("llprobe.tasks.logic.question")
draw = importlib.import_module("llprobe.tasks.draw")
GROUPS = logic.GROUPS
SEEDS = range(4)
MOST = 48


@cache
def rows(seed: int, per_group: int = MOST) -> tuple[Row, ...]:
    return tuple(logic.generate(seed, {"per_group": per_group}))


def ask(**wanted: Any) -> list[Item]:
    return list(load_questions(TaskRequest("logic", **wanted)).items)


# Form.


def test_every_question_is_well_formed() -> None:
    for seed in SEEDS:
        assert Counter(row.fields["group"] for row in rows(seed)) == dict.fromkeys(GROUPS, MOST)
        assert len({row.fields["id"] for row in rows(seed)}) == MOST * len(GROUPS)
        assert len({row.fields["context"] for row in rows(seed)}) == MOST * len(GROUPS)
        for row in rows(seed):
            choices = row.fields["choices"]
            assert len(set(choices)) == len(choices) == 4
            assert choices.count(row.fields["answer"]) == 1
            assert row.fields["question"].endswith("?")
            for text in (row.fields["context"], *choices):
                assert re.fullmatch(r"[A-Z].*[a-z0-9]\.", text)
                assert text == " ".join(text.split())
                assert not set(text) & set('{}<>|"')


def test_the_options_of_a_question_are_alike_in_length() -> None:
    for row in rows(0):
        lengths = [len(choice) for choice in row.fields["choices"]]
        assert max(lengths) <= 3 * min(lengths), row.fields["id"]


@pytest.mark.parametrize("group", ["conditional", "quantifiers", "ordering", "grouping"])
def test_and_begin_in_few_ways(group: str) -> None:
    for row in rows(0):
        if row.fields["group"] == group:
            words = [set(choice.lower().split()) for choice in row.fields["choices"]]
            assert set.intersection(*words), "no word is common to all four"


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(), other=st.integers())
def test_seeds_decide(seed: int, other: int) -> None:
    one, again, another = (
        list(logic.generate(each, {"per_group": 3})) for each in (seed, seed, other)
    )
    assert one == again
    assert (one == another) == (seed == other)


def test_more_per_group_keeps_the_questions_there_were() -> None:
    assert rows(1)[: 4 * len(GROUPS)] == rows(1, 4)


def test_the_questions_are_the_same_on_every_machine() -> None:
    asked = [
        [row.fields[key] for key in ("id", "context", "question", "choices", "answer")]
        for row in rows(0)
    ]
    digest = hashlib.sha256(json.dumps(asked).encode()).hexdigest()
    assert digest == "9e6ad7a2a966153fbc51e674ed53ae1120ff38adcf75c8d3c443e3184f85e71a"


def test_a_rank_is_the_number_of_shorter_options() -> None:
    drawn = draw.Draw("ranks")
    wrongs = [["w" * length] for length in (7, 8, 9, 11, 12, 13)]
    for rank in range(4):
        made = question.make(drawn, rank, ("", ""), ["r" * 10], wrongs)
        assert sum(len(choice) < 10 for choice in made.choices) == rank
        assert made.answer == "r" * 10
    assert question.make(drawn, 3, ("", ""), ["r" * 10], wrongs[2:]) is None
    assert question.make(drawn, 0, ("", ""), ["r" * 10], [["w" * 99]] * 5) is None


def test_options_that_mean_the_same_never_meet() -> None:
    drawn = draw.Draw("same")
    wrongs = [["a1", "a2"], ["b1", "b2"], ["c1", "c2"], ["d1", "d2"]]
    for _ in range(50):
        if made := question.make(drawn, 2, ("", ""), ["zz"], wrongs):
            assert len({choice[0] for choice in made.choices}) == 4


# Flaws, the group written by hand.


def test_every_flaw_has_four_passages_and_two_names() -> None:
    assert len(flaws.passages()) == MOST
    assert Counter(each.flaw for each in flaws.passages()) == dict.fromkeys(flaws.FLAWS, 4)
    assert len({each.text for each in flaws.passages()}) == MOST
    names = [name for wordings in flaws.FLAWS.values() for name in wordings]
    assert len(set(names)) == 24
    for short, long in flaws.FLAWS.values():
        assert len(short) < 60 < len(long)


def test_names_of_passages_and_what_is_true_as_well_are_in_order() -> None:
    for each in flaws.passages():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", each.name)
        assert set(each.also) <= set(flaws.FLAWS) - {each.flaw}
        assert len(each.also) <= 2


def test_a_flaw_is_named_right_and_no_other_that_fits_is_offered() -> None:
    passages = {f"flaw/{each.name}": each for each in flaws.passages()}
    flaw = {name: key for key, wordings in flaws.FLAWS.items() for name in wordings}
    for seed in SEEDS:
        for row in rows(seed):
            if row.fields["group"] == "flaw":
                passage = passages[row.fields["id"]]
                offered = [flaw[choice] for choice in row.fields["choices"]]
                assert len(set(offered)) == 4
                assert flaw[row.fields["answer"]] == passage.flaw
                assert not set(offered) & set(passage.also)


# The task.


def test_by_default_140_questions_in_the_papers_form() -> None:
    items = ask()
    assert len(items) == 140
    for item in items:
        assert re.fullmatch(r"P: [A-Z].+\.\nQ: [A-Z].+\?\nA:", item.prompt)
        assert item.correct == (item.best,)
        assert len(item.choices) == 4


@pytest.mark.parametrize("limit", [1, 7, 20, 140, 500])
def test_a_limit_gives_a_balanced_sample(limit: int) -> None:
    groups = Counter(item.group for item in ask(limit=limit))
    assert groups.total() == min(limit, 140)
    assert len(groups) == min(limit, 7)
    assert max(groups.values()) - min(groups.values()) <= 1


def test_a_setting_says_how_many_of_a_group() -> None:
    groups = Counter(item.group for item in ask(settings=(("per_group", "2"),)))
    assert groups == dict.fromkeys(GROUPS, 2)


@pytest.mark.parametrize("value", ["0", "-1", "49", "all"])
def test_a_bad_number_per_group_is_refused(value: str) -> None:
    with pytest.raises(UsageError, match="per_group"):
        ask(settings=(("per_group", value),))


def test_an_unknown_setting_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean per_group"):
        ask(settings=(("group", "3"),))


def test_worked_examples_are_not_asked() -> None:
    asked = " ".join(row.fields["context"] for seed in SEEDS for row in rows(seed))
    samples = load_definition("logic").samples
    assert len(samples) == 3
    for sample in samples:
        assert not any(part in asked for part in sample["context"].split(". "))
        lengths = sorted(len(each) for each in sample["choices"])
        assert lengths[-1] <= 1.4 * lengths[0]


# What can be guessed without reading the passage.


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


def denials(choice: str) -> int:
    return len(re.findall(r"\b(?:not|no|none|nobody|nothing)\b", choice.lower()))


def likeness(choices: Sequence[str], place: int) -> float:
    """Return how much of its words an option shares with the other three."""
    own, total = words(choices[place]), 0.0
    for other in (words(each) for at, each in enumerate(choices) if at != place):
        total += len(own & other) / len(own | other)
    return round(total, 9)


STRATEGIES: dict[str, Callable[[Sequence[str], int], float]] = {
    "longest": lambda choices, place: len(choices[place]),
    "shortest": lambda choices, place: -len(choices[place]),
    "most words": lambda choices, place: len(choices[place].split()),
    "fewest words": lambda choices, place: -len(choices[place].split()),
    "first": lambda _choices, place: -place,
    "last": lambda _choices, place: place,
    "most denials": lambda choices, place: denials(choices[place]),
    "fewest denials": lambda choices, place: -denials(choices[place]),
    "most like the others": likeness,
    "least like the others": lambda choices, place: -likeness(choices, place),
}


@cache
def shares(strategy: str) -> dict[str, float]:
    """Return the share that a strategy gets right of each group, ties drawn by lot."""
    scores: dict[str, list[float]] = defaultdict(list)
    for seed in SEEDS:
        for row in rows(seed):
            choices = row.fields["choices"]
            merit = [STRATEGIES[strategy](choices, place) for place in range(4)]
            best = [c for c, each in zip(choices, merit, strict=True) if each == max(merit)]
            scores[row.fields["group"]].append((row.fields["answer"] in best) / len(best))
    return {group: mean(found) for group, found in scores.items()}


def noise(asked: int) -> float:
    """Return four standard deviations of the share that guessing one in four gets right."""
    return 4 * math.sqrt(0.25 * 0.75 / asked)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_no_simple_strategy_beats_chance(strategy: str) -> None:
    share = mean(shares(strategy).values())
    assert share == pytest.approx(0.25, abs=noise(len(SEEDS) * MOST * len(GROUPS))), share


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("group", GROUPS)
def test_nor_in_any_one_group(group: str, strategy: str) -> None:
    assert shares(strategy)[group] == pytest.approx(0.25, abs=noise(len(SEEDS) * MOST))


def test_nor_does_a_flaw_that_is_often_offered_tell() -> None:
    flaw = {name: key for key, wordings in flaws.FLAWS.items() for name in wordings}
    offered: Counter[str] = Counter()
    asked = [row for seed in SEEDS for row in rows(seed) if row.fields["group"] == "flaw"]
    for row in asked:
        offered.update(flaw[choice] for choice in row.fields["choices"])
    rarest = [
        flaw[row.fields["answer"]]
        == min((flaw[choice] for choice in row.fields["choices"]), key=lambda name: offered[name])
        for row in asked
    ]
    assert mean(rarest) < 0.25 + noise(len(asked))


def test_in_parallel_reasoning_wording_tells_something_as_the_documentation_says() -> None:
    right = []
    for seed in SEEDS:
        for row in (row for row in rows(seed) if row.fields["group"] == "parallel"):
            passage, choices = words(row.fields["context"]), row.fields["choices"]
            shared = [len(words(choice) & passage) / len(words(choice)) for choice in choices]
            right.append(choices[shared.index(max(shared))] == row.fields["answer"])
    assert 0.3 < mean(right) < 0.5
