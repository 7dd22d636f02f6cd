"""Templates: a row in, texts, options and answers out, as lm-evaluation-harness renders them.

A template is a field's name (its value is taken as it is) or jinja. Jinja runs in a sandbox
(sandbox.py), in which an unknown name is an error. Knows nothing of where rows come from or of
how questions are checked.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jinja2

from llprobe.errors import TaskError
from llprobe.task.definition import Definition
from llprobe.task.sandbox import environment
from llprobe.task.yamlfile import shown

__all__ = ["Renderer", "Template", "as_targets"]

# What rendering somebody's template on somebody's row may raise.
_RENDERING = (
    jinja2.TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
    re.error,
)


@dataclass(frozen=True, slots=True)
class Template:
    """One template of a definition, compiled."""

    source: str
    where: str
    """For messages: file, line and key."""
    compiled: jinja2.Template

    @classmethod
    def of(cls, source: str, where: str) -> Template:
        """Compile a template; TaskError says what is wrong with it."""
        try:
            return cls(source, where, environment().from_string(source))
        except (jinja2.TemplateError, SyntaxError, MemoryError, RecursionError) as problem:
            raise TaskError(f"{where}: not a jinja template ({_line(problem)})") from problem

    def names_field(self, fields: Mapping[str, Any]) -> bool:
        """Whether the template is just the name of one of these fields."""
        return self.source in fields

    def value(self, fields: Mapping[str, Any]) -> Any:
        """Return the field that the template names, or the text that it renders to."""
        if self.names_field(fields):
            return fields[self.source]
        if self.source.isidentifier():
            # The harness would print the bare name: a field that is not there, more likely.
            found = ", ".join(map(str, fields)) or "none"
            raise TaskError(f"{self.where}: there is no field {self.source!r}; found: {found}")
        return self.rendered(fields)

    def rendered(self, fields: Mapping[str, Any]) -> str:
        """Render as jinja; TaskError where that fails."""
        try:
            return self.compiled.render(fields)
        except _RENDERING as problem:
            raise TaskError(f"{self.where}: cannot be rendered ({_line(problem)})") from problem


@dataclass(frozen=True, slots=True)
class Renderer:
    """A definition's three templates, compiled; each method takes a row's fields."""

    text: Template
    choice: Template | tuple[str, ...]
    target: Template | tuple[int | str, ...]

    @classmethod
    def of(cls, definition: Definition) -> Renderer:
        """Compile a definition's templates; TaskError names the line of a bad one."""
        choice, target = definition.doc_to_choice, definition.doc_to_target
        return cls(
            _template(definition, "doc_to_text", definition.doc_to_text),
            choice if isinstance(choice, tuple) else _template(definition, "doc_to_choice", choice),
            _template(definition, "doc_to_target", target)
            if isinstance(target, str)
            else _as_tuple(target),
        )

    def prompt(self, fields: Mapping[str, Any]) -> str:
        """Return the prompt after the preamble; TaskError if it is no text."""
        value = self.text.value(fields)
        if not isinstance(value, str):
            raise TaskError(f"{self.text.where}: gives {shown(value)}, not a text")
        return value

    def choices(self, fields: Mapping[str, Any]) -> list[str]:
        """Return the options without delimiter; TaskError if they are not a list of texts."""
        if isinstance(self.choice, tuple):
            return list(self.choice)
        value = self.choice.value(fields)
        if isinstance(value, str):
            value = _literal(value, self.choice.where)
        if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
            raise TaskError(f"{self.choice.where}: gives {shown(value)}, not a list of texts")
        return list(value)

    def targets(self, fields: Mapping[str, Any]) -> list[int | str]:
        """Return the true options as indices or texts, the best one first; TaskError if neither.

        A field's value is taken as it is; of rendered text, digits are an index and `[...]` a
        list, as in lm-evaluation-harness.
        """
        if isinstance(self.target, tuple):
            return list(self.target)
        value = self.target.value(fields)
        if isinstance(value, str) and not self.target.names_field(fields):
            value = _index_or_list(value, self.target.where)
        listed = as_targets(value)
        if listed is None:
            said = "not an option's index or text, or a list of such"
            raise TaskError(f"{self.target.where}: gives {shown(value)}, {said}")
        return listed

    def answers(self, fields: Mapping[str, Any]) -> list[str]:
        """Return the texts that a written answer is compared with; TaskError if there are none.

        As in lm-evaluation-harness, a list in a field or in rendered text holds several.
        """
        if isinstance(self.target, tuple):
            return [str(each) for each in self.target]
        value = self.target.value(fields)
        if isinstance(value, str) and value.startswith("[") and value.endswith("]"):
            value = _literal(value, self.target.where)
        listed = _answers(value)
        if not listed:
            raise TaskError(f"{self.target.where}: gives {shown(value)}, not a text or texts")
        return listed


def _answers(value: Any) -> list[str] | None:
    """Return the texts that a written answer is compared with; None where it is no answer."""
    listed = as_targets(value)
    return None if listed is None else [str(each) for each in listed]


def as_targets(value: Any) -> list[int | str] | None:
    """Return one index or text, or a list of such, as a list; None for anything else."""
    listed = list(value) if isinstance(value, list | tuple) else [value]
    fits = all(isinstance(each, int | str) and not isinstance(each, bool) for each in listed)
    return listed if fits else None


def _line(problem: Exception) -> str:
    """Return what an exception says, on one line."""
    return " ".join(str(problem).split()) or type(problem).__name__


def _template(definition: Definition, key: str, source: str) -> Template:
    return Template.of(source, definition.where(key))


def _as_tuple(target: int | tuple[int | str, ...]) -> tuple[int | str, ...]:
    return target if isinstance(target, tuple) else (target,)


def _index_or_list(text: str, where: str) -> Any:
    if text.isascii() and text.isdigit():
        return int(text)
    return _literal(text, where) if text.startswith("[") and text.endswith("]") else text


def _literal(text: str, where: str) -> Any:
    """Return the Python list that a template rendered to."""
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError) as problem:
        raise TaskError(f"{where}: gives {shown(text)}, which is not a list") from problem
