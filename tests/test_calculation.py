"""The calculation generator: what it says is true is true, by another evaluation."""

from __future__ import annotations

import ast
import decimal
import hashlib
import importlib
import json
import math
from collections import Counter
from fractions import Fraction
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llprobe.errors import UnknownName, UsageError
from llprobe.task import Item, Row, TaskRequest, load_definition, load_questions

calculation = importlib.import_module("llprobe.tasks.calculation")
expressions = importlib.import_module("llprobe.tasks.expressions")
SIGNS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


def rows(seed: int, per_group: int = 1) -> list[Row]:
    return list(calculation.generate(seed, {"per_group": per_group}))


def evaluate(text: str) -> Fraction:
    """Evaluate an expression from its text, in fractions: no code shared with the generator."""
    return value_of(ast.parse(text, mode="eval").body, text)


def value_of(node: ast.AST, text: str) -> Fraction:
    if isinstance(node, ast.Constant):
        return Fraction(ast.get_source_segment(text, node) or "")
    assert isinstance(node, ast.BinOp)
    left, right = value_of(node.left, text), value_of(node.right, text)
    match SIGNS[type(node.op)]:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case _:
            return left / right


def numbers_in(text: str) -> list[str]:
    return [part.strip("()") for part in text.split() if part not in "+-*/"]


def operations_in(text: str) -> list[str]:
    return [part for part in text.split() if part in "+-*/"]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers())
def test_the_answer_is_true_and_the_others_are_false(seed: int) -> None:
    for row in rows(seed):
        value = evaluate(row.fields["question"])
        true = [text for text in row.fields["choices"] if Fraction(text) == value]
        assert true == [row.fields["answer"]]
        assert len(set(row.fields["choices"])) == 4


@settings(max_examples=40, deadline=None)
@given(seed=st.integers())
def test_wrong_options_are_near_misses(seed: int) -> None:
    for row in rows(seed):
        answer, kind = Fraction(row.fields["answer"]), row.fields["group"].split("/")[0]
        off = [abs(Fraction(text) - answer) for text in row.fields["choices"]]
        off.remove(Fraction(0))
        steps = [Fraction(1)] if kind == "int" else [Fraction(1, 10), Fraction(1, 100)]
        assert any(all((each / step) in range(1, 21) for each in off) for step in steps)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers())
def test_numbers_are_of_the_group_and_cleanly_written(seed: int) -> None:
    for row in rows(seed):
        kind, size, operation = row.fields["group"].split("/")
        low, high = (int(digits) for digits in size.split("-"))
        operands = numbers_in(row.fields["question"])
        for text in operands:
            assert low <= len(text.partition(".")[0]) <= high
        for text in operands + row.fields["choices"]:
            assert ("." in text) == (kind == "float")
            assert "e" not in text.lower()
            assert not (text.startswith("-") and Fraction(text) == 0)
            assert len(text.partition(".")[2]) <= 2
        signs = operations_in(row.fields["question"])
        expected = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
        if operation in expected:
            assert signs == [expected[operation]]
        else:
            assert len(signs) == int(operation[-1])
            assert len(set(signs)) > 1


@settings(max_examples=20, deadline=None)
@given(seed=st.integers())
def test_length_and_sign_tell_nothing(seed: int) -> None:
    for row in rows(seed):
        assert len({len(text) for text in row.fields["choices"]}) == 1
        assert len({text.startswith("-") for text in row.fields["choices"]}) == 1


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(), other=st.integers())
def test_seeds_decide(seed: int, other: int) -> None:
    assert rows(seed) == rows(seed)
    assert (rows(seed) == rows(other)) == (seed == other)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(), fewer=st.integers(1, 5), more=st.integers(1, 5))
def test_more_per_group_keeps_the_questions_there_were(seed: int, fewer: int, more: int) -> None:
    first = rows(seed, fewer)
    assert rows(seed, fewer + more)[: len(first)] == first


def test_the_callers_decimal_settings_change_nothing() -> None:
    with decimal.localcontext(decimal.Context(prec=3)):
        narrow = rows(5, 2)
    assert narrow == rows(5, 2)


