"""Propositional logic by truth table; literals are numbers: 3 is the third atom, -3 its denial.

Knows nothing of sentences.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import product

__all__ = ["Clause", "World", "follows", "if_then", "models"]

Clause = frozenset[int]
"""Literals of which at least one is true."""

World = frozenset[int]
"""The true literals: one of each atom."""


def if_then(condition: int, consequence: int) -> Clause:
    """Return the clause that says: if `condition`, `consequence`."""
    return frozenset((-condition, consequence))


def models(clauses: Sequence[Clause], atoms: int) -> list[World]:
    """Return all assignments to atoms 1 to `atoms` in which every clause is true."""
    return [world for world in _worlds(atoms) if all(clause & world for clause in clauses)]


def follows(worlds: Iterable[World], *conclusion: int) -> bool:
    """Say whether one of the literals is true in each of the worlds that premises leave."""
    clause = frozenset(conclusion)
    return all(clause & world for world in worlds)


@cache
def _worlds(atoms: int) -> tuple[World, ...]:
    signs = product((1, -1), repeat=atoms)
    return tuple(frozenset(at * sign for at, sign in enumerate(each, 1)) for each in signs)
