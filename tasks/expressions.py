"""Arithmetic expressions with their exact values, by operation, operand size and number kind.

Values are decimals whose every operation is exact: a result that would have to be rounded raises.
Whole-number divisions come out even; floating point results have at most two decimals. Knows
nothing of questions and options.
"""

from __future__ import annotations

import decimal
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from .draw import Draw

__all__ = ["EXACT", "KINDS", "OPERATIONS", "SIZES", "Term", "expression", "show"]

KINDS = ("int", "float")
SIZES = ("1-2", "3-4", "5-6")
OPERATIONS = ("add", "sub", "mul", "div", "mix-2", "mix-3")

EXACT = decimal.Context(prec=50, traps=[decimal.Inexact, decimal.InvalidOperation])
"""Where all arithmetic is done: a caller's own decimal settings change nothing."""


@dataclass(frozen=True, slots=True)
class Term:
    """An expression as it is written, and its value."""

    text: str
    value: Decimal


@dataclass(frozen=True, slots=True)
class _Numbers:
    """Draws operands of one kind and size."""

    draw: Draw
    kind: str
    digits: tuple[int, int]
    """The fewest and the most digits before the point."""

    def operand(self, decimals: int) -> Term:
        """Draw an operand; a float has 1 to `decimals` digits after the point, none a last 0."""
        length = self.draw.whole(*self.digits)
        whole = self.draw.whole(10 ** (length - 1), 10**length - 1)
        if self.kind == "int":
            return _number(Decimal(whole), self.kind)
        places = self.draw.whole(1, decimals)
        last = self.draw.whole(1, 9)
        first = self.draw.whole(0, 9) if places == 2 else ""
        return _number(Decimal(f"{whole}.{first}{last}"), self.kind)


def expression(draw: Draw, kind: str, size: str, operation: str) -> Term:
    """Draw an expression; `kind`, `size` and `operation` are of KINDS, SIZES and OPERATIONS."""
    low, high = size.split("-")
    return _DRAWN[operation](_Numbers(draw, kind, (int(low), int(high))))


def show(value: Decimal, kind: str) -> str:
    """Write a value: whole for an int, with as many decimals as it needs (1 or more) for a float.

    Never in powers of ten, never a negative zero.
    """
    shown = Decimal(0) if value == 0 else value
    needed = max(0, -int(shown.normalize(EXACT).as_tuple().exponent))
    return format(shown, f".{needed if kind == 'int' else max(1, needed)}f")


def _number(value: Decimal, kind: str) -> Term:
    return Term(show(value, kind), value)


def _join(left: Term, sign: str, right: Term) -> Term:
    compute = {"+": EXACT.add, "-": EXACT.subtract, "*": EXACT.multiply, "/": EXACT.divide}
    return Term(f"{left.text} {sign} {right.text}", compute[sign](left.value, right.value))


def _bracketed(term: Term) -> Term:
    return Term(f"({term.text})", term.value)


def _add(numbers: _Numbers) -> Term:
    return _join(numbers.operand(2), "+", numbers.operand(2))


def _sub(numbers: _Numbers) -> Term:
    return _join(numbers.operand(2), "-", numbers.operand(2))


def _mul(numbers: _Numbers) -> Term:
    return _join(numbers.operand(1), "*", numbers.operand(1))


def _div(numbers: _Numbers) -> Term:
    """Draw the quotient first, then a divisor that keeps the dividend within its digits."""
    # Floats are drawn as tenths; then the dividend, tenths times tenths, is in hundredths.
    scale = 1 if numbers.kind == "int" else 10
    low = max(2, 10 ** (numbers.digits[0] - 1) * scale)
    high = 10 ** numbers.digits[1] * scale**2 - 1
    while True:
        quotient = numbers.draw.whole(scale + 1, high // low)
        divisor = numbers.draw.whole(low, high // quotient)
        dividend = quotient * divisor
        # A whole number among floats would tell that the result is a round one.
        if numbers.kind == "int" or (divisor % 10 and dividend % 100):
            exponent = 0 if scale == 1 else -1
            return _join(
                _number(Decimal(dividend).scaleb(2 * exponent, EXACT), numbers.kind),
                "/",
                _number(Decimal(divisor).scaleb(exponent, EXACT), numbers.kind),
            )


def _sign(numbers: _Numbers) -> str:
    return numbers.draw.one("+-")


def _strong(numbers: _Numbers) -> Term:
    """Draw a product or a quotient."""
    return numbers.draw.one((_mul, _div))(numbers)


def _plain_chain(numbers: _Numbers) -> Term:
    """Draw x + y - z or x - y + z."""
    first, second = numbers.draw.one((("+", "-"), ("-", "+")))
    return _join(_join(numbers.operand(2), first, numbers.operand(2)), second, numbers.operand(2))


def _strong_and_one(numbers: _Numbers) -> Term:
    """Draw a product or quotient with a number before or after it."""
    return _beside(numbers, _strong(numbers), numbers.operand(2))


def _bracket_times(numbers: _Numbers) -> Term:
    """Draw (x + y) * z or (x - y) * z."""
    bracket = _bracketed(_join(numbers.operand(1), _sign(numbers), numbers.operand(1)))
    return _join(bracket, "*", numbers.operand(1))


def _beside(numbers: _Numbers, one: Term, other: Term) -> Term:
    first, second = numbers.draw.shuffled((one, other))
    return _join(first, _sign(numbers), second)


def _mix_2(numbers: _Numbers) -> Term:
    """Draw two different operations on three numbers."""
    return numbers.draw.one((_plain_chain, _strong_and_one, _bracket_times))(numbers)


def _two_strong(numbers: _Numbers) -> Term:
    return _beside(numbers, _strong(numbers), _strong(numbers))


def _strong_and_two(numbers: _Numbers) -> Term:
    longer = _strong_and_one(numbers)
    return _join(longer, _sign(numbers), numbers.operand(2))


def _bracket_and_one(numbers: _Numbers) -> Term:
    return _beside(numbers, _bracket_times(numbers), numbers.operand(2))


def _mix_3(numbers: _Numbers) -> Term:
    """Draw three operations, at least two of them different, on four numbers."""
    while True:
        term = numbers.draw.one((_two_strong, _strong_and_two, _bracket_and_one))(numbers)
        if len(set(term.text.split()) & set("+-*/")) > 1:
            return term


_DRAWN: dict[str, Callable[[_Numbers], Term]] = {
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "div": _div,
    "mix-2": _mix_2,
    "mix-3": _mix_3,
}
