"""Rules, quantifiers and arguments of the logic task, read back from their English and decided.

Shares only word lists with the generator: what a sentence means is said here a second time, and
what follows is found by going through all cases.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator
from itertools import islice, permutations, product
from typing import Any

import numpy as np
import pytest

logic = importlib.import_module("llprobe.tasks.logic")
MATTERS = importlib.import_module("llprobe.tasks.logic.matters").MATTERS
REALMS = importlib.import_module("llprobe.tasks.logic.kinds").REALMS
ADMISSIONS = importlib.import_module("llprobe.tasks.logic.admissions").ADMISSIONS
FORMS = importlib.import_module("llprobe.tasks.logic.parallel").FAMILIES
SEEDS = range(2)


def questions(group: str) -> Iterator[Any]:
    for seed in SEEDS:
        yield from (each for _, each in islice(logic._named(seed, group), 48))


def sentences(text: str) -> list[str]:
    """Return a text's sentences without full stops and with a small letter in front."""
    return [each[0].lower() + each[1:] for each in text.removesuffix(".").split(". ")]


def place_of(places: Any, context: str) -> Any:
    """Return the one place whose intro a passage begins with."""
    (found,) = [place for place in places if context.startswith(place.intro)]
    return found


def told(place: Any, context: str) -> list[str]:
    return sentences(context.removeprefix(place.intro).strip())


def only_the_answer(question: Any, follows: Callable[[str], bool]) -> bool:
    return [choice for choice in question.choices if follows(choice)] == [question.answer]


# Conditionals: a literal is a pair of a fact's number and whether it holds.

Literal = tuple[int, bool]
World = tuple[bool, ...]


def literal(place: Any, clause: str) -> Literal:
    facts = {
        text: (at, i == 0) for at, pair in enumerate(place.facts) for i, text in enumerate(pair)
    }
    return facts[clause]


def rule(place: Any, text: str) -> Callable[[World], bool]:
    """Return when a sentence about a place is true."""
    swapped = False
    if text.startswith("today "):
        at, holds = literal(place, text.removeprefix("today "))
        return lambda world: world[at] == holds
    if match := re.fullmatch(r"(?:if|whenever|unless) (.+), (.+)", text):
        x, y = match.groups()
        swapped = text.startswith("unless")
    elif match := re.fullmatch(r"(.+) only if (.+)", text):
        x, y = match.groups()
        assert " not " not in x, "a denied `only if` has two readings"
    else:
        y, x = text.split(" if ")
    (p, p_holds), (q, q_holds) = literal(place, x), literal(place, y)
    return lambda world: (world[p] == p_holds) == swapped or world[q] == q_holds


def test_conditionals() -> None:
    for question in questions("conditional"):
        place = place_of(MATTERS, question.context)
        rules = [rule(place, text) for text in told(place, question.context)]
        assert 4 <= len(rules) <= 6
        worlds = [w for w in product((True, False), repeat=6) if all(each(w) for each in rules)]
        assert worlds

        def follows(choice: str, place: Any = place, worlds: list[World] = worlds) -> bool:
            (text,) = sentences(choice)
            return all(map(rule(place, text), worlds))

        assert only_the_answer(question, follows), question


# Needed and enough: a rule is a pair of literals over a person's properties.


def predicate(place: Any, text: str) -> Literal:
    pairs = enumerate(place.predicates)
    return {text: (at, i == 0) for at, pair in pairs for i, text in enumerate(pair)}[text]


def two_predicates(place: Any, text: str) -> tuple[Literal, Literal]:
    """Split `sells food gets a place` after its first predicate."""
    texts = [each for pair in place.predicates for each in pair]
    (found,) = [(a, b) for a in texts for b in texts if text == f"{a} {b}"]
    return predicate(place, found[0]), predicate(place, found[1])


