"""A model's chat template: a jinja text that nobody vouches for, rendered in a sandbox.

A child process does that, within its limits (task/bounded.py): a template may have no end. It is
rendered with a mark in place of each message, so that what the template writes and what the
messages say can be told apart. Templates find what Hugging Face's `transformers` offers them,
except the date: a prompt must not depend on the day. Knows no tokens and no llama.cpp.
"""

from __future__ import annotations

import json
import re
import traceback
from collections.abc import Sequence
from functools import cache
from itertools import chain, islice
from typing import Any, Final

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.parser import Parser

from llprobe.errors import ModelError, RunError
from llprobe.task import Turn
from llprobe.task.bounded import bounded
from llprobe.task.sandbox import environment

__all__ = ["ChatTemplate", "fold_system"]

# What compiling or rendering somebody's template may raise.
_FAILURES: Final = (
    jinja2.TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
)
_PRIVATE: Final = (range(0xE000, 0xF900), range(0xF0000, 0xFFFFE))
"""Code points that Unicode gives no meaning to."""
_LONGEST: Final = 160
"""Characters of a template's own error message that are shown."""


class ChatTemplate:
    """The chat template of the model called `name`.

    `bos` and `eos` are the texts of those tokens, empty where the model has none.
    """

    def __init__(self, source: str, name: str, bos: str, eos: str) -> None:
        self._name, self._source = name, source
        self._tokens = {"bos_token": bos, "eos_token": eos}

    def layout(self, roles: Sequence[str]) -> tuple[str, ...]:
        """Return what the template writes before, between and after messages of these roles.

        That is one text more than there are roles; the last ends with the generation prompt.
        Raises ModelError where the template is not jinja, fails, or does not write each message
        once, in order; RunError where it takes too much time or memory.
        """
        return self._pieces(roles, generation=True)

    def before_answer(self, roles: Sequence[str], prompt: str) -> str:
        """Return the white space between the generation prompt and an answer that follows.

        `prompt` is the last text of the roles' layout. Llama-2's template writes one space.
        """
        try:
            answered = self._pieces((*roles, "assistant"), generation=False)[-2]
        except ModelError:
            return ""  # a template for chats that end with a user says nothing of it
        more = answered.removeprefix(prompt)
        return more if answered.startswith(prompt) and not more.strip() else ""

    def _pieces(self, roles: Sequence[str], *, generation: bool) -> tuple[str, ...]:
        marks = "".join(islice(self._unused(), len(roles)))
        messages = [{"role": r, "content": m} for r, m in zip(roles, marks, strict=True)]
        said = {"messages": messages, "add_generation_prompt": generation, **self._tokens}
        text = _rendered(self._name, self._source, said)
        pieces = re.split(f"([{marks}])", text)
        if pieces[1::2] != list(marks):
            raise ModelError(
                f"the chat template of {self._name} drops, repeats or moves a message: "
                "run without --chat"
            )
        return tuple(pieces[::2])

    def _unused(self) -> Any:
        seen = set(self._source).union(*self._tokens.values())
        return (mark for mark in map(chr, chain(*_PRIVATE)) if mark not in seen)


@bounded(lambda name, *_: f"the chat template of {name} (run without --chat)", RunError)
def _rendered(name: str, source: str, said: dict[str, Any]) -> str:
    """Return what a template writes of a chat; ModelError where it is not jinja, or fails."""
    # `tools` and `documents` must be there: many templates ask whether they are none.
    nothing = {"tools": None, "documents": None}
    try:
        return _environment().from_string(source).render(**said, **nothing)
    except _FAILURES as problem:
        line = _line(problem)
        where = f"line {line}: " if line else ""
        raise ModelError(
            f"the chat template of {name} cannot be rendered ({where}{_said(problem)}): "
            "run without --chat"
        ) from problem


def fold_system(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """Put a leading system turn's text at the head of the first user turn, a blank line between."""
    system, rest = turns[0], list(turns[1:])
    if system.role != "system":
        return tuple(turns)
    first = next(index for index, turn in enumerate(rest) if turn.role == "user")
    text = f"{system.text.strip()}\n\n{rest[first].text.strip()}"
    rest[first] = Turn("user", text.strip())
    return tuple(rest)


def _line(problem: BaseException) -> int | None:
    """Return the template's line that a failure comes from; jinja puts it into the traceback."""
    if isinstance(problem, jinja2.TemplateSyntaxError):
        return problem.lineno
    lines = [
        line
        for frame, line in traceback.walk_tb(problem.__traceback__)
        if frame.f_code.co_filename == "<template>"
    ]
    return lines[-1] if lines else None


def _said(problem: BaseException) -> str:
    """Return what a failure says: the template may have written it, so one short, clean line."""
    shown = "".join(c if c.isprintable() else " " for c in str(problem)[:_LONGEST])
    return " ".join(shown.split()) or type(problem).__name__


# --- what templates are offered -----------------------------------------------------------------


@cache
def _environment() -> jinja2.Environment:
    """Return the sandbox of task templates, set up as `transformers` sets up its own."""
    made = environment().overlay(
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
        undefined=jinja2.Undefined,
        extensions=["jinja2.ext.loopcontrols", _Generation],
    )
    # An overlay shares these two with the sandbox of task templates unless it is given its own.
    made.globals = {**made.globals, "raise_exception": _raise_exception}
    made.filters = {**made.filters, "tojson": _tojson}
    return made


class _Generation(Extension):
    """`{% generation %}` around an answer: for training, it changes nothing of the text."""

    tags = {"generation"}  # noqa: RUF012 - jinja's own class attribute

    def parse(self, parser: Parser) -> nodes.Node:
        """Parse up to `{% endgeneration %}`."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)


def _raise_exception(message: str) -> None:
    raise jinja2.TemplateError(message)


def _tojson(value: Any, indent: int | None = None, **options: Any) -> str:
    """Write JSON; unlike jinja's own filter, without HTML escapes."""
    known = {key: options[key] for key in ("separators", "sort_keys") if key in options}
    return json.dumps(value, ensure_ascii=bool(options.get("ensure_ascii")), indent=indent, **known)
