"""Arrays in, numbers out: metrics of items and curves over layers, as small pure functions.

This package knows log-probs and which options are true. It does not know files or models.
"""

from llprobe.analysis.curves import Curve, item_curves
from llprobe.analysis.metrics import chance, mc1, mc2, mc3, shortest

__all__ = ["Curve", "chance", "item_curves", "mc1", "mc2", "mc3", "shortest"]
