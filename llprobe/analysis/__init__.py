"""Arrays in, numbers out: metrics of items and curves over layers, as small pure functions.

This package knows log-probs and which options are true. It does not know files or models.
"""

from llprobe.analysis.answers import exact, numeric
from llprobe.analysis.curves import METRICS, Curve, item_curves, item_metrics
from llprobe.analysis.metrics import chance, mc1, mc2, mc3, normalised, shortest
from llprobe.analysis.tally import TALLIED, Tally, tally

__all__ = [
    "METRICS",
    "TALLIED",
    "Curve",
    "Tally",
    "chance",
    "exact",
    "item_curves",
    "item_metrics",
    "mc1",
    "mc2",
    "mc3",
    "normalised",
    "numeric",
    "shortest",
    "tally",
]
