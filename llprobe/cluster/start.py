"""Which start of a worker's process it is that has an order: its address and its scratch folder.

A nanny starts a killed worker again under its name, perhaps at its port, and dask would then run
once more what it had there; each start has a folder of its own. This module knows dask's worker. It
does not know what is computed.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from llprobe.cluster import work
from llprobe.cluster.orders import Outcome

__all__ = ["named", "score_at"]


def named(address: str, folder: str) -> str:
    """Return what names one start of a worker at this address with this scratch folder."""
    return f"{address} {folder}"


def score_at(start: str, data: bytes) -> Outcome:
    """Compute a packed order, on the worker that it was given to and no later start of it.

    Raises ConnectionError there: what it was given to is gone.
    """
    dask: Any = import_module("distributed")
    folder = str(dask.get_worker().local_directory)
    if start.partition(" ")[2] != folder:
        raise ConnectionError("the worker was started anew")
    return work.score(data)
