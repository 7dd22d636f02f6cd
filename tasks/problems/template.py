"""Templates of word problems: YAML files, one a theme, and what their lines mean.

A template::

    - id: prices-1
      people: [woman]                # A is a woman's name, the next one would be B
      draw:
        n: 3..9                      # a whole number from 3 to 9
        price: 10..60/5              # in steps of 5
        paid: [50, 100]              # one of these
        whole: n * price             # worked out; names that the question leaves out are hidden
      where: [paid > whole]          # holds for every question
      steps:
        - cost = n * price           # quantities of the question and earlier steps
        - change = paid - cost
      formula: paid - n * price      # the answer at once, to check the steps against
      en: [question, a sentence for every step]    # and so in every language

In a sentence `{n}` is a number, `{A}` a name and `{=}` the step's equation. Knows nothing of
chance and of wrong answers.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from .expression import Expression, leaves, parse
from .names import LANGUAGES

__all__ = ["Condition", "Span", "Step", "Template", "templates"]

_SPAN = re.compile(r"(\d+)\.\.(\d+)(?:/(\d+))?")
_COMPARISONS: Mapping[type[ast.cmpop], str] = {ast.Lt: "<", ast.Gt: ">", ast.NotEq: "!="}


@dataclass(frozen=True, slots=True)
class Span:
    """The numbers that a quantity is drawn from."""

    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Condition:
    """A comparison that holds for every question of a template."""

    left: Expression
    sign: str
    right: Expression


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a solution: `name` gets the value of `expression`."""

    place: int
    """Which of the template's sentences tells it, from 0."""
    name: str
    expression: Expression


@dataclass(frozen=True, slots=True)
class Template:
    """A word problem without its numbers and names."""

    id: str
    theme: str
    people: tuple[str, ...]
    """`woman` or `man` for A, B and so on."""
    draw: Mapping[str, Span | Expression]
    where: tuple[Condition, ...]
    steps: tuple[Step, ...]
    formula: str
    texts: Mapping[str, tuple[str, ...]]
    """By language: the question, then the steps' sentences."""

    @property
    def shown(self) -> tuple[str, ...]:
        """The quantities that the question tells."""
        return tuple(name for name in self.draw if f"{{{name}}}" in self.texts["en"][0])


@cache
def templates() -> tuple[Template, ...]:
    """Return all templates, by theme; ValueError or KeyError for one that cannot be read."""
    files = sorted(Path(__file__).parent.glob("*.yaml"))
    return tuple(_template(each, file.stem) for file in files for each in _loaded(file))


def _loaded(file: Path) -> Sequence[Mapping[str, Any]]:
    # The loader in C reads the same ten times as fast; not every machine has it.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    listed: Sequence[Mapping[str, Any]] = yaml.load(file.read_text("utf-8"), loader)  # noqa: S506 (both loaders are safe ones)
    return listed


def _template(values: Mapping[str, Any], theme: str) -> Template:
    known = {"id", "people", "draw", "where", "steps", "formula", *LANGUAGES}
    if not values.keys() <= known:
        raise ValueError(f"{theme}: unknown keys {sorted(values.keys() - known)}")
    return Template(
        id=values["id"],
        theme=theme,
        people=tuple(values.get("people", ())),
        draw={name: _span(each) for name, each in values["draw"].items()},
        where=tuple(_condition(each) for each in values.get("where", ())),
        steps=_steps(values["steps"]),
        formula=values["formula"],
        texts={language: tuple(values[language]) for language in LANGUAGES},
    )


def _span(given: str | list[int]) -> Span | Expression:
    if isinstance(given, list):
        return Span(tuple(given))
    found = _SPAN.fullmatch(given)
    if not found:
        return parse(given)
    low, high, step = (int(part or 1) for part in found.groups())
    return Span(tuple(range(low, high + 1, step)))


def _condition(text: str) -> Condition:
    node = ast.parse(text, mode="eval").body
    if not isinstance(node, ast.Compare) or len(node.ops) != 1:
        raise ValueError(f"no comparison: {text!r}")
    left, right = parse(ast.unparse(node.left)), parse(ast.unparse(node.comparators[0]))
    return Condition(left, _COMPARISONS[type(node.ops[0])], right)


def _steps(lines: Sequence[str]) -> tuple[Step, ...]:
    steps = []
    for place, line in enumerate(lines):
        name, expression = line.split(" = ")
        steps.append(Step(place, name, parse(expression)))
        if not leaves(steps[-1].expression):
            raise ValueError(f"a step without quantities: {line!r}")
    return tuple(steps)
