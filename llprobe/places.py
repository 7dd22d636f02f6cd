"""Where a cell was computed: in one place as a rule, in several where it went on elsewhere.

The record that is kept with a cell names machines and workers of a cluster, and RPC servers. This
module knows records. It does not know when one is kept. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["continued", "is_placed"]

_NAMES: Final = ("host", "worker", "rpc_servers")


def is_placed(record: Mapping[str, str]) -> bool:
    """Whether a record says where it was; one of this machine alone does not."""
    return any(name in record for name in _NAMES)


def continued(before: Mapping[str, str], now: Mapping[str, str], here: str) -> dict[str, str]:
    """Return the record `now` of a cell that was begun with the record `before`: each place once.

    What names no machine was computed on this one, `here`.
    """
    known = {"host": here, **before}
    places = {name: _joined(known.get(name, ""), now[name]) for name in _NAMES if name in now}
    return {**now, **places}


def _joined(first: str, more: str) -> str:
    names = [*first.split(", "), *more.split(", ")]
    return ", ".join(dict.fromkeys(filter(None, names)))
