"""Reader of ReClor: one JSON list of objects with context, question, answers and label."""

from __future__ import annotations

from collections.abc import Iterator

from llprobe.task import Row, json_array

__all__ = ["read"]


def read(path: str) -> Iterator[Row]:
    """Yield rows with context, question, choices and answer (an index)."""
    for row in json_array(path):
        if "label" not in row.fields:
            raise row.error("no 'label': the test part has no answers, take train or val")
        label = row.value("label")
        if not isinstance(label, int) or isinstance(label, bool):
            raise row.error(f"the field 'label' must be an index, not {label!r}")
        yield row.having(
            context=row.text("context"),
            question=row.text("question"),
            choices=row.texts("answers"),
            answer=label,
        )
