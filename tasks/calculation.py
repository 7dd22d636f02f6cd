"""Generator of the calculation task: expressions of 36 groups, each with three near misses.

A group is number kind x operand size x operation. Questions of a group depend on the seed, the
group and their number in it alone, so asking for more per group keeps those there were.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llprobe.errors import UsageError
from llprobe.task import Row

from .draw import Draw
from .expressions import KINDS, OPERATIONS, SIZES, expression, show
from .near_misses import near_misses

__all__ = ["GROUPS", "generate"]

_MOST_PER_GROUP = 200  # the smallest group, whole-number division of 1-2 digits, holds 294


def _spread(number: int) -> str:
    """Return the group with this number, 0 to 35, in an order that is even from the start.

    The operation changes fastest, and size and kind shift with it: any six in a row that begin
    at a multiple of six hold every operation, every size twice and each kind three times.
    """
    operation, turn = number % len(OPERATIONS), number // len(OPERATIONS)
    size = (operation + turn) % len(SIZES)
    kind = (operation + turn // len(SIZES)) % len(KINDS)
    return f"{KINDS[kind]}/{SIZES[size]}/{OPERATIONS[operation]}"


GROUPS = tuple(_spread(number) for number in range(len(KINDS) * len(SIZES) * len(OPERATIONS)))
"""All groups, as `int/3-4/mul`, in the order in which they are asked."""


def generate(seed: int, settings: Mapping[str, Any]) -> Iterator[Row]:
    """Yield `per_group` questions of each group, one of every group before the next of any.

    Fields: id, group, question (`12 + 7`), choices, answer. UsageError for a bad `per_group`.
    """
    per_group = settings["per_group"]
    if not 1 <= per_group <= _MOST_PER_GROUP:
        said = f"per_group is {per_group}; calculation makes 1 to {_MOST_PER_GROUP} per group"
        raise UsageError(said)
    streams = {group: _questions(seed, group) for group in GROUPS}
    for number in range(per_group):
        for place, group in enumerate(GROUPS):
            fields = {"id": f"{group}/{number}", "group": group, **next(streams[group])}
            row = number * len(GROUPS) + place
            yield Row(row, f"calculation question {fields['id']}", fields)


def _questions(seed: int, group: str) -> Iterator[dict[str, Any]]:
    """Yield questions of a group, endlessly, none twice."""
    draw = Draw(f"calculation/{seed}/{group}")
    kind, size, operation = group.split("/")
    seen: set[str] = set()
    while True:
        term = expression(draw, kind, size, operation)
        if term.text not in seen:
            seen.add(term.text)
            answer = show(term.value, kind)
            choices = draw.shuffled([answer, *near_misses(draw, term.value, kind)])
            yield {"question": term.text, "choices": choices, "answer": answer}