def test_every_value_is_shown_without_rounding() -> None:
    show, number = expressions.show, decimal.Decimal
    assert show(number("-0.00"), "float") == "0.0"
    assert show(number("12.40"), "float") == "12.4"
    assert show(number("1E+3"), "int") == "1000"
    assert show(number("123456789012.34"), "float") == "123456789012.34"


def test_the_largest_setting_gives_that_many_different_questions() -> None:
    questions = Counter((row.fields["group"], row.fields["question"]) for row in rows(0, 200))
    assert len(questions) == 36 * 200


def ask(**wanted: Any) -> list[Item]:
    return list(load_questions(TaskRequest("calculation", **wanted)).items)


def test_ten_of_every_group_by_default() -> None:
    groups = Counter(item.group for item in ask())
    assert len(groups) == 36
    assert set(groups.values()) == {10}
    assert "int/3-4/mul" in groups


@pytest.mark.parametrize("limit", [6, 12, 18, 30, 36, 37, 100])
def test_a_limit_gives_a_balanced_sample(limit: int) -> None:
    items = ask(limit=limit)
    assert len(items) == limit
    groups = Counter(item.group for item in items)
    assert len(groups) == min(limit, 36)
    assert max(groups.values()) - min(groups.values()) <= 1
    if limit % 6 == 0:
        for part in range(3):
            counts = Counter(item.group.split("/")[part] for item in items)
            assert len(set(counts.values())) == 1


def test_the_questions_are_the_same_on_every_machine() -> None:
    asked = [[row.fields["question"], row.fields["choices"]] for row in rows(0, 10)]
    digest = hashlib.sha256(json.dumps(asked).encode()).hexdigest()
    assert digest == "95909c67558b95bd8ccd5ee4fc20ee1c3d0050586240c938ca6a8edec4ef18c6"


def test_worked_examples_are_true() -> None:
    samples = load_definition("calculation").samples
    assert len(samples) == 4
    for sample in samples:
        assert evaluate(sample["question"]) == Fraction(sample["answer"])
        off = {abs(Fraction(each) - Fraction(sample["answer"])) for each in sample["choices"]}
        steps = [Fraction(1)] if "." not in sample["answer"] else [Fraction(1, 10)]
        assert len({len(each) for each in sample["choices"]}) == 1
        assert off - {0} <= {step * times for step in steps for times in range(1, 21)}


@cache
def many_items() -> list[Item]:
    return ask(settings=(("per_group", "100"),))


def chance_bound(asked: int) -> float:
    """Return four standard deviations of the share that guessing one in four gets right."""
    return 4 * math.sqrt(0.25 * 0.75 / asked)


@pytest.mark.parametrize("choose", ["longest", "shortest", "first", "last", "middle", "lowest"])
def test_no_simple_strategy_beats_chance(choose: str) -> None:
    items = many_items()
    share = sum(score(item, choose) for item in items) / len(items)
    assert share == pytest.approx(0.25, abs=chance_bound(len(items))), f"{choose}: {share}"


def score(item: Item, choose: str) -> float:
    """Return the chance that a strategy is right, ties drawn by lot."""
    numbers = [Fraction(choice.strip()) for choice in item.choices]
    ranks = [sorted(numbers).index(number) for number in numbers]
    merits: dict[str, list[int]] = {
        "longest": [len(choice) for choice in item.choices],
        "shortest": [-len(choice) for choice in item.choices],
        "first": [-place for place in range(4)],
        "last": list(range(4)),
        "middle": [int(rank in {1, 2}) for rank in ranks],
        "lowest": [-rank for rank in ranks],
    }
    merit = merits[choose]
    picked = [place for place in range(4) if merit[place] == max(merit)]
    return sum(place in item.correct for place in picked) / len(picked)


def test_data_is_refused() -> None:
    with pytest.raises(UsageError, match="makes its own questions"):
        ask(data="facts.tsv")


@pytest.mark.parametrize("value", ["0", "-1", "201", "many"])
def test_a_bad_number_per_group_is_refused(value: str) -> None:
    with pytest.raises(UsageError, match="per_group"):
        ask(settings=(("per_group", value),))


def test_an_unknown_setting_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean per_group"):
        ask(settings=(("pergroup", "3"),))
