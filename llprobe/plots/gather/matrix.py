"""Similarities of layers -> a matrix. This module knows names. The numbers are `report`'s."""

from __future__ import annotations

from llprobe.plots.shapes import Matrix
from llprobe.report.similarity import Similarity

__all__ = ["matrix"]

_POSITIONS = {
    "last": "last token of each prompt",
    "mean": "mean over each prompt's tokens that not all share",
}


def matrix(found: Similarity, title: str | None = None) -> Matrix:
    """Return the matrix of CKA between the layers of one model, or of two."""
    rows, columns = found.labels
    models = rows if found.is_one_model else f"{rows} and {columns}"
    own = f"Similarity of layers (debiased linear CKA): {models}, {found.task}"
    return Matrix(
        title=own if title is None else title,
        note=f"states of the {_POSITIONS[found.position]}; n = {found.n_items}",
        remarks=found.notes,
        y_label=f"layer of {rows}",
        x_label=f"layer of {columns}",
        y_layers=found.layers_a,
        x_layers=found.layers_b,
        values=found.matrix,
        value_label="CKA",
    )
