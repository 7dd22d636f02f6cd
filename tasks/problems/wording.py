"""Problems and solutions as text, in every language.

Knows nothing of which solutions are right.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from .instance import Problem, Solution

__all__ = ["question", "told"]

_SLOT = re.compile(r"\{(=|\w+)\}")
_PEOPLE = "ABCD"
_ANSWER: Mapping[str, str] = {
    "en": "The answer is {=}.",
    "es": "La respuesta es {=}.",
    "fr": "La réponse est {=}.",
    "zh": "答案是{=}。",
    "th": "คำตอบคือ {=}",
}


def question(problem: Problem, language: str) -> str:
    """Return the question in a language."""
    return _filled(problem.template.texts[language][0], problem, language, "")


def told(problem: Problem, solution: Solution, language: str) -> str:
    """Return a solution in a language: a sentence a step, and the answer."""
    sentences = problem.template.texts[language][1:]
    parts = [
        _filled(sentences[line.place], problem, language, f"{line.terms} = {line.result}")
        for line in solution
    ]
    parts.append(_filled(_ANSWER[language], problem, language, str(solution[-1].result)))
    return ("" if language == "zh" else " ").join(parts)


def _filled(sentence: str, problem: Problem, language: str, equation: str) -> str:
    def slot(found: re.Match[str]) -> str:
        name = found[1]
        if name == "=":
            return equation
        if name in _PEOPLE:
            return problem.people[_PEOPLE.index(name)][language]
        return str(problem.given[name])

    return _SLOT.sub(slot, sentence)
