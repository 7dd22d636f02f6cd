"""The records of a task: what was asked for, rows as they came, questions as they are scored.

They know nothing of where they come from (files, generators) or of what is done with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from llprobe.errors import DataError

__all__ = ["ANSWERS", "Item", "Questions", "Row", "Skipped", "TaskRequest", "Turn"]

ANSWERS = ("cloze", "letter", "generate")
"""How a question is answered: the option's text is scored, the letter of an option that the
prompt lists is scored, or the model writes the answer itself, greedily."""


@dataclass(frozen=True, slots=True)
class Item:
    """One question, ready to score. The full prompt is `Questions.preamble + prompt`."""

    id: str
    """Unique within its task."""
    prompt: str
    """The text after the preamble, without trailing white space: `Q: ...` and `A:`."""
    choices: tuple[str, ...]
    """The options exactly as scored, delimiter included (` Rome`); at least 2, all distinct. Where
    the model writes the answer, the texts that it is compared with: one is enough."""
    correct: tuple[int, ...]
    """Indices of the true options, sorted; at least one, never all of those that are scored."""
    best: int
    """The designated best answer, one of `correct`."""
    group: str = ""
    """The result group, its parts separated by `/` (`int/3-4/mul`); empty for none."""
    cluster: str = ""
    """What it has in common with items that are not independent of it, such as their template;
    empty for an item by itself. It decides no score and is not in the questions' hash."""

    def in_chat(self) -> Item:
        """Return the item as a chat asks it: no white space around it, nor before its options."""
        choices = tuple(choice.lstrip() for choice in self.choices)
        return replace(self, prompt=self.prompt.strip(), choices=choices)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A question that is not asked."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a chat: `role` is system, user or assistant."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Questions:
    """What one run of a task asks."""

    task: str
    version: str
    preamble: str
    """Description and worked examples, shared by all items."""
    items: tuple[Item, ...]
    skipped: tuple[Skipped, ...]
    """Questions left out on the way to the last item, in file order."""
    notes: tuple[str, ...]
    """What was mended on reading, a sentence each, with the ids it concerns."""
    hash: str
    """SHA-256, in hex, of everything that decides prompts, choices and answers."""
    answer: str = "cloze"
    """One of `ANSWERS`, or `prior`: the options of other questions after a neutral stem."""
    turns: tuple[Turn, ...] | None = None
    """Description and worked examples as a chat, in place of the preamble, which is empty then:
    each item's prompt is the next user turn. None for plain text."""
    facets: tuple[str, ...] = ()
    """What the parts of a group's name say: `int/3-4/mul` has (numbers, size, operation)."""
    stop: tuple[str, ...] = ()
    """Texts at which a written answer ends."""
    max_tokens: int = 0
    """Most tokens of a written answer; 0 where options are scored."""
    prior: str = ""
    """The hash of the questions that hold these options after a neutral stem; see prior.py."""


@dataclass(frozen=True, slots=True)
class TaskRequest:
    """What a user asked for."""

    name: str
    """A bundled task's name, or the path of a YAML file."""
    data: str | None = None
    """The data file, in place of the one that the task names."""
    limit: int | None = None
    """Ask the first `limit` usable questions: skipped ones do not count. Generated tasks order
    their questions so that any first N are spread evenly over the groups. A task whose groups
    are languages asks that many of each."""
    num_fewshot: int | None = None
    """Show the first N worked examples; None for the task's own number, or all of `shots_file`."""
    seed: int = 0
    """Seed of generated questions; a published file's questions do not depend on it."""
    shots_file: str | None = None
    """Worked examples in place of the task's own: `.jsonl`, `.json` or `.yaml` holds rows that
    the task's templates render; `.txt` is the whole preamble, taken as it stands."""
    instruction: str | None = None
    """A sentence in place of the task's description; a blank line is put after it."""
    settings: tuple[tuple[str, str], ...] = ()
    """Values for the generator's settings, by name, as a user types them."""
    answer: str = ""
    """One of `ANSWERS`; empty for the task's own way."""
    chat: bool = False
    """Whether the prompt is put through the model's own chat template."""
    prior: bool = False
    """Ask the options after a neutral stem in place of the question: what they score by
    themselves."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a data file, or one generated question, before it is rendered."""

    number: int
    """Its place in the file, from 0."""
    where: str
    """For messages: `facts.tsv, line 12`."""
    fields: Mapping[str, Any]
    quirks: tuple[str, ...] = ()
    """What a reader mended in it, as a plural phrase: counted in `Questions.notes`."""

    def error(self, problem: str) -> DataError:
        """Make the error that says `problem` of this row."""
        return DataError(f"{self.where}: {problem}")

    def having(self, *quirks: str, **fields: Any) -> Row:
        """Return a copy with more fields, and perhaps more quirks."""
        return replace(self, fields={**self.fields, **fields}, quirks=self.quirks + quirks)

    def value(self, key: str) -> Any:
        """Return a field that must be there; DataError if it is not."""
        if key not in self.fields:
            found = ", ".join(self.fields)
            raise self.error(f"the field {key!r} is missing; found: {found or 'none'}")
        return self.fields[key]

    def text(self, key: str) -> str:
        """Return a field that must be a text; DataError if it is not."""
        value = self.value(key)
        if not isinstance(value, str):
            raise self.error(f"the field {key!r} must be a text, not {_kind(value)}")
        return value

    def texts(self, key: str) -> list[str]:
        """Return a field that must be a list of texts; DataError if it is not."""
        value = self.value(key)
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise self.error(f"the field {key!r} must be a list of texts, not {_kind(value)}")
        return value


def _kind(value: Any) -> str:
    """Name a JSON value's kind in words."""
    names = {"NoneType": "null", "str": "a text", "list": "a list with other things in it"}
    names |= {"dict": "an object", "bool": "true or false", "int": "a number", "float": "a number"}
    return names.get(type(value).__name__, type(value).__name__)
