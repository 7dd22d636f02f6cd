"""A rendered row becomes an item: options merged, truth checked, white space moved.

Knows nothing of files and of how many questions are asked. What is wrong with a question is
data here (`Skipped`); whether that is an error is decided in questions.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from llprobe.errors import DataError, TaskError
from llprobe.task.definition import Definition
from llprobe.task.records import Item, Row, Skipped
from llprobe.task.render import Renderer, as_targets
from llprobe.task.writing import WRITES

__all__ = ["Built", "build", "group_of"]


@dataclass(frozen=True, slots=True)
class Built:
    """What became of one row."""

    question: Item | Skipped
    merged: int = 0
    """How many repeated options were merged into an equal one."""


class _UnusableError(Exception):
    """The question cannot be asked; the text says why."""


def build(row: Row, definition: Definition, renderer: Renderer) -> Built:
    """Turn a row into an item, or into the reason why it cannot be asked.

    DataError where a field is missing or of the wrong type, or a template fails on the row.
    """
    item_id = _id(row, definition)
    try:
        return _built(item_id, row, definition, renderer)
    except _UnusableError as problem:
        return Built(Skipped(item_id, str(problem)))
    except DataError:
        raise
    except TaskError as problem:
        raise row.error(str(problem)) from problem


def _id(row: Row, definition: Definition) -> str:
    if not definition.fields.id:
        return f"{definition.name}-{row.number}"
    value = row.value(definition.fields.id)
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        raise row.error(f"the field {definition.fields.id!r} must be a text or a number")
    return str(value)


def _built(item_id: str, row: Row, definition: Definition, renderer: Renderer) -> Built:
    prompt = renderer.prompt(row.fields)
    if not prompt.strip() and definition.doc_to_text:
        raise _UnusableError("the prompt is empty")
    if definition.output_type == WRITES:
        return _to_write(item_id, row, definition, renderer.answers(row.fields), prompt)
    choices = renderer.choices(row.fields)
    _check_texts(prompt, choices)
    correct, best = _truth(row, definition, renderer, choices)
    kept = prompt.rstrip()
    # White space before the option belongs to the option's first token.
    lead = prompt[len(kept) :] + definition.target_delimiter
    distinct, place = _merge([lead + choice for choice in choices])
    true = _true_options(distinct, place, correct)
    labels = group_of(row, definition), _cluster_of(row, definition)
    item = Item(item_id, kept, tuple(distinct), true, place[best], *labels)
    return Built(item, len(choices) - len(distinct))


def _to_write(
    item_id: str, row: Row, definition: Definition, answers: Sequence[str], prompt: str
) -> Built:
    """Build an item whose answer the model writes: its choices are what is accepted."""
    accepted = tuple(dict.fromkeys(answer.strip() for answer in answers))
    if not all(accepted):
        raise _UnusableError("an answer is empty")
    _check_unicode(prompt, *accepted)
    labels = group_of(row, definition), _cluster_of(row, definition)
    return Built(Item(item_id, prompt.rstrip(), accepted, tuple(range(len(accepted))), 0, *labels))


def _check_texts(prompt: str, choices: Sequence[str]) -> None:
    if len(choices) < 2:
        raise _UnusableError(
            f"it has {len(choices)} option{'s' * (len(choices) != 1)}, 2 are needed"
        )
    for number, choice in enumerate(choices):
        if not choice.strip():
            raise _UnusableError(f"option {number} is empty")
    _check_unicode(prompt, *choices)


def _check_unicode(*texts: str) -> None:
    if not all(_is_unicode(text) for text in texts):
        raise _UnusableError("it holds half a surrogate pair, which is no character")


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _truth(
    row: Row, definition: Definition, renderer: Renderer, choices: Sequence[str]
) -> tuple[set[int], int]:
    """Return the indices of the true options and of the best one."""
    names = definition.fields
    targets = renderer.targets(row.fields)
    true = _field_targets(row, names.correct) if names.correct else targets
    correct = _indices(true, choices)
    if not correct:
        raise _UnusableError("no option is true")
    if names.best and row.value(names.best) is not None:
        targets = _field_targets(row, names.best)
    best = _indices(targets[:1], choices)[0]
    # The best answer may be told by its text, which can stand there twice.
    if choices[best] not in {choices[index] for index in correct}:
        raise _UnusableError(f"the best answer {choices[best]!r} is not among the true ones")
    return set(correct), best


def _field_targets(row: Row, key: str) -> list[int | str]:
    targets = as_targets(row.value(key))
    if targets is None:
        raise row.error(f"the field {key!r} must be an option's index or text, or a list of such")
    return targets


def _indices(targets: Iterable[int | str], choices: Sequence[str]) -> list[int]:
    return [_index(target, choices) for target in targets]


def _index(target: int | str, choices: Sequence[str]) -> int:
    if isinstance(target, str) and target in choices:
        return choices.index(target)
    # A CSV file holds an index as text.
    if isinstance(target, str) and target.isascii() and target.isdigit():
        target = int(target)
    if isinstance(target, str):
        raise _UnusableError(f"the answer {target!r} is not one of the options")
    if not 0 <= target < len(choices):
        raise _UnusableError(
            f"there is no option {target}, they are numbered 0 to {len(choices) - 1}"
        )
    return target


def _merge(options: Sequence[str]) -> tuple[list[str], list[int]]:
    """Return the distinct options in order, and each option's place among them."""
    places: dict[str, int] = {}
    place = [places.setdefault(option, len(places)) for option in options]
    return list(places), place


def _true_options(
    distinct: Sequence[str], place: Sequence[int], correct: set[int]
) -> tuple[int, ...]:
    """Return the places of the true options; unusable where true and false are not two sides."""
    true = {place[index] for index in correct}
    false = {place[index] for index in range(len(place)) if index not in correct}
    both = sorted(true & false)
    if both:
        raise _UnusableError(f"the option {distinct[both[0]].strip()!r} is both true and false")
    if not false:
        raise _UnusableError("no option is false")
    return tuple(sorted(true))


def group_of(row: Row, definition: Definition) -> str:
    """Return a row's result group; empty for none."""
    return _label(row, definition.fields.group)


def _cluster_of(row: Row, definition: Definition) -> str:
    """Return what a row shares with those that are not independent of it; empty for nothing."""
    return _label(row, definition.fields.cluster)


def _label(row: Row, key: str) -> str:
    """Return a field as a label; empty where the key or the value is."""
    value = row.value(key) if key else None
    return "" if value is None else str(value).strip()