def general(place: Any, text: str) -> tuple[Literal, Literal] | None:
    """Return what a general rule leads from and to; None for a sentence about one person."""
    noun = place.noun
    if match := re.fullmatch(rf"no {noun} (.+) who (.+)", text):
        goal, (at, holds) = predicate(place, match[1]), predicate(place, match[2])
        return goal, (at, not holds)
    if match := re.fullmatch(rf"a {noun} (.+) only if that {noun} (.+)", text):
        return predicate(place, match[1]), predicate(place, match[2])
    if match := re.fullmatch(rf"(?:if|whenever) an? {noun} (.+), that {noun} (.+)", text):
        return predicate(place, match[1]), predicate(place, match[2])
    if match := re.fullmatch(rf"(?:every|any|whatever else .+, a) {noun} who (.+)", text):
        return two_predicates(place, match[1])
    return None


def agrees(world: World, pair: tuple[Literal, Literal]) -> bool:
    (p, p_holds), (q, q_holds) = pair
    return world[p] != p_holds or world[q] == q_holds


def test_necessary_and_sufficient() -> None:
    people = 0
    for question in questions("necessary"):
        place = place_of(ADMISSIONS, question.context)
        texts = told(place, question.context)
        rules = [pair for text in texts if (pair := general(place, text))]
        assert len(rules) == 3
        allowed = [
            w for w in product((True, False), repeat=5) if all(agrees(w, each) for each in rules)
        ]
        known = dict(text.split(" ", 1) for text in texts if not general(place, text))
        people += len(known)

        def follows(
            choice: str,
            place: Any = place,
            allowed: list[World] = allowed,
            known: dict[str, str] = known,
        ) -> bool:
            (text,) = sentences(choice)
            if pair := general(place, text):
                return all(agrees(world, pair) for world in allowed)
            name, does = text.split(" ", 1)
            (given, holds), (at, said) = predicate(place, known[name]), predicate(place, does)
            return all(world[at] == said for world in allowed if world[given] == holds)

        assert only_the_answer(question, follows), question
    assert people == 3 * 48


# Quantifiers: a world says for each of the 16 kinds of things whether there is one; bit by bit.

WORLDS = np.arange(2**16, dtype=np.uint32)
QUANTIFIED = (
    ("all", r"(?:all) (.+) are (.+)"),
    ("all", r"(?:every|each) (.+) is an? (.+)"),
    ("no", r"(?:none of the|not one|no) (.+) is an? (.+)"),
    ("some not", r"some (.+) are not (.+)"),
    ("some not", r"not every (.+) is an? (.+)"),
    ("some not", r"at least one (.+) is not an? (.+)"),
    ("some", r"some (.+) are (.+)"),
    ("some", r"at least one (.+) is an? (.+)"),
)


def quantified(place: Any, text: str) -> tuple[str, int, int]:
    """Return form and groups of a sentence."""
    kind = {name: number for number, names in enumerate(place.kinds) for name in names}
    for form, pattern in QUANTIFIED:
        if (match := re.fullmatch(pattern, text)) and {*match.groups()} <= set(kind):
            return form, kind[match[1]], kind[match[2]]
    raise AssertionError(text)


