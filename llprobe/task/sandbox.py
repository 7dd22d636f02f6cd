"""The jinja environment of task templates: lm-evaluation-harness' own, in a sandbox.

A template cannot reach Python through attributes, change a row, load a file or draw at random,
and no single step of it makes a giant of a small template. It is no bound on a template's time.
Knows nothing of tasks and rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, wraps
from typing import Any, Final

import jinja2
from jinja2.exceptions import SecurityError
from jinja2.filters import do_format
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

__all__ = ["environment"]

_MOST: Final = 1_000_000
"""Characters, elements or bits of what one step of a template may make."""
_WIDE: Final = re.compile(r"%[^a-zA-Z%]*[0-9]{7}|\{[^{}]*:[^{}]*[0-9]{7}")
"""A format with a width of a million or more."""
_TAKEN: Final = re.compile(r"%[^a-zA-Z%]*\*|\{[^{}]*:[^{}]*\{")
"""A format whose width is among the values."""


class _Sandbox(ImmutableSandboxedEnvironment):
    """Refuses products and powers, paddings and formats that are too large to be meant."""

    intercepted_binops = frozenset(("*", "**", "%"))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Compute `left operator right` if the result is of a size that can be meant."""
        if _size(operator, left, right) > _MOST:
            raise SecurityError(f"{operator} would make something too large")
        if operator == "%" and isinstance(left, str):
            _check_format(left, right)
        return super().call_binop(context, operator, left, right)

    def call(self, context: Context, called: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a function or method that is safe, a text's with numbers of a size to be meant."""
        method = getattr(called, "__wrapped__", called)  # jinja wraps str.format
        owner = getattr(method, "__self__", None)
        if isinstance(owner, str) and method.__name__ in {"format", "format_map"}:
            _check_format(owner, args, kwargs)
        elif isinstance(owner, str):
            _check_numbers(args, kwargs)
        # jinja's own call takes the context and the function by position
        return super().call(context, called, *args, **kwargs)


def _size(operator: str, left: Any, right: Any) -> int:
    """Return about how many elements or bits a product or power has; 0 where that is no matter."""
    if operator == "*" and isinstance(left, int) and isinstance(right, int):
        return left.bit_length() + right.bit_length()
    if operator == "*" and isinstance(left, str | list | tuple) and isinstance(right, int):
        return len(left) * right
    if operator == "*" and isinstance(right, str | list | tuple) and isinstance(left, int):
        return len(right) * left
    if operator == "**" and isinstance(left, int) and isinstance(right, int):
        return left.bit_length() * right
    return 0


def _check_format(pattern: str, *values: Any) -> None:
    """Refuse a format that would pad a value to a giant."""
    if _WIDE.search(pattern):
        raise SecurityError("the format's width is too large")
    if _TAKEN.search(pattern):
        _check_numbers(*values)


def _check_numbers(*values: Any) -> None:
    """Refuse a number, within lists and mappings too, that is too large for a text's width."""
    waiting = list(values)
    while waiting:
        value = waiting.pop()
        if isinstance(value, int) and value > _MOST:
            raise SecurityError(f"{value} is too large for a text's width")
        if isinstance(value, tuple | list):
            waiting += value
        elif isinstance(value, dict):
            waiting += value.values()


@cache
def environment() -> ImmutableSandboxedEnvironment:
    """Return the environment that all templates are compiled in."""
    made = _Sandbox(
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False,
        finalize=_printed,
    )  # fmt: skip
    # Both draw at random: the same task would ask other questions at every run.
    del made.globals["lipsum"], made.filters["random"]
    made.filters["regex_replace"] = _regex_replace
    for name in ("center", "indent"):
        made.filters[name] = _bounded(made.filters[name])
    made.filters["format"] = _format
    return made


def _printed(value: Any) -> Any:
    """Return what a template prints; ValueError or TypeError for what is no text to a person."""
    if value is None:
        raise ValueError("a field is empty (null): leave the row out, or write `default`")
    if isinstance(value, bytes):
        raise TypeError("a field holds bytes, not a text")
    return value


def _bounded(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a filter so that it refuses giant widths."""

    @wraps(function)
    def bounded(value: Any, *args: Any, **kwargs: Any) -> Any:
        _check_numbers(args, kwargs)
        return function(value, *args, **kwargs)

    return bounded


def _format(value: Any, *args: Any, **kwargs: Any) -> str:
    """Be jinja's filter of that name, but refuse giant widths."""
    _check_format(str(value), args, kwargs)
    return do_format(value, *args, **kwargs)


def _regex_replace(string: str, pattern: str, repl: str = "", count: int = 0) -> str:
    """Be the one filter that lm-evaluation-harness adds to jinja's own."""
    return re.sub(pattern, repl, string, count=count)
