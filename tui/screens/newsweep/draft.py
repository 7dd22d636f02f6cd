"""A sweep while it is being written: YAML, the values of its keys, and what stands in a form.

    text of a file <-> values by key (`Draft`) <-> what is typed into a field

A draft may have mistakes; `checked` names them. Fields hold what stands in the file, less the outer
brackets, so that a form can say all that a file can. This module knows no widget, and looks up
neither models nor tasks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from llprobe.catalog import default_model
from llprobe.errors import LlprobeError, TaskError, UsageError
from llprobe.sweep import SweepSpec, gather_sweep, to_yaml
from llprobe.sweep.parse import KEYS

__all__ = [
    "ORIGIN",
    "Checked",
    "Draft",
    "checked",
    "differ",
    "draft_of",
    "edited",
    "first_draft",
    "ladder",
    "names_of",
    "text_of",
    "toggled",
    "typed_of",
    "value_of",
    "with_ladder",
]

Draft = dict[str, Any]
"""Plain values by key of the file, as YAML has them."""

ORIGIN: Final = "this sweep"
"""What messages call the text; relative paths in it begin at the working folder."""

_LISTS: Final = frozenset({"models", "tasks", "lenses", "shots", "answers", "seeds", "ablations"})
_LISTED: Final = _LISTS | {"exclude", "quantize"}
_MAPPED: Final = frozenset({"set", "engine"})
_TEXTS: Final = frozenset({"name", "data", "shots_file", "instruction"})
_FIRST: Final = "first"
_QUOTE: Final = '"'


@dataclass(frozen=True)
class Checked:
    """A text, and what it comes to."""

    text: str
    spec: SweepSpec | None
    """The sweep; None where the text has mistakes."""
    draft: Draft
    """The values of its keys as far as they can be read."""
    mistakes: tuple[str, ...]
    """A sentence each, with line and key."""


def first_draft(taken: Iterable[str] = ()) -> Draft:
    """Return the sweep that a newcomer runs first; its name is none of those `taken`."""
    used = set(taken)
    numbered = (f"{_FIRST}-{n}" for n in range(2, len(used) + 3))
    name = next(each for each in (_FIRST, *numbered) if each not in used)
    return {"name": name, "models": [default_model()], "tasks": ["facts"], "limit": 20}


def checked(text: str) -> Checked:
    """Return what a text comes to, with every mistake in it."""
    found: list[TaskError] = []
    try:
        spec = gather_sweep(text, ORIGIN, found)
    except LlprobeError as problem:
        return Checked(text, None, {}, (_short(problem),))
    values = yaml.safe_load(text)
    draft = {str(k): v for k, v in values.items() if v is not None}
    mistakes = [_short(each) for each in found]
    if not spec.name and "name" not in draft:
        mistakes.insert(0, "name: the key is missing; write e.g. name: first")
    return Checked(text, None if mistakes else spec, draft, tuple(mistakes))


def _short(problem: LlprobeError) -> str:
    """Leave out where the text is from: it stands beside the message."""
    return str(problem).removeprefix(f"{ORIGIN}, ").removeprefix(f"{ORIGIN}: ")


def draft_of(spec: SweepSpec) -> Draft:
    """Return a sweep as a draft."""
    return dict(yaml.safe_load(to_yaml(spec)))


def text_of(draft: Mapping[str, Any]) -> str:
    """Return a draft as a file: the tidy one of its sweep, or as it is where it has mistakes."""
    keys = sorted(draft, key=lambda key: KEYS.index(key) if key in KEYS else len(KEYS))
    raw = "".join(_lines(key, draft[key]) for key in keys)
    found = checked(raw)
    if found.spec is None:
        return raw
    try:
        return to_yaml(found.spec)
    except (TaskError, UsageError):  # what it cannot say in its tidy form stays as it was typed
        return raw


def _lines(key: str, value: Any) -> str:
    long = key in {"models", "tasks"} or not isinstance(value, list | dict)
    flow = False if long else None
    dumped: str = yaml.safe_dump(
        {key: value}, default_flow_style=flow, allow_unicode=True, sort_keys=False, width=1000
    )
    return dumped


# --- fields ------------------------------------------------------------------------------------


def typed_of(key: str, value: Any) -> str:
    """Return what stands in the field of a key; empty where it has no value."""
    if value is None:
        return ""
    if key in _TEXTS:
        text = str(value)
        return text if _is_plain(text) else json.dumps(text, ensure_ascii=False)
    several = value if isinstance(value, list) or key not in _LISTED else [value]
    if not isinstance(several, list | dict):
        return str(several).lower() if isinstance(several, bool) else str(several)
    dumped: str = yaml.safe_dump(
        several, default_flow_style=True, allow_unicode=True, sort_keys=False, width=100_000
    )
    plain = ", ".join(map(str, several)) if isinstance(several, list) else ""
    # with quotes only where it would be read as something else without them
    return plain if plain and value_of(key, plain) == several else dumped.strip()[1:-1]


def value_of(key: str, typed: str) -> Any:
    """Return the value of a key that was typed into its field; None where nothing was.

    What is no YAML is kept as it was typed, for `checked` to say what is wrong with it.
    """
    text = typed.strip()
    if not text:
        return None
    if key in _TEXTS:
        return _plain(text, text) if text.startswith(_QUOTE) else text
    if key in _LISTED:
        return _list(text)
    return _plain("{" + text + "}" if key in _MAPPED else text, text)


def _is_plain(text: str) -> bool:
    """Whether a text stands in its field as it is: neither empty nor of several lines."""
    return text.isprintable() and text == text.strip() != "" and not text.startswith(_QUOTE)


def _list(text: str) -> list[Any]:
    found = _plain(f"[{text}]", None)
    if isinstance(found, list):
        return found
    if any(char in text for char in "[]{}\"'"):
        return [text]
    return [part.strip() for part in text.split(",") if part.strip()]  # patterns, like *.gguf


def _plain(text: str, otherwise: Any) -> Any:
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return otherwise


# --- models and tasks --------------------------------------------------------------------------


def _entries(draft: Mapping[str, Any], key: str) -> list[Any]:
    value = draft.get(key)
    return [] if value is None else list(_several(value))


def _name(entry: Any) -> str:
    return str(entry.get("model", "") if isinstance(entry, dict) else entry)


def names_of(draft: Mapping[str, Any], key: str) -> list[str]:
    """Return the names under `models` or `tasks`."""
    return [_name(entry) for entry in _entries(draft, key)]


def toggled(draft: Draft, key: str, name: str) -> Draft:
    """Return a draft with a model, a task, or any value of a list taken in, or left out again.

    A model that comes to others gets the quants that all of those have.
    """
    entries = _entries(draft, key)
    left = [entry for entry in entries if _name(entry) != name]
    if len(left) == len(entries):
        quants, keep = ladder(draft) if key == "models" else ("", True)
        left.append(_laddered(name, value_of("quantize", quants), keep=keep))
    return _having(draft, key, left)


def ladder(draft: Mapping[str, Any]) -> tuple[str, bool]:
    """Return the quants that all models have, as they are typed, and whether all are kept.

    The quants are empty where models differ in them.
    """
    entries = _entries(draft, "models")
    found = {typed_of("quantize", _quants(entry)) for entry in entries}
    kept = all(entry.get("keep") is not False for entry in entries if isinstance(entry, dict))
    return found.pop() if len(found) == 1 else "", kept


def differ(draft: Mapping[str, Any]) -> bool:
    """Whether models have different quants made of them, which only their own line can say."""
    return len({typed_of("quantize", _quants(each)) for each in _entries(draft, "models")}) > 1


def _quants(entry: Any) -> Any:
    return entry.get("quantize") if isinstance(entry, dict) else None


def with_ladder(draft: Draft, typed: str, *, keep: bool) -> Draft:
    """Return a draft whose models all have these quants made of them."""
    quants = value_of("quantize", typed)
    entries = [_laddered(name, quants, keep=keep) for name in names_of(draft, "models")]
    return _having(draft, "models", entries)


def edited(draft: Draft, key: str, value: Any) -> Draft:
    """Return a draft after a field was edited; quants are said of every model."""
    _, keep = ladder(draft)
    match key:
        case "quantize":
            return with_ladder(draft, typed_of(key, value), keep=keep)
        case "keep":
            entries = [_kept(each, keep=value is not False) for each in _entries(draft, "models")]
            return _having(draft, "models", entries)
        case "instruction" if value == "":
            return draft | {key: value}  # none at all, instead of the task's own
        case _:
            return _having(draft, key, value)


def _kept(entry: Any, *, keep: bool) -> Any:
    quants = _quants(entry)
    return _laddered(_name(entry), _several(quants), keep=keep) if quants else entry


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _laddered(name: str, quants: Any, *, keep: bool) -> Any:
    if not quants:
        return name
    return {"model": name, "quantize": list(quants)} | ({} if keep else {"keep": False})


def _having(draft: Draft, key: str, value: Any) -> Draft:
    """Return a draft with another value of a key, without the key where there is none."""
    rest = {k: v for k, v in draft.items() if k != key}
    nothing = value is None or value is False or value in ([], {}, "")  # 0 is something
    return rest if nothing else rest | {key: value}
