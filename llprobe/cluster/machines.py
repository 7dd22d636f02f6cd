"""Which machines computed a cell: one as a rule, several where one that died was replaced.

The record that is kept with a cell names them. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["Machines"]


class Machines:
    """The machines and workers that have computed something of each cell."""

    def __init__(self, records: Mapping[str, Mapping[str, str]], here: str) -> None:
        """Begin with what is stored; what names no machine was computed on this one, `here`."""
        self._of = {
            cell: [record.get("host", here), record.get("worker", "")]
            for cell, record in records.items()
        }

    def record(
        self, cell: str, record: Mapping[str, str], host: str, worker: str
    ) -> dict[str, str]:
        """Return a record of a cell that this worker is about to compute."""
        hosts, workers = self._of.get(cell, ["", ""])
        return {**record, "host": _joined(hosts, host), "worker": _joined(workers, worker)}

    def computed(self, cell: str, host: str, worker: str) -> None:
        """Note that this worker computed a part of a cell."""
        hosts, workers = self._of.get(cell, ["", ""])
        self._of[cell] = [_joined(hosts, host), _joined(workers, worker)]


def _joined(names: str, name: str) -> str:
    known = [part for part in names.split(", ") if part]
    return ", ".join(known if name in known else [*known, name])
