"""The preamble: what stands before every question of a task.

The task's description, then each worked example as doc_to_text + target_delimiter + answer +
fewshot_delimiter. Knows nothing of the questions that follow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from llprobe.errors import DataError, TaskError, UsageError
from llprobe.task.dataset import split_rows
from llprobe.task.definition import Definition
from llprobe.task.files import data_rows, read_text
from llprobe.task.letters import letter_order, listed
from llprobe.task.records import Item, Row, TaskRequest, Turn
from llprobe.task.render import Renderer, Template
from llprobe.task.writing import WRITES
from llprobe.task.yamlfile import parse_yaml_value

__all__ = ["Answered", "Shown", "build_preamble", "example", "worked_examples"]


@dataclass(frozen=True, slots=True)
class Shown:
    """What stands before every question: a text, or turns of a chat and no text."""

    preamble: str
    turns: tuple[Turn, ...] | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """The questions that stand before every question with their answers, told by their texts.

    White space does not count: the same row may come from another file, in another form.
    """

    examples: frozenset[tuple[str, str]]
    text: str
    """A preamble that was given as a text; empty where the examples are rows."""

    @classmethod
    def of(
        cls, definition: Definition, renderer: Renderer, request: TaskRequest, preamble: str
    ) -> Answered:
        """Read off what the request shows; DataError where a worked example lacks something."""
        if _is_whole(request):
            return cls(frozenset(), f" {_squeezed(preamble)} ")
        plain = replace(request, answer="")
        pairs = (
            example(shot, definition, renderer, plain)
            for shot in worked_examples(definition, request)
        )
        return cls(frozenset((_squeezed(q), _squeezed(a)) for q, a in pairs), "")

    def holds(self, item: Item) -> bool:
        """Whether a question is shown with one of its true options."""
        prompt = _squeezed(item.prompt)
        answers = [_squeezed(item.choices[at]) for at in item.correct]
        if self.text:
            return bool(prompt) and any(f" {prompt} {each} " in self.text for each in answers)
        return any((prompt, each) in self.examples for each in answers)


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def build_preamble(definition: Definition, renderer: Renderer, request: TaskRequest) -> Shown:
    """Return description and worked examples as the request wants them.

    UsageError where more worked examples are asked for than there are.
    """
    if _is_whole(request):
        return Shown(_whole(request))
    shots = worked_examples(definition, request)
    examples = [example(shot, definition, renderer, request) for shot in shots]
    description = _description(definition, request)
    if request.chat:
        return Shown("", _turns(description, examples))
    texts = [
        prompt + definition.target_delimiter + answer + definition.fewshot_delimiter
        for prompt, answer in examples
    ]
    return Shown(description + "".join(texts))


def _turns(description: str, examples: Sequence[tuple[str, str]]) -> tuple[Turn, ...]:
    system = [Turn("system", description.strip())] if description.strip() else []
    pairs = [
        (Turn("user", prompt.strip()), Turn("assistant", answer.strip()))
        for prompt, answer in examples
    ]
    return (*system, *(turn for pair in pairs for turn in pair))


def _is_whole(request: TaskRequest) -> bool:
    return bool(request.shots_file) and Path(str(request.shots_file)).suffix.lower() == ".txt"


def worked_examples(definition: Definition, request: TaskRequest) -> list[Row]:
    """Return the rows that are shown as worked examples; none where a text file replaces them.

    UsageError where more are asked for than there are.
    """
    if _is_whole(request):
        return []
    shots = _shots(definition, request)
    return shots[: _number(definition, request, len(shots))]


def _whole(request: TaskRequest) -> str:
    """Return the preamble that a text file holds."""
    if request.num_fewshot is not None or request.instruction is not None:
        raise UsageError(
            f"{request.shots_file} is the whole preamble: "
            "leave out the instruction and the number of worked examples"
        )
    if request.chat:
        raise UsageError(
            f"{request.shots_file} is plain text: for a chat give worked examples as rows (.jsonl)"
        )
    return read_text(str(request.shots_file))


def _number(definition: Definition, request: TaskRequest, there: int) -> int:
    wanted = _wanted(definition, request, there)
    if wanted > there:
        of = request.shots_file or f"task {definition.name}"
        raise UsageError(
            f"{of} has {there} worked examples, not {wanted}; bring more with a shots file"
            f"{_elsewhere(definition)}"
        )
    return wanted


def _wanted(definition: Definition, request: TaskRequest, there: int) -> int:
    default = there if request.shots_file else definition.num_fewshot
    wanted = default if request.num_fewshot is None else request.num_fewshot
    if wanted < 0:
        raise UsageError(f"the number of worked examples is {wanted}; give 0 or more")
    return wanted


def _elsewhere(definition: Definition) -> str:
    """Say where the worked examples are that lie on the hub."""
    dataset = definition.source.dataset
    if not (dataset and dataset.shots) or dataset.files:
        return ""
    return f" (its own are in {dataset.path}, split {dataset.shots}), or ask for 0"


def _description(definition: Definition, request: TaskRequest) -> str:
    if request.instruction is not None:
        return f"{request.instruction}\n\n" if request.instruction else ""
    return Template.of(definition.description, definition.where("description")).rendered({})


def _shots(definition: Definition, request: TaskRequest) -> list[Row]:
    path = request.shots_file
    dataset = definition.source.dataset
    if not path and dataset and dataset.examples:
        wanted = _wanted(definition, request, 0)
        rows = split_rows(dataset.examples, dataset)
        return list(islice(rows, wanted))
    if not path:
        return _as_rows(definition.samples, definition.where("fewshot_config.samples"))
    if Path(path).suffix.lower() not in {".yaml", ".yml"}:
        return list(data_rows(path))
    listed = parse_yaml_value(read_text(path), path)
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise DataError(f"{path}: worked examples must be a list of rows, `- field: value`")
    return _as_rows(listed, path)


def _as_rows(fields: Sequence[Mapping[str, Any]], origin: str) -> list[Row]:
    return [
        Row(number, f"{origin}, worked example {number + 1}", each)
        for number, each in enumerate(fields)
    ]


def example(
    shot: Row, definition: Definition, renderer: Renderer, request: TaskRequest
) -> tuple[str, str]:
    """Return a worked example's question and answer; DataError where it lacks what they need."""
    try:
        question = renderer.prompt(shot.fields)
        if definition.output_type == WRITES:
            return question, renderer.answers(shot.fields)[0]
        answer = _answer(shot, renderer)
    except DataError:
        raise
    except TaskError as problem:
        raise shot.error(str(problem)) from problem
    if request.answer == "letter":
        return _lettered(question, answer, shot, renderer, request.seed)
    return question, answer


def _lettered(
    question: str, answer: str, shot: Row, renderer: Renderer, seed: int
) -> tuple[str, str]:
    """List the options of a worked example in its question; the answer is the letter."""
    try:
        choices = list(dict.fromkeys(choice.strip() for choice in renderer.choices(shot.fields)))
    except TaskError as problem:
        said = "it has no options, which --answer letter lists; add them, or show none with -f 0"
        raise shot.error(f"{said} ({problem})") from problem
    if answer.strip() not in choices:
        raise shot.error(f"its answer {answer!r} is not among its options")
    order = letter_order(choices, f"{seed}\0{question}")
    ordered = [choices[at] for at in order]
    letter = ascii_uppercase[ordered.index(answer.strip())]
    return listed(question.rstrip(), ordered), letter


def _answer(shot: Row, renderer: Renderer) -> str:
    targets = renderer.targets(shot.fields)
    if not targets:
        raise shot.error("it has no answer")
    if isinstance(targets[0], str):
        return targets[0]
    choices = renderer.choices(shot.fields)
    if not 0 <= targets[0] < len(choices):
        raise shot.error(f"there is no option {targets[0]}, it has {len(choices)}")
    return choices[targets[0]]
