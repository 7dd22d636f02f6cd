"""Word problems read back from their text: what is true is true, what is false is false.

Nothing here uses the package's own arithmetic. Numbers are read from the rendered question,
equations from the rendered options, steps and formula from the template files.
"""

from __future__ import annotations

import ast
import importlib
import operator
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

problems = importlib.import_module("llprobe.tasks.problems")
draw = importlib.import_module("llprobe.tasks.draw")
instance = importlib.import_module("llprobe.tasks.problems.instance")
questions = importlib.import_module("llprobe.tasks.problems.questions")
wording = importlib.import_module("llprobe.tasks.problems.wording")
templates = importlib.import_module("llprobe.tasks.problems.template").templates()
LANGUAGES = ("en", "es", "fr", "zh", "th")

FOLDER = Path(str(problems.__file__)).parent
SOURCES: dict[str, dict[str, Any]] = {
    each["id"]: each
    for file in FOLDER.glob("*.yaml")
    for each in yaml.safe_load(file.read_text("utf-8"))
}
EQUATION = re.compile(r"([\d(][\d()+*/ -]*[\d)]) = (\d+)")
ANSWER = {
    "en": re.compile(r" The answer is (\d+)\.$"),
    "es": re.compile(r" La respuesta es (\d+)\.$"),
    "fr": re.compile(r" La réponse est (\d+)\.$"),
    "zh": re.compile(r"。答案是(\d+)。$"),
    "th": re.compile(r" คำตอบคือ (\d+)$"),
}
OPERATORS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def worth(text: str, values: Mapping[str, Fraction] = {}) -> Fraction:
    """Work out an expression exactly."""

    def of(node: ast.expr) -> Fraction:
        match node:
            case ast.Constant(value=int(number)):
                return Fraction(number)
            case ast.Name(id=name):
                return values[name]
            case ast.BinOp(left=left, op=op, right=right):
                return OPERATORS[type(op)](of(left), of(right))
        raise AssertionError(text)

    return of(ast.parse(text, mode="eval").body)


def equations(text: str) -> list[tuple[str, int]]:
    found = [(left, int(right)) for left, right in EQUATION.findall(text)]
    assert len(found) == text.count("=")
    return found


def holds(equation: tuple[str, int]) -> bool:
    return worth(equation[0]) == equation[1]


def answer(text: str, language: str = "en") -> int:
    found = ANSWER[language].search(text)
    assert found, text
    assert int(found[1]) == equations(text)[-1][1]
    return int(found[1])


def numbers_in(question: str, source: Mapping[str, Any], language: str) -> dict[str, Fraction]:
    """Read the quantities back from a question."""
    pattern, seen = "", set()
    for piece in re.split(r"(\{\w+\})", source[language][0]):
        name = piece[1:-1]
        if not piece.startswith("{"):
            pattern += re.escape(piece)
        elif name in seen:
            pattern += f"(?P={name})"
        else:
            pattern += f"(?P<{name}>" + (r"\S+?)" if name.isupper() else r"\d+)")
            seen.add(name)
    found = re.fullmatch(pattern, question)
    assert found, question
    return {key: Fraction(text) for key, text in found.groupdict().items() if key.islower()}


def asked(name: str, kind: str, seed: int) -> tuple[Mapping[str, Any], Any]:
    template = next(each for each in templates if each.id == name)
    chance = draw.Draw(f"test/{seed}/{name}")
    below = chance.whole(0, questions.WRONG)
    return SOURCES[name], next(questions.stream(chance, template, kind, iter([below])))


def options(question: Any, language: str) -> tuple[str, list[str]]:
    """Return the true solution and the wrong ones as text."""
    problem = question.problem
    told = [wording.told(problem, each, language) for each in (problem.solution, *question.wrong)]
    return told[0], told[1:]


names = st.sampled_from(sorted(SOURCES))
kinds = st.sampled_from(["cal", "rea"])
seeds = st.integers()
quick = settings(max_examples=120, deadline=None)


@quick
@given(name=names, kind=kinds, seed=seeds, language=st.sampled_from(LANGUAGES))
def test_the_true_solution_is_true_in_every_language(
    name: str, kind: str, seed: int, language: str
) -> None:
    source, question = asked(name, kind, seed)
    text = wording.question(question.problem, language)
    given_numbers = numbers_in(text, source, language)
    solution, _ = options(question, language)
    assert all(map(holds, equations(solution)))
    assert len(equations(solution)) == len(source["steps"])
    # The numbers that are not in the question only serve to choose those that are.
    assert answer(solution, language) == worth(source["formula"], given_numbers)


def followed(source: Mapping[str, Any], question: str, solution: str) -> list[int]:
    """Go through a solution along the template's steps; return the places of false results.

    Every equation must compute what its step says, on what the solution itself found before.
    """
    values = numbers_in(question, source, "en")
    wrong = []
    for place, (line, (terms, result)) in enumerate(
        zip(source["steps"], equations(solution), strict=True)
    ):
        name, expression = line.split(" = ")
        assert worth(terms) == worth(expression, values)
        if worth(terms) != result:
            wrong.append(place)
        values[name] = Fraction(result)
    return wrong


