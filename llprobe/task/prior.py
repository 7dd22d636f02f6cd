"""What options score by themselves: the same options after a neutral stem, without the question.

The score of an option given the question less its score after the stem is the pointwise mutual
information of question and option (Holtzman et al., "Surface Form Competition",
arXiv 2104.08315, section 3). Knows nothing of how scores are computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from llprobe.task.records import Item, Questions

__all__ = ["PRIOR", "neutral_stem", "without_question"]

PRIOR = "prior"
"""The `answer` of questions that hold options after a neutral stem."""
_STEM = "A:"


def neutral_stem(items: Sequence[Item]) -> str:
    """Return the line that all prompts end with, if that is not all of them; otherwise `A:`."""
    lines = {item.prompt.rpartition("\n")[2] for item in items}
    whole = any("\n" not in item.prompt for item in items)
    return lines.pop() if len(lines) == 1 and not whole else _STEM


def without_question(questions: Questions, stem: str) -> Questions:
    """Return the options of `questions` after `stem` (empty: see `neutral_stem`).

    There is no preamble, and no worked example. The hash stays that of `questions`.
    """
    stem = stem or neutral_stem(questions.items)
    return replace(
        questions,
        preamble="",
        items=tuple(replace(item, prompt=stem) for item in questions.items),
        answer=PRIOR,
        turns=None if questions.turns is None else (),
        prior="",
    )
