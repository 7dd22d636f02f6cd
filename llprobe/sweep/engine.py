"""The `engine` section of a sweep's file <-> `EngineSettings`.

It knows the keys' names, not what the settings do.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, Final

from llprobe.errors import TaskError, UsageError
from llprobe.rpc import parse_servers
from llprobe.settings import EngineSettings
from llprobe.sweep.values import flag, number, text
from llprobe.task.gather import Gatherer
from llprobe.task.yamlfile import Section

__all__ = ["engine_keys", "gather_engine"]

_DEFAULTS: Final = EngineSettings()
_FIELDS: Final = {each.name.removeprefix("n_"): each.name for each in fields(EngineSettings)}
"""The settings' names in `EngineSettings`, by their keys."""


def gather_engine(own: Section, found: list[TaskError]) -> EngineSettings:
    """Return the settings of a section; its mistakes are added to `found`."""
    keep = Gatherer(found)
    found.extend(own.unknown(("reference", *_FIELDS, "rpc")))
    reference = keep(lambda: _flag(own, "reference"), otherwise=False)
    chosen = _DEFAULTS.reference() if reference else _DEFAULTS
    for key, name in _FIELDS.items():
        chosen = _with(chosen, own, key, name, keep)
    return keep(lambda: chosen.using(_servers(own)), chosen)


def _with(
    chosen: EngineSettings, own: Section, key: str, name: str, keep: Gatherer
) -> EngineSettings:
    if not own.has(key):
        return chosen
    return keep(lambda: replace(chosen, **{name: _value(own, key, name)}), chosen)


def _value(own: Section, key: str, name: str) -> Any:
    """Return a value that the engine takes, by itself."""
    if isinstance(getattr(_DEFAULTS, name), bool):
        return _flag(own, key)
    try:
        value = number(own.get(key))
        alone: dict[str, Any] = {name: value}
        EngineSettings(**alone)  # refuses what llama.cpp would abort on
    except UsageError as problem:
        raise own.error(key, _without_option(str(problem))) from problem
    return value


def _servers(own: Section) -> tuple[str, ...]:
    """Return the RPC servers: a list of addresses, or a text with commas."""
    given = own.get("rpc")
    try:
        if given is None:
            return ()
        return parse_servers(given if isinstance(given, str) else [text(each) for each in given])
    except TypeError as problem:
        raise own.error("rpc", "must be a list of HOST:PORT") from problem
    except UsageError as problem:
        raise own.error("rpc", str(problem).removeprefix("--rpc ")) from problem


def _flag(own: Section, key: str) -> bool:
    try:
        return flag(own.get(key, False))
    except UsageError as problem:
        raise own.error(key, str(problem)) from problem


def _without_option(said: str) -> str:
    """Leave out the command's option that a setting's message begins with (`-b 1: ...`)."""
    return said.partition(": ")[2] if said.startswith("-") else said


def engine_keys(settings: EngineSettings) -> dict[str, Any]:
    """Return the keys of settings that are not the default, as `gather_engine` reads them."""
    reference = settings == settings.reference()
    base = _DEFAULTS.reference() if reference else _DEFAULTS
    keys: dict[str, Any] = {"reference": True} if reference else {}
    given = {key: getattr(settings, name) for key, name in _FIELDS.items()}
    servers = {"rpc": list(settings.servers)} if settings.servers else {}
    keys |= servers
    return keys | {k: value for k, value in given.items() if value != getattr(base, _FIELDS[k])}