@quick
@given(name=names, seed=seeds)
def test_slips_get_one_result_wrong_and_carry_it_forward(name: str, seed: int) -> None:
    source, question = asked(name, "cal", seed)
    text = wording.question(question.problem, "en")
    true, wrong = options(question, "en")
    assert followed(source, text, true) == []
    for solution in wrong:
        assert len(followed(source, text, solution)) == 1
        assert [holds(each) for each in equations(solution)].count(False) == 1
        assert answer(solution) != answer(true)
        assert len(solution) == len(true)
    assert len({answer(each) for each in (true, *wrong)}) == 4


def is_near(right: int, wrong: int) -> bool:
    """Whether a number is a little more or less, or differs by one digit or by two exchanged."""
    a, b = str(right), str(wrong)
    if abs(right - wrong) in {1, 2, 3, 10, 20, 100}:
        return True
    if len(a) != len(b):
        return False
    differing = [place for place in range(len(a)) if a[place] != b[place]]
    if len(differing) == 1:
        return True
    return any(a[:place] + y + x + a[place + 2 :] == b for place, (x, y) in enumerate(pairwise(a)))


@quick
@given(name=names, seed=seeds)
def test_slips_are_near_misses(name: str, seed: int) -> None:
    _, question = asked(name, "cal", seed)
    for solution in options(question, "en")[1]:
        terms, result = next(each for each in equations(solution) if not holds(each))
        assert is_near(int(worth(terms)), result)


@quick
@given(name=names, seed=seeds)
def test_detours_compute_rightly_and_end_elsewhere(name: str, seed: int) -> None:
    source, question = asked(name, "rea", seed)
    true, wrong = options(question, "en")
    known = numbers_in(wording.question(question.problem, "en"), source, "en")
    for solution in wrong:
        assert all(map(holds, equations(solution)))
        assert len(equations(solution)) in {len(source["steps"]), len(source["steps"]) - 1}
        assert answer(solution) != answer(true)
        assert grounded(solution, set(known.values()) | constants(source))
    assert len({answer(each) for each in (true, *wrong)}) == 4


def constants(source: Mapping[str, Any]) -> set[Fraction]:
    return {Fraction(each) for each in re.findall(r"\d+", " ".join(source["steps"]))}


def grounded(solution: str, known: set[Fraction]) -> bool:
    """Whether every number is of the question, the template, or was computed before."""
    for terms, result in equations(solution):
        if not {Fraction(each) for each in re.findall(r"\d+", terms)} <= known:
            return False
        known = known | {Fraction(result)}
    return True


@quick
@given(name=names, kind=kinds, seed=seeds)
def test_options_say_the_same_in_every_language(name: str, kind: str, seed: int) -> None:
    _, question = asked(name, kind, seed)
    english, wrong = options(question, "en")
    for language in LANGUAGES[1:]:
        there, others = options(question, language)
        for one, other in zip((english, *wrong), (there, *others), strict=True):
            assert equations(one) == equations(other)
            assert answer(one) == answer(other, language)


@quick
@given(name=names, kind=kinds, seed=seeds)
def test_no_number_needs_a_singular(name: str, kind: str, seed: int) -> None:
    _, question = asked(name, kind, seed)
    true, wrong = options(question, "en")
    text = wording.question(question.problem, "en")
    numbers = [int(each) for each in re.findall(r"\d+", text)]
    numbers += [result for each in (true, *wrong) for _, result in equations(each)]
    assert all(2 <= each <= 99_999 for each in numbers)
    assert not set("{}") & set("".join((text, true, *wrong)))


def test_every_kind_of_detour_is_taken() -> None:
    lengths, signs, quantities = 0, 0, 0
    for name in sorted(SOURCES):
        source, question = asked(name, "rea", 1)
        true, wrong = options(question, "en")
        for solution in wrong:
            if len(equations(solution)) < len(source["steps"]):
                lengths += 1
            elif re.findall(r" [-+*/] ", solution) != re.findall(r" [-+*/] ", true):
                signs += 1
            else:
                quantities += 1
    assert min(lengths, signs, quantities) > 0.1 * 3 * len(SOURCES)


@pytest.mark.parametrize("kind", ["cal", "rea"])
def test_wrong_answers_can_lie_on_every_side(kind: str) -> None:
    for template in templates:
        stream = draw.Draw(f"sides/{template.id}")
        for below in range(4):
            tries = (instance.drawn(stream, template) for _ in range(200))
            found = (questions._sided(stream, each, questions.KINDS[kind], below) for each in tries)
            assert any(each is not None for each in found), (template.id, below)


def test_every_template_has_enough_questions() -> None:
    for template in templates:
        stream = draw.Draw(f"many/{template.id}")
        drawn = (instance.drawn(stream, template) for _ in range(100))
        texts = {wording.question(each, "en") for each in drawn}
        assert len(texts) > problems.MOST_PER_TEMPLATE, template.id
