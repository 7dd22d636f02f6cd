"""lm-evaluation-harness' other keys: which are ignored without harm, and which cannot be.

A key is ignored where it decides neither a prompt nor an option nor an answer; that is told in
a note. A key that would run Python, or change what is asked in a way that llprobe does not have,
is refused with what to do instead. Knows nothing of what the other keys mean.
"""

from __future__ import annotations

from collections.abc import Iterator

from llprobe.errors import TaskError
from llprobe.task.yamlfile import Section, shown

__all__ = ["HARNESS_KEYS", "notes", "refusals", "tags"]

_SCORING = (
    "metric_list",
    "aggregation",
    "higher_is_better",
    "filter_list",
    "repeats",
    "should_decontaminate",
    "doc_to_decontamination_query",
)
_PYTHON = "it runs Python, which llprobe does not; "
_REFUSED = {
    "process_docs": _PYTHON + "write the data file as it makes it, or use jinja",
    "process_results": _PYTHON + "llprobe scores MC1 to MC3 itself",
    "custom_dataset": _PYTHON + "name a data file under dataset_kwargs",
    "class": _PYTHON + "write the task as templates",
    "unsafe_code": _PYTHON + "leave it out",
    "use_prompt": "llprobe has no promptsource; write the prompt as doc_to_text",
    "gen_prefix": "write it at the end of doc_to_text",
    "doc_to_image": "llprobe reads text only",
    "doc_to_audio": "llprobe reads text only",
}
HARNESS_KEYS = (
    "tag",
    "group",
    "task_alias",
    "include",
    "dataset_path",
    "dataset_name",
    "dataset_kwargs",
    "training_split",
    "validation_split",
    "test_split",
    "fewshot_split",
    *_SCORING,
    *_REFUSED,
)
"""The harness' keys that say something of a task beside its templates and worked examples."""


def refusals(top: Section) -> Iterator[TaskError]:
    """Yield an error for each key that is set to something and cannot be passed over."""
    for section in (top, top.sections.get("fewshot_config")):
        for key, advice in _REFUSED.items():
            if section and key in section.values and section.values[key]:
                yield section.error(key, f"is refused: {advice}")


def notes(top: Section) -> tuple[str, ...]:
    """Return the sentence that lists what was ignored; nothing where nothing was."""
    ignored = [key for key in _SCORING if top.values.get(key)]
    if not ignored:
        return ()
    return (f"ignored, since llprobe scores in its own way: {', '.join(ignored)}",)


def tags(top: Section) -> tuple[str, ...]:
    """Return a task's tags; older files name them under `group`. TaskError for other than texts."""
    named = [name for key in ("tag", "group") for name in _names(top, key)]
    return tuple(dict.fromkeys(named))


def _names(top: Section, key: str) -> list[str]:
    value = top.get(key, [])
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        raise top.error(key, f"must be a name or a list of names, not {shown(value)}")
    return listed
