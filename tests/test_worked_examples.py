"""The bundled tasks' worked examples: options that can be listed, of which length tells nothing."""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable

import pytest

from llprobe.task import TaskRequest, load_definition, load_questions, task_names
from llprobe.task.render import Renderer
from llprobe.task.shots import build_preamble

WITH_EXAMPLES = [name for name in task_names() if load_definition(name).samples]
BUNDLED = [name for name in WITH_EXAMPLES if not load_definition(name).needs_data]
PUBLISHED = {"arc": 4, "hellaswag": 4, "lama": 10, "logiqa": 4, "mgsm": 4, "mmlu": 4, "reclor": 4}
"""How many options the questions of the published files have, where that is fixed or most so."""


def options(task: str) -> list[tuple[str, list[str]]]:
    """Return the answer and the options of each worked example, as the task's templates give."""
    definition = load_definition(task)
    renderer = Renderer.of(definition)
    return [(renderer.targets(each)[0], renderer.choices(each)) for each in definition.samples]  # type: ignore[misc]


def test_all_tasks_with_questions_of_their_own_have_worked_examples() -> None:
    assert len(WITH_EXAMPLES) == 16
    assert set(PUBLISHED) | {"truthfulqa"} | set(BUNDLED) == set(WITH_EXAMPLES)


@pytest.mark.parametrize("task", WITH_EXAMPLES)
def test_the_answer_is_one_of_the_options_and_each_is_another(task: str) -> None:
    assert len(options(task)) == load_definition(task).num_fewshot
    for answer, choices in options(task):
        assert choices.count(answer) == 1
        assert len({choice.strip().casefold() for choice in choices}) == len(choices)
        assert all(choice == choice.strip() != "" for choice in choices)


@pytest.mark.parametrize("task", WITH_EXAMPLES)
def test_there_are_as_many_options_as_the_questions_have(task: str) -> None:
    there = {len(choices) for _, choices in options(task)}
    if task in BUNDLED:
        # Of several true options the best alone is shown.
        items = load_questions(TaskRequest(task)).items
        rivals = {len(item.choices) - len(item.correct) for item in items}
        assert there <= {1 + count for count in rivals}
    elif task in PUBLISHED:
        assert there == {PUBLISHED[task]}
    else:
        assert min(there) >= 3


@pytest.mark.parametrize("most", [min, max])
@pytest.mark.parametrize("task", WITH_EXAMPLES)
def test_neither_the_shortest_nor_the_longest_option_is_right_most_of_the_time(
    task: str, most: Callable[[Iterable[int]], int]
) -> None:
    right = 0.0
    for answer, choices in options(task):
        lengths = [len(choice) for choice in choices]
        end = most(lengths)
        right += (len(answer) == end) / lengths.count(end)
    assert right <= len(options(task)) / 2


@pytest.mark.parametrize("task", WITH_EXAMPLES)
def test_places_are_spread(task: str) -> None:
    places = [choices.index(answer) for answer, choices in options(task)]
    assert len(set(places)) == min(len(places), 4) or len(set(places)) >= 3


@pytest.mark.parametrize("task", WITH_EXAMPLES)
def test_letters_can_be_shown(task: str) -> None:
    definition = load_definition(task)
    request = TaskRequest(task, answer="letter")
    shown = build_preamble(definition, Renderer.of(definition), request).preamble
    examples = shown.split("\n\n")[1:-1]
    assert len(examples) == len(definition.samples)
    for text, (answer, choices) in zip(examples, options(task), strict=True):
        letter = text[-1]
        assert f"\n{letter}. {answer}\n" in text
        for mark, _ in zip(string.ascii_uppercase, choices, strict=False):
            assert text.count(f"\n{mark}. ") == 1


@pytest.mark.parametrize("task", WITH_EXAMPLES)
def test_options_change_nothing_where_only_answers_are_shown(task: str) -> None:
    shown = load_definition(task)
    renderer = Renderer.of(shown)
    text = build_preamble(shown, renderer, TaskRequest(task)).preamble
    expected = shown.description
    for row in shown.samples:
        expected += f"{renderer.prompt(row)} {row['answer']}\n\n"
    assert text == expected


@pytest.mark.parametrize("task", WITH_EXAMPLES)
def test_a_written_answer_ends_at_the_line_and_is_long_enough(task: str) -> None:
    definition = load_definition(task)
    assert definition.writing.stop == ("\n",)
    assert not definition.notes  # which would say that something of the file is ignored
    longest = max(len(answer) for answer, _ in options(task))
    assert definition.writing.max_tokens >= 16
    assert longest <= 4 * definition.writing.max_tokens


@pytest.mark.parametrize("task", BUNDLED)
def test_facets_name_the_parts_of_every_group(task: str) -> None:
    definition = load_definition(task)
    groups = {item.group for item in load_questions(TaskRequest(task)).items}
    assert definition.facets
    assert {len(group.split("/")) for group in groups} == {len(definition.facets)}
