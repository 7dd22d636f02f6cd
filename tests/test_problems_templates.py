"""The word problems' templates: enough of them, complete in every language, and clean."""

from __future__ import annotations

import importlib
import re
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

expression = importlib.import_module("llprobe.tasks.problems.expression")
names = importlib.import_module("llprobe.tasks.problems.names")
template = importlib.import_module("llprobe.tasks.problems.template")

TEMPLATES = template.templates()
FILES = sorted(Path(str(template.__file__)).parent.glob("*.yaml"))
LANGUAGES = ("en", "es", "fr", "zh", "th")
SOURCES: dict[str, dict[str, Any]] = {
    each["id"]: each for file in FILES for each in yaml.safe_load(file.read_text("utf-8"))
}
SLOT = re.compile(r"\{([^}]*)\}")
ENDS = {"en": ".", "es": ".", "fr": ".", "zh": "。"}
each_template = pytest.mark.parametrize("one", TEMPLATES, ids=lambda one: one.id)


def test_there_are_enough_templates_of_enough_themes() -> None:
    assert len(TEMPLATES) == 44
    assert set(Counter(one.theme for one in TEMPLATES).values()) == {4}
    assert {file.stem for file in FILES} == {one.theme for one in TEMPLATES}
    assert {len(one.steps) for one in TEMPLATES} == {2, 3, 4, 5}


def test_ids_are_the_theme_and_a_number() -> None:
    counted: Counter[str] = Counter()
    for one in TEMPLATES:
        counted[one.theme] += 1
        assert one.id == f"{one.theme}-{counted[one.theme]}"


@each_template
def test_every_language_has_a_question_and_a_sentence_for_each_step(one: Any) -> None:
    assert tuple(one.texts) == LANGUAGES
    for language, texts in one.texts.items():
        assert len(texts) == len(one.steps) + 1
        assert len(set(texts)) == len(texts)
        for text in texts:
            assert text == " ".join(text.split()) != ""
            assert unicodedata.is_normalized("NFC", text)
            if text != texts[0] and language in ENDS:
                assert text.endswith(ENDS[language])
                assert text.count(ENDS[language]) == 1


@each_template
def test_questions_ask_in_the_way_of_their_language(one: Any) -> None:
    asked = {language: texts[0] for language, texts in one.texts.items()}
    assert asked["en"].endswith("?")
    assert asked["es"].endswith("?")
    assert asked["es"].count("¿") == 1
    assert asked["fr"].endswith(" ?")
    assert asked["zh"].endswith("\N{FULLWIDTH QUESTION MARK}")
    assert "กี่" in asked["th"]
    assert "?" not in asked["th"] + asked["zh"]


SCRIPTS = {"zh": r"[\u4e00-\u9fff]", "th": r"[\u0e00-\u0e7f]"}


@each_template
def test_scripts_are_not_mixed(one: Any) -> None:
    for language, texts in one.texts.items():
        for text in texts:
            bare = SLOT.sub("", text)
            assert bool(re.search("[a-zA-Z]", bare)) == (language not in SCRIPTS)
            for name, script in SCRIPTS.items():
                assert bool(re.search(script, bare)) == (language == name)


@each_template
def test_every_language_shows_the_same_quantities_and_people(one: Any) -> None:
    slots = {language: set(SLOT.findall(texts[0])) for language, texts in one.texts.items()}
    people = set("ABC"[: len(one.people)])
    for found in slots.values():
        assert found == set(one.shown) | people
    for texts in one.texts.values():
        for sentence in texts[1:]:
            inside = SLOT.findall(sentence)
            assert inside.count("=") == 1
            assert set(inside) <= {"="} | people
            assert not re.search(r"\d", sentence)


@each_template
def test_numbers_in_a_question_are_in_its_steps(one: Any) -> None:
    constants = set(re.findall(r"\d+", " ".join(SOURCES[one.id]["steps"])))
    for texts in one.texts.values():
        assert set(re.findall(r"\d+", texts[0])) <= constants


@each_template
def test_steps_use_what_is_known_and_everything_is_used(one: Any) -> None:
    known, used = set(one.shown), set()
    for step in one.steps:
        inside = set(expression.leaves(step.expression))
        assert inside <= known, "a step must not use what the question does not tell"
        assert step.name not in set(one.draw) | known
        known.add(step.name)
        used |= inside
    assert used == known - {one.steps[-1].name}, "no step and no quantity is idle"


def test_names_are_complete_and_differ() -> None:
    everybody = [*names.PEOPLE["woman"], *names.PEOPLE["man"]]
    for language in LANGUAGES:
        spelled = [person[language] for person in everybody]
        assert len(set(spelled)) == len(spelled) == 20
    assert all(person["fr"][0] not in "AEIOUYHÉ" for person in everybody)


@pytest.mark.parametrize(
    ("text", "numbers", "wanted"),
    [
        ("a - b - c", (9, 3, 2), ("9 - 3 - 2", 4)),
        ("a - (b - c)", (9, 3, 2), ("9 - (3 - 2)", 8)),
        ("a * (b + c)", (9, 3, 2), ("9 * (3 + 2)", 45)),
        ("(a + b) * c", (9, 3, 2), ("(9 + 3) * 2", 24)),
        ("a + b * c", (9, 3, 2), ("9 + 3 * 2", 15)),
        ("a * b / c", (8, 3, 2), ("8 * 3 / 2", 12)),
        ("a * (b / c)", (8, 4, 2), ("8 * (4 / 2)", 16)),
        ("a / (b * c)", (12, 3, 2), ("12 / (3 * 2)", 2)),
        ("a + (b + c)", (1, 3, 2), ("1 + 3 + 2", 6)),
        ("a * 60", (3, 0, 0), ("3 * 60", 180)),
        ("a / b", (8, 3, 2), ("8 / 3", None)),
        ("a / b", (8, 0, 2), ("8 / 0", None)),
        ("a / b + c", (8, 3, 2), ("8 / 3 + 2", None)),
    ],
)
def test_expressions_are_written_and_worked_out(
    text: str, numbers: tuple[int, int, int], wanted: tuple[str, int | None]
) -> None:
    tree = expression.parse(text)
    values = dict(zip("abc", numbers, strict=True))
    assert (tree.text(values), expression.value(tree, values)) == wanted


@pytest.mark.parametrize("text", ["a ** b", "f(a)", "a < b", "1.5 * a", "-a"])
def test_other_things_are_no_arithmetic(text: str) -> None:
    with pytest.raises(ValueError, match="no arithmetic"):
        expression.parse(text)


def test_swaps_change_one_place() -> None:
    tree = expression.parse("a * b + 2")
    values = {"a": 3, "b": 4, "c": 5}
    found = expression.swaps(tree, {"a": ["c"], "b": ["c"]}, {"+": "-", "*": "+/", "-": ""})
    assert [(what, changed.text(values)) for what, changed in found] == [
        ("operation", "3 * 4 - 2"),
        ("operation", "3 + 4 + 2"),
        ("operation", "3 / 4 + 2"),
        ("quantity", "5 * 4 + 2"),
        ("quantity", "3 * 5 + 2"),
    ]
