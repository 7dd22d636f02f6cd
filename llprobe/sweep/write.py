"""`SweepSpec` -> its YAML text, which gives the same sweep back wherever it is read.

It knows the form of the file, not what is in the models and tasks that it names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import fields
from typing import Any, Final

import yaml

from llprobe.errors import UsageError
from llprobe.sweep.engine import engine_keys
from llprobe.sweep.parse import KEYS, parse_sweep
from llprobe.sweep.spec import ModelEntry, SweepSpec
from llprobe.sweep.values import DEFAULT

__all__ = ["to_yaml"]

_DEFAULTS: Final = SweepSpec("", (), ())
_WHOLE: Final = re.compile(r"0|-?[1-9][0-9]{0,17}")
_FIELDS: Final = {"set": "settings"}
"""Fields of `SweepSpec` that are called otherwise than their keys."""


def to_yaml(spec: SweepSpec) -> str:
    """Return a sweep as YAML, without the keys that have their default.

    Raises TaskError, naming the key, for a value that no file may have, and UsageError for a
    sweep whose file would not give it back, like one with relative paths.
    """
    given = {key: getattr(spec, _FIELDS.get(key, key)) for key in KEYS}
    text = "".join(
        _lines(key, _plain(key, value))
        for key, value in given.items()
        if value != getattr(_DEFAULTS, _FIELDS.get(key, key))
    )
    back = parse_sweep(text, "this sweep")
    lost = [
        each.name for each in fields(spec) if getattr(spec, each.name) != getattr(back, each.name)
    ]
    if lost:
        raise UsageError(f"a file cannot say this sweep's {', '.join(lost)} as given")
    return text


def _lines(key: str, value: Any) -> str:
    # Names and paths are long and have a line each; what else is a list stands in one.
    flow = None if isinstance(value, list | dict) and key not in {"models", "tasks"} else False
    text = _dumped(key, value, flow, allow_unicode=True)
    # PyYAML writes these as they are, and reads them as something else.
    odd = any(char in text for char in "\x85\u2028\u2029")
    return _dumped(key, value, flow, allow_unicode=False) if odd else text


def _dumped(key: str, value: Any, flow: bool | None, *, allow_unicode: bool) -> str:
    written: str = yaml.safe_dump(
        {key: value},
        default_flow_style=flow,
        allow_unicode=allow_unicode,
        sort_keys=False,
        width=1000,
    )
    return written


def _plain(key: str, value: Any) -> Any:
    """Return a field's value as YAML has it."""
    match key:
        case "models":
            return [_model(each) for each in value]
        case "shots" | "answers":
            return [DEFAULT if each in {None, ""} else each for each in value]
        case "set":
            return _mapping(value)
        case "engine":
            return engine_keys(value)
        case "exclude":
            return [_mapping(each.patterns) for each in value]
        case _:
            return list(value) if isinstance(value, tuple) else value


def _model(entry: ModelEntry) -> str | dict[str, Any]:
    if not entry.quantize:
        return entry.name
    keep = {} if entry.keep else {"keep": False}
    return {"model": entry.name, "quantize": list(entry.quantize)} | keep


def _mapping(pairs: Iterable[tuple[str, str]]) -> dict[str, int | str]:
    """Return pairs with numbers as numbers, which need no quotes."""
    return {name: int(value) if _WHOLE.fullmatch(value) else value for name, value in pairs}
