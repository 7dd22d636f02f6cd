"""What a report says in words: how numbers were made, and how they are to be read.

This module knows the methods. It does not know numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

__all__ = ["METRICS", "READING", "methods"]

METRICS: Final = {
    "mc1": "MC1: the designated best option has a higher score than every false one. "
    "Ties never count as right.",
    "mc2": "MC2: the probability of the true options, of the probability of all options.",
    "mc3": "MC3: the share of the true options that have a higher score than every false one.",
    "acc_norm_tokens": "MC1 per token: as MC1, of log-probs divided by the option's tokens.",
    "acc_norm_bytes": "MC1 per byte: as MC1, of log-probs divided by the option's bytes.",
    "pmi": "PMI: as MC1, of log-probs less those of the option after a neutral stem "
    "(Holtzman et al. 2021).",
}

_LENSES: Final = {
    "norm": "Lens norm: the model's final norm and output matrix are applied to the hidden state "
    "after every layer (the usual logit lens).",
    "paper": "Lens paper: as in arXiv 2312.04333, the output matrix is applied without the final "
    "norm to all layers but the last, and with it to the last.",
    "raw": "Lens raw: the output matrix is applied to every layer without the final norm.",
}

READING: Final = (
    (
        "A curve shows, for each layer, the share of questions that are answered rightly if the "
        "model's answer is read there. Layers are numbered from 1; the last one is the model's own "
        "answer. A band is a 95% interval: where two bands of different tasks overlap nothing "
        "follows; cells on the same questions are to be compared question by question, with "
        "`llprobe compare`."
    ),
    (
        "Chance is what guessing gets, computed for each question. Summed log-probs favour short "
        "options, so a curve may lie below chance: that is a bias for length, not a lack of "
        "ability, and coming back up to chance is no onset. Baseline is the better of chance, the "
        "shortest option and, where it was scored, the option without its question."
    ),
    (
        "Best is what the layer of the highest share would score on other questions than those "
        "that chose it: the highest of many shares is high by luck too. The layers in brackets "
        "may be the best one just as well. Onset is the first layer from which the curve stays "
        "above its baseline, with its 95% interval. A dash means that none was found; it is not a "
        "proof that there is none."
    ),
    (
        "Stars say how unlikely so high a share would be at the baseline: * p < 0.05, ** p < 0.01, "
        "*** p < 0.001, one-sided; at the best layer corrected for the number of layers, at the "
        "last one for the number of rows (Holm 1979), where rows that differ in the lens only and "
        "are the same there count once."
    ),
)
"""How to read it, a paragraph each."""


def methods(lenses: Iterable[str], metrics: Iterable[str]) -> tuple[str, ...]:
    """Return how the numbers were made, a paragraph each."""
    said = [_LENSES[lens] for lens in dict.fromkeys(lenses) if lens in _LENSES]
    return (
        *said,
        (
            "Scoring: an option's score at a layer is the sum of the log-probs of its tokens after "
            "the prompt and the tokens before, read from that layer. Probabilities of options are "
            "these scores, normalised within the question."
        ),
        *(METRICS[name] for name in dict.fromkeys(metrics) if name in METRICS),
        (
            "Intervals: 95%, Wilson's (1927) of as many questions as these are worth: those made "
            "from one template, or about one relation, are alike and count for fewer (Kish 1965), "
            "with Student's t in place of the normal distribution. Below five questions or groups "
            "of alike ones there is none. Findings over layers come of 2,000 bootstrap resamples "
            "of whole groups."
        ),
    )
