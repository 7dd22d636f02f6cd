"""A page's data as JSON that cannot end its element, and its items as compressed text.

Items of a cell, in this order, each number in planes of its bytes, the highest first: MC1 bits
(n_items x n_layers, the first layer in the highest bit); each item's place in its text set (three
planes); the layer from which its answer is the last one's (two); option probabilities in
thousandths (n_options x n_layers, two), 65535 where there is none. `pack.js` reads them. This
module knows bytes. It does not know what the page looks like.
"""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from llprobe.analysis.finding import PeakFinding
from llprobe.page.data import CellView, ItemScores, Page, TextSet
from llprobe.report.evidence import CurveEvidence, Sureness

__all__ = ["as_json", "as_script_json", "blocks", "pack_scores", "pack_texts"]

_DIGITS: Final = 5
_ESCAPES: Final = {ord(c): f"\\u{ord(c):04x}" for c in "<>&"}


def as_script_json(value: Any) -> str:
    """Return JSON for a script element: ASCII only, and no `<`, `>` or `&`."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.translate(_ESCAPES)


def as_json(page: Page) -> dict[str, Any]:
    """Return what the page's script must know at once: cells with curves, published curves."""
    keys = {key: f"t{n}" for n, key in enumerate(page.texts)}
    models = list(dict.fromkeys(view.model for view in page.published))
    return {
        "cells": [_cell(view, n, keys) for n, view in enumerate(page.cells)],
        "published": [
            {
                "task": view.task, "model": view.model, "row": view.row,
                "rank": models.index(view.model), "layers": list(view.layers),
                "n_layers": view.n_layers, "accuracy": _numbers(view.accuracy),
            }
            for view in page.published
        ],
        "unequal": len({view.cell.model_info["n_layers"] for view in page.cells}) > 1,
    }  # fmt: skip


def blocks(page: Page) -> dict[str, str]:
    """Return the compressed blocks by the id of their element, in base64."""
    found = {f"t{n}": _text(pack_texts(texts)) for n, texts in enumerate(page.texts.values())}
    for n, view in enumerate(page.cells):
        if view.items is not None:
            found[f"c{n}"] = _text(pack_scores(view.items))
    return found


def pack_texts(texts: TextSet) -> bytes:
    """Return a text set as JSON: `preamble`, and each item as a list of its fields."""
    items = [
        [item.id, item.group, item.prompt, item.choices, item.correct, item.best]
        for item in texts.items
    ]
    value = {"preamble": texts.preamble, "items": items}
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode("ascii")


def pack_scores(items: ItemScores) -> bytes:
    """Return a cell's item scores in the order that this module's docstring gives."""
    return b"".join((
        np.packbits(items.right).tobytes(),
        _planes(items.rows, 3),
        _planes(items.settled, 2),
        _planes(items.thousandths, 2),
    ))  # fmt: skip


def _planes(values: npt.NDArray[np.integer], n_bytes: int) -> bytes:
    """Return all highest bytes, then all that follow them: they compress better apart."""
    return b"".join(
        (values >> (8 * n) & 255).astype(np.uint8).tobytes() for n in reversed(range(n_bytes))
    )


def _text(data: bytes) -> str:
    # the time of packing is left out: the same run gives the same file
    return base64.b64encode(gzip.compress(data, compresslevel=6, mtime=0)).decode("ascii")


def _cell(view: CellView, number: int, texts: dict[str, str]) -> dict[str, Any]:
    cell, curve = view.cell, view.curves["mc1"]
    found = {
        "task": cell.task, "model": cell.model, "lens": cell.lens, "variant": view.variant,
        "label": view.label, "full": view.full, "n_layers": cell.model_info["n_layers"],
        "layers": list(cell.layers), "items": curve.n_items,
        "best": cell.layers[curve.best.column],
        "any": any(isinstance(f, PeakFinding) and f.tied == cell.layers for f in curve.findings),
        "curves": {name: _curve(evidence) for name, evidence in view.curves.items()},
        "more": {
            "margin": _numbers(curve.margin), "entropy": _numbers(curve.entropy),
            "kl": _numbers(curve.kl), **_sureness(view.sureness),
        },
    }  # fmt: skip
    if view.items is not None:
        n_options = len(view.items.thousandths)
        found["pack"] = {"id": f"c{number}", "texts": texts[view.items.texts], "options": n_options}
    return found


def _sureness(found: Sureness | None) -> dict[str, Any]:
    if found is None:
        return {}
    return {
        "rank": _numbers(found.rank),
        "brier": _numbers(found.brier),
        "calibration": _numbers(found.calibration_error),
    }


def _curve(evidence: CurveEvidence) -> dict[str, Any]:
    return {
        "mean": _numbers(evidence.mean),
        "low": _numbers(evidence.low),
        "high": _numbers(evidence.high),
        "chance": _level(evidence.chance),
        "shortest": _level(evidence.shortest),
        "prior": _level(evidence.prior),
        "baseline": _numbers(evidence.baseline),
        "p": _numbers(evidence.p_above),
    }


def _level(values: Any) -> Any:
    """Return a baseline as one number where it is the same at every layer."""
    found = _numbers(values)
    return found[0] if found and len(set(found)) == 1 else found


def _numbers(values: Any) -> Any:
    """Return numbers for JSON: rounded, and null where there is none."""
    if values is None:
        return None
    array = np.asarray(values, np.float64)
    known = np.array(np.round(array, _DIGITS), object)
    known[~np.isfinite(array)] = None
    return known.tolist()
