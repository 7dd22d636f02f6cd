"""mLAMA's form: sub_label, obj_label, predicate_id and a template with [X] and [Y].

The candidates are drawn from the objects of the same relation and language in the same file,
without those that are true of the subject; the draw depends on the triple and the file's objects
alone. The object is asked for, at the place of [Y], as `<mask>`. The relation is the group.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llprobe.task import Row, rows

from .draw import Draw

__all__ = ["TRIPLE", "triple_rows"]

TRIPLE = ("sub_label", "obj_label", "template", "predicate_id")
"""The fields that a triple must have; `language` may be there."""

_WRONG = 9
"""Most wrong candidates of a question, as in the paper's table."""


@dataclass(frozen=True, slots=True)
class _Triple:
    subject: str
    object: str
    template: str
    relation: str
    language: str


def triple_rows(path: str) -> Iterator[Row]:
    """Yield rows with question, answer, choices (the answer first), relation and predicate."""
    read = [(row, _triple(row)) for row in rows(path)]
    pools = _objects([triple for _, triple in read])
    for row, triple in read:
        candidates = _drawn(triple, *pools)
        yield row.having(
            question=triple.template.replace("[X]", triple.subject).replace("[Y]", "<mask>"),
            answer=triple.object,
            choices=[triple.object, *candidates],
            relation=_group(triple),
            predicate=triple.relation,
        )


def _triple(row: Row) -> _Triple:
    subject, answer, template, relation = (row.text(key).strip() for key in TRIPLE)
    if template.count("[X]") != 1 or template.count("[Y]") != 1:
        raise row.error(f"the field 'template' must have one [X] and one [Y]: {template[:60]!r}")
    language = row.text("language").strip() if row.fields.get("language") else ""
    return _Triple(subject, answer, template, relation, language)


def _group(triple: _Triple) -> str:
    return f"{triple.language}/{triple.relation}" if triple.language else triple.relation


def _objects(
    triples: Sequence[_Triple],
) -> tuple[dict[str, list[str]], dict[tuple[str, str], set[str]]]:
    """Return each relation's objects, sorted, and the true ones of each subject in it."""
    of_relation: dict[str, set[str]] = defaultdict(set)
    of_subject: dict[tuple[str, str], set[str]] = defaultdict(set)
    for triple in triples:
        of_relation[_group(triple)].add(triple.object)
        of_subject[_group(triple), triple.subject].add(triple.object)
    return {group: sorted(objects) for group, objects in of_relation.items()}, dict(of_subject)


def _drawn(
    triple: _Triple,
    of_relation: dict[str, list[str]],
    of_subject: dict[tuple[str, str], set[str]],
) -> list[str]:
    group = _group(triple)
    true = of_subject[group, triple.subject]
    false = [each for each in of_relation[group] if each not in true]
    draw = Draw(f"mlama {group} {triple.subject} {triple.object}")
    return draw.some(false, min(_WRONG, len(false)))
