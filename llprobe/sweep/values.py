"""Single values of a sweep, as they come from YAML: checked, and in the form `SweepSpec` has.

Each function raises UsageError that says what is wrong with the value. It does not know where the
value stands; who calls puts the file and line, or the option, before that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from gguf.constants import LlamaFileType

from llprobe.ablation import parse_ablation
from llprobe.catalog import parse_ref
from llprobe.errors import UnknownName, UsageError
from llprobe.settings import LENSES
from llprobe.task import ANSWERS
from llprobe.task.yamlfile import shown

__all__ = [
    "DEFAULT",
    "ablation",
    "answer",
    "flag",
    "is_pattern",
    "layers",
    "lens",
    "limit",
    "model",
    "number",
    "path",
    "pattern",
    "quant",
    "seed",
    "setting",
    "shots",
    "sweep_name",
    "task",
    "text",
    "twice",
]

DEFAULT: Final = "default"
"""How the task's own number of worked examples, or way to answer, is written."""

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_LAYERS: Final = re.compile(r"-?[0-9]+(--?[0-9]+)?")
_QUANTS: Final = {
    str(kind.name.removeprefix("MOSTLY_").removeprefix("ALL_")) for kind in LlamaFileType
} - {"GUESSED"}
_MADE: Final = re.compile(r".+\.gguf:\w+", re.IGNORECASE)
_TASK_FILES: Final = (".yaml", ".yml")


def text(value: Any) -> str:
    """Return a text that is not blank."""
    if not isinstance(value, str):
        hint = "put it in quotes" if isinstance(value, int | float) else "write one text"
        raise UsageError(f"must be a text, not {shown(value)}; {hint}")
    if not value.strip():
        raise UsageError("is empty")
    return value


def flag(value: Any) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        raise UsageError(f"must be true or false, not {shown(value)}")
    return value


def number(value: Any, least: int | None = None, *, other: str = "") -> int:
    """Return a whole number, `least` or more; `other` says what else may stand there."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or (least is not None and value < least):
        bound = "" if least is None else f", {least} or more"
        raise UsageError(f"must be a whole number{bound}{other}, not {shown(value)}")
    return int(value)


def limit(value: Any) -> int:
    """Return a number of questions."""
    return number(value, 1)


def seed(value: Any) -> int:
    """Return a seed of generated questions."""
    return number(value)


def shots(value: Any) -> int | None:
    """Return a number of worked examples, None for the task's own."""
    if value is None or value == DEFAULT:
        return None
    return number(value, 0, other=f", or {DEFAULT}")


def answer(value: Any) -> str:
    """Return a way to answer, empty for the task's own."""
    if value is None or value == DEFAULT:
        return ""
    return _one_of("answer format", value, ANSWERS, f"({DEFAULT}: the task's own)")


def lens(value: Any) -> str:
    """Return a lens."""
    return _one_of("lens", value, LENSES)


def quant(value: Any) -> str:
    """Return a type to quantise to, in upper case."""
    return _one_of("quant type", text(value).upper(), _QUANTS)


def _one_of(kind: str, value: Any, known: Iterable[str], hint: str = "") -> str:
    if text(value) not in known:
        raise UnknownName(kind, value, known, hint)
    return str(value)


def ablation(value: Any) -> str:
    """Return an ablation in its tidy form."""
    if isinstance(value, dict):
        raise UsageError(f"must be a text like skip:7, without a space, not {shown(value)}")
    return parse_ablation(text(value)).text


def sweep_name(value: Any) -> str:
    """Return a sweep's name."""
    if not _NAME.fullmatch(text(value)):
        raise UsageError(
            f"{shown(value)} is no name; use at most 64 letters (a to z), digits, _ - and ., "
            "none of the last two first"
        )
    if value == "last":
        raise UsageError("last is the newest run's name; choose another")
    return str(value)


def layers(value: Any) -> str | None:
    """Return layers as `settings.parse_layers` takes them; None for all."""
    parts = value if isinstance(value, list) else [value]
    tidy = [each.strip() for part in parts for each in str(part).split(",")]
    if tidy == ["all"]:
        return None
    if not all(_LAYERS.fullmatch(part) for part in tidy):
        raise UsageError(f"must be like 1-30, [10, 20, -1] or all, not {shown(value)}")
    return ",".join(tidy)


def path(value: Any, folder: Path) -> str:
    """Return an absolute path; a relative one lies in `folder`, which is absolute."""
    try:
        return str(folder / Path(text(value)).expanduser())
    except RuntimeError as problem:
        raise UsageError(f"{value}: there is no such home folder") from problem


def task(value: Any, folder: Path) -> str:
    """Return a task's, group's or tag's name, or the absolute path of a YAML file."""
    is_file = Path(text(value)).suffix.lower() in _TASK_FILES
    return path(value, folder) if is_file else str(value)


def model(value: Any, folder: Path) -> str:
    """Return a model's name or hub reference, or an absolute path or pattern."""
    name = text(value)
    if name.startswith("~") or is_pattern(name) or _MADE.fullmatch(name):
        return path(name, folder)
    return path(name, folder) if isinstance(parse_ref(name), Path) else name


def is_pattern(name: str) -> bool:
    """Whether a model's name is a pattern of paths: it holds `*`, `?` or `[`."""
    return not name.startswith("hf:") and any(char in name for char in "*?[")


def setting(value: Any) -> str:
    """Return a value of a task's setting as it is typed after `--set NAME=`."""
    if isinstance(value, list):
        return ",".join(_in_list(setting(part)) for part in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, str | int | float):
        raise UsageError(f"must be a text, a number or a list of such, not {shown(value)}")
    return str(value)


def _in_list(part: str) -> str:
    if "," in part:
        raise UsageError(f"{part!r} in a list may hold no comma")
    return part


def pattern(value: Any) -> str:
    """Return a pattern of an exclusion: a text, a number, or null for `default`."""
    if isinstance(value, bool) or not isinstance(value, str | int | None):
        raise UsageError(f"must be a text or a whole number, not {shown(value)}; put quotes")
    return DEFAULT if value is None else str(value)


def twice(values: Iterable[Any]) -> None:
    """Refuse values of which one is there twice."""
    seen: list[Any] = []
    for value in values:
        if value in seen:
            raise UsageError(f"{_called(value)} is given twice; give it once")
        seen.append(value)


def _called(value: Any) -> str:
    if value is None or value == "":
        return DEFAULT
    return str(getattr(value, "name", value))
