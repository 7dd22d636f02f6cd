"""Whether a task's options are scored or its answers written, and where a written answer ends.

The harness' keys `output_type` and `generation_kwargs`. Knows nothing of models or of how an
answer is judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from llprobe.task.yamlfile import Section, shown

__all__ = ["MULTIPLE_CHOICE", "WRITES", "Writing", "output_type", "writing"]

MULTIPLE_CHOICE: Final = "multiple_choice"
WRITES: Final = "generate_until"
_KEY: Final = "generation_kwargs"
_UNTIL: Final = ("until", "stop", "stop_sequences")
_MOST: Final = ("max_gen_toks", "max_new_tokens", "max_tokens")
_GREEDY: Final = {"do_sample": (False,), "temperature": (0, 0.0), "num_beams": (1,)}
_KNOWN: Final = (*_UNTIL, *_MOST, *_GREEDY, "top_p", "top_k")


@dataclass(frozen=True, slots=True)
class Writing:
    """Where a written answer ends: at one of the texts `stop`, or after `max_tokens` tokens."""

    stop: tuple[str, ...] = ()
    """Empty for the delimiter between worked examples."""
    max_tokens: int = 256


def output_type(top: Section) -> str:
    """Return the kind of task; TaskError for one that llprobe does not have."""
    given = top.text("output_type")
    if given not in {MULTIPLE_CHOICE, WRITES}:
        known = f"llprobe has {MULTIPLE_CHOICE} and {WRITES}"
        raise top.error("output_type", f"{given!r} is not known; {known}")
    return given


def writing(top: Section) -> Writing:
    """Return where written answers end; TaskError for other than greedy decoding.

    In a multiple-choice file the harness does not read the section, so it may hold anything else.
    """
    if not top.has(_KEY):
        return Writing()
    given = top.section(_KEY)
    if top.values.get("output_type") == WRITES:
        given.only(_KNOWN)
        _check_greedy(given)
    return Writing(_until(given), _most(given))


def _check_greedy(given: Section) -> None:
    for key, allowed in _GREEDY.items():
        value = given.get(key, allowed[0])
        if value not in allowed:
            raise given.error(key, f"is {shown(value)}; llprobe decodes greedily, leave it out")


def _until(given: Section) -> tuple[str, ...]:
    key = next((key for key in _UNTIL if given.has(key)), _UNTIL[0])
    value = given.get(key, [])
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(each, str) and each for each in listed):
        raise given.error(key, f"must be a text or a list of texts, not {shown(value)}")
    return tuple(listed)


def _most(given: Section) -> int:
    key = next((key for key in _MOST if given.has(key)), _MOST[0])
    most = given.count(key, Writing().max_tokens)
    if most < 1:
        raise given.error(key, f"is {most}; an answer needs at least 1 token")
    return most
