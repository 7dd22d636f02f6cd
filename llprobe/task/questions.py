"""What one run of a task asks: preamble, items, what was left out and what was mended.

Knows nothing of templates, file formats or generators; it counts, stops at the limit, keeps ids
unique and takes the hash.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from llprobe.errors import DataError, UsageError
from llprobe.task.bounded import bounded
from llprobe.task.build import Built, build, group_of
from llprobe.task.bundled import is_bundled, load_definition
from llprobe.task.definition import Definition
from llprobe.task.letters import as_letters
from llprobe.task.prior import PRIOR, without_question
from llprobe.task.records import ANSWERS, Item, Questions, Row, Skipped, TaskRequest
from llprobe.task.render import Renderer
from llprobe.task.shots import Answered, build_preamble, worked_examples
from llprobe.task.sources import task_rows
from llprobe.task.writing import WRITES

__all__ = ["load_questions"]

_IDS_IN_A_NOTE = 10
_ANSWERED = "not asked, as a worked example shows the answer"


@dataclass(slots=True)
class _Gathered:
    """What the rows gave so far."""

    items: list[Item] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    mended: dict[str, list[str]] = field(default_factory=dict)
    """What was mended, with the id of each question that it concerns, once for each time."""
    counts: Counter[str] = field(default_factory=Counter)
    """How many items there are of each group that the limit counts by itself."""


def _reads(request: TaskRequest) -> str:
    """Return the files of strangers that a request has read; empty for none."""
    name = "" if is_bundled(request.name) else request.name
    return ", ".join(file for file in (name, request.data, request.shots_file) if file)


@bounded(_reads)
def load_questions(request: TaskRequest) -> Questions:
    """Return the questions that a request asks for.

    The limit counts questions that can be asked: reading stops at the last of them, and skipped
    ones on the way are listed. The same request on the same file gives the same hash everywhere.
    Raises UsageError for a request that cannot be carried out, TaskError and DataError for a
    definition or a file that cannot be used.
    """
    _check(request)
    definition = load_definition(request.name).for_data(request.data)
    request = replace(request, answer=_answer(definition, request))
    questions = _asked(definition, request)
    if request.answer == "generate":
        return _hashed(questions)
    neutral = _hashed(without_question(questions, definition.stem))
    return neutral if request.prior else replace(_hashed(questions), prior=neutral.hash)


def _asked(definition: Definition, request: TaskRequest) -> Questions:
    renderer = Renderer.of(definition)
    before = build_preamble(definition, renderer, request)
    shown = {row.where for row in worked_examples(definition, request)}
    # A row that is shown with its answer is not asked.
    rows = (row for row in task_rows(definition, request) if row.where not in shown)
    answered = Answered.of(definition, renderer, request, before.preamble)
    gathered = _gather(rows, definition, renderer, request, answered)
    written = definition.writing if request.answer == "generate" else None
    return Questions(
        task=definition.name,
        version=definition.version,
        preamble=before.preamble,
        items=tuple(gathered.items),
        skipped=tuple(gathered.skipped),
        notes=definition.notes + tuple(_note(what, ids) for what, ids in gathered.mended.items()),
        hash="",
        answer=request.answer,
        turns=before.turns,
        facets=definition.facets,
        stop=(written.stop or (definition.fewshot_delimiter or "\n\n",)) if written else (),
        max_tokens=written.max_tokens if written else 0,
    )


def _answer(definition: Definition, request: TaskRequest) -> str:
    """Return how the questions are answered; UsageError where the task has no such way."""
    writes = definition.output_type == WRITES
    answer = request.answer or ("generate" if writes else "cloze")
    if answer not in ANSWERS:
        raise UsageError(f"--answer {answer}: known are {', '.join(ANSWERS)}")
    if writes and answer != "generate":
        raise UsageError(
            f"task {definition.name} has no options to score: run it with --answer generate"
        )
    if answer == "generate" and request.prior:
        raise UsageError(f"task {definition.name}: a written answer has no prior to subtract")
    return answer


def _check(request: TaskRequest) -> None:
    if request.limit is not None and request.limit < 1:
        raise UsageError(f"the limit is {request.limit}; ask at least 1 question")


def _gather(
    rows: Iterable[Row],
    definition: Definition,
    renderer: Renderer,
    request: TaskRequest,
    answered: Answered,
) -> _Gathered:
    gathered = _Gathered()
    seen: set[str] = set()
    limit, by_group = request.limit, definition.limits_groups
    for row in rows:
        group = group_of(row, definition) if by_group else ""
        if limit and by_group and gathered.counts[group] == limit:
            continue
        before = len(gathered.items)
        built = build(row, definition, renderer)
        if isinstance(built.question, Item) and answered.holds(built.question):
            gathered.mended.setdefault(_ANSWERED, []).append(built.question.id)
            continue
        _take(row, built, definition, gathered, seen, request)
        gathered.counts[group] += len(gathered.items) - before
        if not by_group and len(gathered.items) == limit:
            break
    if not gathered.items:
        raise DataError(_nothing_left(definition, gathered.skipped))
    return gathered


def _take(
    row: Row,
    built: Built,
    definition: Definition,
    gathered: _Gathered,
    seen: set[str],
    request: TaskRequest,
) -> None:
    question = built.question
    if request.answer == "letter" and isinstance(question, Item):
        question = as_letters(question, request.seed, definition.target_delimiter)
    if question.id in seen:
        raise row.error(f"the id {question.id!r} was there before; ids must differ")
    seen.add(question.id)
    if isinstance(question, Skipped):
        if not definition.skips_bad_rows:
            raise row.error(question.reason)
        gathered.skipped.append(question)
        return
    gathered.items.append(question)
    for quirk in (*row.quirks, *["repeated options merged"] * built.merged):
        gathered.mended.setdefault(quirk, []).append(question.id)


def _nothing_left(definition: Definition, skipped: Sequence[Skipped]) -> str:
    if not skipped:
        return f"task {definition.name} has no questions"
    first = skipped[0]
    return (
        f"none of the {len(skipped)} questions of task {definition.name} can be asked; "
        f"{first.id}: {first.reason}"
    )


def _note(what: str, ids: Sequence[str]) -> str:
    """Say how often something was mended, and where."""
    distinct = list(dict.fromkeys(ids))
    more = len(distinct) - _IDS_IN_A_NOTE
    listed = ", ".join(distinct[:_IDS_IN_A_NOTE]) + (f" and {more} more" if more > 0 else "")
    return f"{len(ids)} {what}: {listed}"


def _hashed(questions: Questions) -> Questions:
    """Put the SHA-256 of everything that decides them on questions, the same on every machine."""
    asked = [
        [item.id, item.group, item.prompt, item.choices, item.correct, item.best]
        for item in questions.items
    ]
    decides: list[Any] = [questions.preamble, asked]
    if questions.answer in {"generate", PRIOR} or questions.turns is not None:
        turns = questions.turns and [[turn.role, turn.text] for turn in questions.turns]
        decides += [questions.answer, turns, questions.stop, questions.max_tokens]
    text = json.dumps(decides, ensure_ascii=True, separators=(",", ":"))
    return replace(questions, hash=hashlib.sha256(text.encode("ascii")).hexdigest())
