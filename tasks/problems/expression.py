"""Arithmetic as a small tree: read from a template, worked out, written, and changed in one place.

Whole numbers only; a quotient that is no whole number, and what is built on it, has no value.
Knows nothing of templates, sentences and mistakes.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

__all__ = ["Constant", "Expression", "Name", "Operation", "leaves", "parse", "swaps", "value"]

_SIGNS: Mapping[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
}


@dataclass(frozen=True, slots=True)
class Constant:
    """A number that every question of a template has: the 100 of percent, the 60 of an hour."""

    number: int

    def text(self, values: Mapping[str, int]) -> str:
        """Return it as it is written; `values` are of no matter."""
        del values
        return str(self.number)


@dataclass(frozen=True, slots=True)
class Name:
    """A quantity that is given, or the result of an earlier step."""

    name: str

    def text(self, values: Mapping[str, int]) -> str:
        """Return its number as it is written."""
        return str(values[self.name])


@dataclass(frozen=True, slots=True)
class Operation:
    """Two expressions with `+`, `-`, `*` or `/` between them."""

    sign: str
    left: Expression
    right: Expression

    def text(self, values: Mapping[str, int]) -> str:
        """Return it with numbers for names, and with brackets where they are needed."""
        left, right = self.left.text(values), self.right.text(values)
        if isinstance(self.left, Operation) and _strength(self.left) < _strength(self):
            left = f"({left})"
        if isinstance(self.right, Operation) and not _reads_on(self, self.right):
            right = f"({right})"
        return f"{left} {self.sign} {right}"


Expression = Constant | Name | Operation


def _strength(operation: Operation) -> int:
    return 1 if operation.sign in "+-" else 2


def _reads_on(outer: Operation, right: Operation) -> bool:
    """Whether the right side of an operation needs no brackets."""
    return _strength(right) > _strength(outer) or (outer.sign == right.sign and right.sign in "+*")


def parse(text: str) -> Expression:
    """Read an expression such as `paid - n * price`; ValueError for anything else."""
    return _read(ast.parse(text.strip(), mode="eval").body, text)


def _read(node: ast.expr, text: str) -> Expression:
    match node:
        case ast.Constant(value=int(number)):
            return Constant(number)
        case ast.Name(id=name):
            return Name(name)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _SIGNS:
            return Operation(_SIGNS[type(op)], _read(left, text), _read(right, text))
    raise ValueError(f"no arithmetic: {text!r}")


def value(expression: Expression, values: Mapping[str, int]) -> int | None:
    """Return what an expression comes to; None where a division does not come out even."""
    if isinstance(expression, Constant):
        return expression.number
    if isinstance(expression, Name):
        return values[expression.name]
    left, right = value(expression.left, values), value(expression.right, values)
    if left is None or right is None:
        return None
    return _apply(expression.sign, left, right)


def _apply(sign: str, left: int, right: int) -> int | None:
    match sign:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
    return left // right if right and left % right == 0 else None


def leaves(expression: Expression) -> list[str]:
    """Return the names in an expression, from left to right, each once."""
    match expression:
        case Constant():
            return []
        case Name(name):
            return [name]
        case Operation(_, left, right):
            return list(dict.fromkeys(leaves(left) + leaves(right)))


def swaps(
    expression: Expression, names: Mapping[str, list[str]], signs: Mapping[str, str]
) -> Iterator[tuple[str, Expression]]:
    """Yield every expression that differs in one place, with what was changed there.

    `names` says which names may stand for a name (`quantity`), `signs` which signs for a sign
    (`operation`).
    """
    if isinstance(expression, Name):
        yield from (("quantity", Name(other)) for other in names.get(expression.name, []))
    if isinstance(expression, Operation):
        for sign in signs[expression.sign]:
            yield "operation", replace(expression, sign=sign)
        for what, left in swaps(expression.left, names, signs):
            yield what, replace(expression, left=left)
        for what, right in swaps(expression.right, names, signs):
            yield what, replace(expression, right=right)