def holds(said: tuple[str, int, int], places: list[int]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return in which worlds a sentence is true; `places` are the four groups."""
    form, x, y = said[0], places.index(said[1]), places.index(said[2])
    both = form in {"some", "no"}
    kinds = [k for k in range(16) if k >> x & 1 and bool(k >> y & 1) == both]
    there: np.ndarray[Any, np.dtype[np.bool_]] = (WORLDS & sum(1 << k for k in kinds)) != 0
    return there if form.startswith("some") else ~there


def test_quantifiers() -> None:
    inhabited = np.ones(2**16, dtype=bool)
    for group in range(4):
        inhabited &= (WORLDS & sum(1 << k for k in range(16) if k >> group & 1)) != 0
    forms = set()
    for question in questions("quantifiers"):
        place = place_of(REALMS, question.context)
        premises = [quantified(place, text) for text in told(place, question.context)]
        groups = sorted({group for _, *both in premises for group in both})
        assert (len(premises), len(groups)) == (3, 4)
        true = np.logical_and.reduce([holds(each, groups) for each in premises])
        assert (true & inhabited).any()
        options = {c: quantified(place, *sentences(c)) for c in question.choices}
        forms.add(options[question.answer][0])
        assert len({form for form, *_ in options.values()}) == 1
        for choice, said in options.items():
            if choice == question.answer:
                assert holds(said, groups)[true].all(), question
                assert not any(holds(said, groups)[holds(p, groups)].all() for p in premises)
            else:
                assert not holds(said, groups)[true & inhabited].all(), question
    assert forms == {"all", "no", "some", "some not"}


# Parallel reasoning: an argument's form is what is left when names are taken away.

SO = r"(?:so,|therefore,|hence,|it follows that|this shows that) "


def part(text: str) -> tuple[str, ...]:
    """Return the form of a sentence of an argument, and the clauses or groups it is about."""
    for place in REALMS:
        try:
            form, x, y = quantified(place, text)
        except AssertionError:
            continue
        return (form, *((str(x), str(y)) if form == "all" else sorted((str(x), str(y)))))
    if match := re.fullmatch(r"(?:if|whenever) (.+), (.+)", text):
        return ("if", bare(match[1]), bare(match[2]))
    if match := re.fullmatch(r"either (.+?),? or (?:else )?(.+)", text):
        return ("or", *sorted((bare(match[1]), bare(match[2]))))
    if match := re.fullmatch(r"it (?:never happens|cannot be) that (.+) while (.+)", text):
        return ("never", *sorted((bare(match[1]), bare(match[2]))))
    (fact,) = [pair for place in MATTERS for pair in place.facts if text in pair]
    return ("is" if text == fact[0] else "not", fact[0])


def bare(clause: str) -> str:
    assert any(clause == fact for place in MATTERS for fact, _ in place.facts), clause
    return clause


def form(argument: str) -> tuple[Any, ...]:
    """Return premises and conclusion with names a, b, c given so that equal forms are equal."""
    *premises, conclusion = sentences(argument)
    assert re.match(SO, conclusion)
    parts = [part(text) for text in (*premises, re.sub(rf"^{SO}", "", conclusion))]
    names = sorted({name for _, *of in parts for name in of})
    return min(renamed(parts, dict(zip(names, each, strict=True))) for each in orders(len(names)))


def orders(count: int) -> Iterator[tuple[str, ...]]:
    return permutations("abc"[:count])


def renamed(parts: list[tuple[str, ...]], letters: dict[str, str]) -> tuple[Any, ...]:
    turned = []
    for how, *of in parts:
        called = [letters[name] for name in of]
        turned.append((how, *(called if how in {"if", "all"} else sorted(called))))
    return (*sorted(turned[:-1]), turned[-1])


def test_parallel_reasoning() -> None:
    seen = set()
    for question in questions("parallel"):
        wanted = form(question.context)
        seen.add(wanted)
        forms = {choice: form(choice) for choice in question.choices}
        assert [choice for choice in forms if forms[choice] == wanted] == [question.answer]
        assert len(set(forms.values())) == 4
    assert len(seen) == sum(map(len, FORMS.values())) == 17


# The vocabulary: nothing in it may be read in two ways.


@pytest.mark.parametrize("places", [MATTERS, ADMISSIONS, REALMS], ids=["facts", "goals", "groups"])
def test_words_are_unambiguous(places: Any) -> None:
    assert len({place.intro for place in places}) == len(places)
    for place in places:
        kept = ("facts", "predicates", "kinds")
        texts = [t for name in kept for pair in getattr(place, name, ()) for t in pair]
        assert len(set(texts)) == len(texts)
        assert not any(re.search(r",|\.| if | only | unless | while | or ", text) for text in texts)


def test_a_denial_denies() -> None:
    pairs = [pair for place in MATTERS for pair in place.facts]
    pairs += [pair for place in ADMISSIONS for pair in place.predicates]
    for does, denied in pairs:
        assert not re.search(r"\bnot\b", does)
        assert re.search(r"(?:\bnot\b|cannot)", denied)
        assert len(denied) <= len(does) + 10
