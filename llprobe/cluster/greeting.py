"""The first question to a worker that has the Python of here: who it is, and what it has installed.

It travels as the code itself, which another Python could not run: a worker that lacks llprobe could
not look it up, and dask ends workers that are sent what they do not know. This module knows
versions. It does not know what they are compared with.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["introduce"]


def introduce(packages: Sequence[str]) -> tuple[str, dict[str, str], str]:
    """Return the machine's name, the packages' versions there, and why llprobe cannot be used.

    A package that is not there has an empty version.
    """
    import importlib  # noqa: PLC0415 - nothing of this module is there on the other side
    import importlib.metadata  # noqa: PLC0415 - likewise
    import platform  # noqa: PLC0415 - likewise

    there, problem = {}, ""
    for name in packages:
        try:
            there[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            there[name] = ""
    try:
        importlib.import_module("llprobe.cluster.work")
    except ImportError as error:
        problem = str(error)
    return platform.node(), there, problem


# what is of no module that can be imported is pickled whole
introduce.__module__ = "__main__"
