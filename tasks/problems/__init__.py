"""Math word problems with a worked solution: the generator behind mps_cal, mps_rea and xmps_*.

What they measure: whether a model prefers a right worked solution to three wrong ones. In *-Cal
a wrong solution takes the same steps, but one computed result is a near miss that is carried
forward; in *-Rea every computation is right, but the path is not: a step is dropped, another
operation is used, or another quantity.

Where the answers come from: the templates (a YAML file a theme) hold the steps as expressions and
were written and translated for this project; no sentence is taken from a published data set. The
tests read every option's text back, compute its equations anew, and check the answer against a
formula that each template gives apart from its steps.

Chance is 25%. In *-Cal all options are equally long and the true answer is as often the smallest,
second, third and largest; in *-Rea the true option is as often the shortest, second, third and
longest. It stands in each place as often. Of one question of every template these counts are
exactly equal; of xMPS, they are in every language, each of which has an order of its own.

In xMPS the true option is in Spanish, French, Chinese or Thai, question and wrong options are in
English, as in the paper. So a model that merely dislikes a change of language is always wrong,
and one that likes it is always right: compare with `all: "yes"`, where question and all options
are in the language. The instruction and the worked examples stay English.

Known limits: whole numbers from 2 to 99,999, four signs, schoolbook situations. A wrong option
departs from the true one in one place, so who could compare the options would find the true one
in *-Cal as the one that is most like the others; a model is asked about one option at a time. In
*-Rea wrong paths that are short as a rule lead to small numbers, and long ones to large numbers;
taking the smallest answer gets 27%, the largest 22%. A wrong path can be absurd (so many
people, such an age), and never ends in a fraction. The translations are the project's own; no
native speaker has been through them.

Questions depend on seed, kind, template and their number in it alone; asking for fewer of each
template leaves the first ones as they are, and xMPS asks those of MPS.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import zip_longest
from typing import Any

from llprobe.errors import UsageError
from llprobe.task import Row

from ..draw import Draw
from .names import LANGUAGES
from .questions import WRONG, Question, stream
from .template import Template, templates
from .wording import question, told

__all__ = ["FOREIGN", "MOST_PER_TEMPLATE", "bundled", "translated"]

FOREIGN = LANGUAGES[1:]
"""The languages of xMPS."""
MOST_PER_TEMPLATE = 40
"""Every template has more different questions than this."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question before its options stand in an order."""

    id: str
    theme: str
    question: Question
    place: int
    """Which template it is of, from 0."""
    round: int
    """Its number among the template's questions, from 0."""


def bundled(kind: str, seed: int, settings: Mapping[str, Any]) -> Iterator[Row]:
    """Yield English questions; `kind` is `cal` or `rea`.

    Fields: id, group (the theme), template, question, choices (4), correct, answer. UsageError
    for a bad `per_template`.
    """
    for number, each in enumerate(_asked(kind, seed, settings["per_template"])):
        yield _row(number, f"{seed}/{kind}", each, "en", "en")


def translated(kind: str, seed: int, settings: Mapping[str, Any]) -> Iterator[Row]:
    """Yield every question once in each `language`, one language after the other.

    Fields as of `bundled`, with the language as group. UsageError for a bad setting.
    """
    languages, everything = _languages(settings["language"]), _yes(settings["all"])
    asked = _asked(kind, seed, settings["per_template"])
    pairs = ((each, language) for each in asked for language in languages)
    for number, (each, language) in enumerate(pairs):
        rest = language if everything else "en"
        row = _row(number, f"{seed}/{kind}/{language}", each, language, rest)
        name = f"{each.id}/{language}"
        yield replace(row.having(id=name, group=language), where=f"word problem {name}")


def _asked(kind: str, seed: int, per_template: int) -> Iterator[_Asked]:
    """Yield one question of every template before the next of any."""
    if not 1 <= per_template <= MOST_PER_TEMPLATE:
        said = f"per_template is {per_template}; give 1 to {MOST_PER_TEMPLATE}"
        raise UsageError(said)
    streams = [
        (each, stream(Draw(f"problems/{seed}/{kind}/{each.id}"), each, kind, below))
        for each, below in zip(_mixed(), _belows(seed, kind, per_template), strict=True)
    ]
    for number in range(per_template):
        for place, (template, questions) in enumerate(streams):
            name = f"{template.id}/{number}"
            yield _Asked(name, template.theme, next(questions), place, number)


def _belows(seed: int, kind: str, per_template: int) -> Iterator[Iterator[int]]:
    """Yield, for every template, how many wrong solutions measure less in each of its questions."""
    rounds = [_even(f"problems/{seed}/{kind}/below/{number}") for number in range(per_template)]
    return map(iter, zip(*rounds, strict=True))


@cache
def _even(seed: str) -> Sequence[int]:
    """Return a number from 0 to 3 for each template, in random order, each as often."""
    return Draw(seed).shuffled([place % (WRONG + 1) for place in range(len(_mixed()))])


@cache
def _mixed() -> Sequence[Template]:
    """Return the templates, one of every theme before the next of any."""
    themes: dict[str, list[Template]] = {}
    for each in templates():
        themes.setdefault(each.theme, []).append(each)
    return [each for column in zip_longest(*themes.values()) for each in column if each]


def _row(number: int, seed: str, asked: _Asked, true: str, rest: str) -> Row:
    """Write a question, its options in an order drawn by `seed`.

    The true option is in the language `true`, question and wrong options are in `rest`.
    """
    problem = asked.question.problem
    answer = told(problem, problem.solution, true)
    wrong = Draw(f"problems/{seed}/{asked.id}").shuffled(asked.question.wrong)
    choices = [told(problem, each, rest) for each in wrong]
    place = _even(f"problems/{seed}/place/{asked.round}")[asked.place]
    choices.insert(place, answer)
    fields = {
        "id": asked.id,
        "group": asked.theme,
        "template": asked.id.rpartition("/")[0],
        "question": question(problem, rest),
        "choices": choices,
        "correct": [place],
        "answer": answer,
    }
    return Row(number, f"word problem {asked.id}", fields)


def _languages(wanted: list[str]) -> list[str]:
    unknown = [each for each in wanted if each not in FOREIGN]
    if unknown or not wanted:
        said = f"no language {unknown[0]!r}" if unknown else "no language is given"
        raise UsageError(f"{said}; known: {', '.join(FOREIGN)}")
    return list(dict.fromkeys(wanted))


def _yes(given: str) -> bool:
    if given not in {"yes", "no"}:
        raise UsageError(f"the setting all must be yes or no, not {given!r}")
    return given == "yes"
