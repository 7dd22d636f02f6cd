"""Arrays in, numbers out: metrics, intervals, tests and findings over layers, as pure functions.

This package knows log-probs and which options are true. It does not know files or models.
"""

from llprobe.analysis.answers import exact, numeric
from llprobe.analysis.baselines import (
    Baseline,
    BetterBaseline,
    LengthBias,
    baselines,
    better_baseline,
    length_bias,
)
from llprobe.analysis.calibration import Calibration, brier, calibration
from llprobe.analysis.curves import (
    METRICS,
    OF_WHOLE_OPTIONS,
    WHY_NOT,
    Curve,
    item_curves,
    item_metrics,
)
from llprobe.analysis.intervals import coverage, design_effect, effective_n, wilson
from llprobe.analysis.metrics import chance, mc1, mc2, mc3, normalised, shortest
from llprobe.analysis.options import OptionTable
from llprobe.analysis.paired import BestAgainstLast, Comparison, best_against_last, compare
from llprobe.analysis.resample import RESAMPLES, bootstrap_means, expanded, interval
from llprobe.analysis.significance import (
    above_baseline,
    benjamini_hochberg,
    detectable,
    holm,
    items_needed,
    mcnemar,
    sign_flip,
)
from llprobe.analysis.tally import TALLIED, Tally, tally

__all__ = [
    "METRICS",
    "OF_WHOLE_OPTIONS",
    "RESAMPLES",
    "TALLIED",
    "WHY_NOT",
    "Baseline",
    "BestAgainstLast",
    "BetterBaseline",
    "Calibration",
    "Comparison",
    "Curve",
    "LengthBias",
    "OptionTable",
    "Tally",
    "above_baseline",
    "baselines",
    "benjamini_hochberg",
    "best_against_last",
    "better_baseline",
    "bootstrap_means",
    "brier",
    "calibration",
    "chance",
    "compare",
    "coverage",
    "design_effect",
    "detectable",
    "effective_n",
    "exact",
    "expanded",
    "holm",
    "interval",
    "item_curves",
    "item_metrics",
    "items_needed",
    "length_bias",
    "mc1",
    "mc2",
    "mc3",
    "mcnemar",
    "normalised",
    "numeric",
    "shortest",
    "sign_flip",
    "tally",
    "wilson",
]
