"""Generator of the logic task: a short passage, a question about its logic, four answers.

What it measures: whether a model prefers the answer that follows from a passage to three of the
same form that do not. Seven groups, asked in turn:

- `conditional`: chains of rules, and what follows from them and from a fact;
- `quantifiers`: all, some, none and not all, said of four groups of people or things;
- `necessary`: what is needed for a goal against what is enough for it;
- `ordering`: five things in an order, with three or four clues;
- `grouping`: three out of six, or two teams of three, with three or four clues;
- `parallel`: the argument that is built as the passage is, about something else;
- `flaw`: the name of an argument's mistake; passages written by hand, in flaws.jsonl.

Where the answers come from: truth tables, worlds of groups, and trial of all arrangements decide
for every option whether it follows; the tests read the finished English back and decide again by
other means. The flaws were assigned by hand. All texts were written for this project; none is
taken from a published collection or an exam.

Chance is 25%. Of the four options the right one is as often the shortest, the second, the third
and the longest, and it stands in each place as often; the options of a question have the same
form and are drawn from the same words.

Known limits: English; places and rules are made up and sound like it; outside of `flaw` and
`parallel` nothing has to be known but the meaning of if, only if, unless, all, some and the like.
The 12 flaws recur, in two wordings each. Conditionals are read as truth functions, `or` as
allowing both, `some` as at least one, maybe all. Looks tell a little in two groups: in `parallel`
the option that shares most of its words with the passage is right in 40% (equal forms bring equal
connectives), in `quantifiers` the one least like the other options in 29%.

Knows nothing of prompts and scores. Questions depend on the seed alone; asking for fewer per group
leaves the first ones as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from llprobe.errors import UsageError
from llprobe.task import Row

from ..draw import Draw
from . import conditional, flaws, grouping, necessary, ordering, parallel, quantifiers
from .question import Question

__all__ = ["GROUPS", "generate"]

_STREAMS: Mapping[str, Callable[[Draw], Iterator[Question]]] = {
    "conditional": conditional.stream,
    "quantifiers": quantifiers.stream,
    "necessary": necessary.stream,
    "ordering": ordering.stream,
    "grouping": grouping.stream,
    "parallel": parallel.stream,
}

GROUPS = (*_STREAMS, "flaw")
"""All groups, in the order in which they are asked."""


def generate(seed: int, settings: Mapping[str, Any]) -> Iterator[Row]:
    """Yield `per_group` questions of each group, one of every group before the next of any.

    Fields: id, group, context, question, choices (4), answer. UsageError for a bad `per_group`.
    """
    per_group, most = settings["per_group"], len(flaws.passages())
    if not 1 <= per_group <= most:
        said = f"per_group is {per_group}; give 1 to {most}, which is all there are of some groups"
        raise UsageError(said)
    streams = [_named(seed, group) for group in GROUPS]
    asked = (next(stream) for _ in range(per_group) for stream in streams)
    for number, (name, question) in enumerate(asked):
        yield Row(number, f"logic question {name}", _fields(name, question))


def _named(seed: int, group: str) -> Iterator[tuple[str, Question]]:
    """Yield a group's questions, none twice, each with its id."""
    draw = Draw(f"logic/{seed}/{group}")
    if group == "flaw":
        yield from ((f"flaw/{name}", question) for name, question in flaws.stream(draw))
        return
    seen: set[str] = set()
    for question in _STREAMS[group](draw):
        if question.context not in seen:
            yield f"{group}/{len(seen)}", question
            seen.add(question.context)


def _fields(name: str, question: Question) -> dict[str, Any]:
    return {
        "id": name,
        "group": name.split("/", maxsplit=1)[0],
        "context": question.context,
        "question": question.question,
        "choices": list(question.choices),
        "answer": question.answer,
    }
