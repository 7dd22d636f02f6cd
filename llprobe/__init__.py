"""Probe GGUF LLaMA models layer by layer, on a laptop, offline.

    import llprobe

    with llprobe.open_model("smollm2-135m") as model:
        logprob = model.option_logprobs("The capital of France is", [" Paris", " Rome"])

    run = llprobe.read_run("last")
    run.frame()                    # a pandas DataFrame, a row per item, option and layer
    run.cells[0].curve().accuracy  # MC1 by layer

Everything that the command line does is done by this package; see the README.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llprobe.analysis import Curve
    from llprobe.api import (
        OpenModel,
        Scores,
        StoredCell,
        StoredRun,
        curves_frame,
        items_frame,
        open_model,
        read_run,
    )
    from llprobe.errors import (
        DataError,
        FetchError,
        LlprobeError,
        ModelError,
        ModelFileError,
        ModelNotSupported,
        ModelTooLarge,
        RunError,
        StoreError,
        TaskError,
        UnknownName,
        UsageError,
    )
    from llprobe.settings import EngineSettings
    from llprobe.task import Item, Questions, TaskRequest, load_questions, task_names

__all__ = [
    "Curve",
    "DataError",
    "EngineSettings",
    "FetchError",
    "Item",
    "LlprobeError",
    "ModelError",
    "ModelFileError",
    "ModelNotSupported",
    "ModelTooLarge",
    "OpenModel",
    "Questions",
    "RunError",
    "Scores",
    "StoreError",
    "StoredCell",
    "StoredRun",
    "TaskError",
    "TaskRequest",
    "UnknownName",
    "UsageError",
    "curves_frame",
    "items_frame",
    "load_questions",
    "open_model",
    "read_run",
    "task_names",
]

_MODULES = ("errors", "settings", "task", "analysis", "api")
"""Where these names are, the ones that take little to import first."""


def __getattr__(name: str) -> Any:
    """Import a name when it is asked for: the command line hears Ctrl-C before that."""
    if name in __all__:
        for module in (import_module(f"llprobe.{each}") for each in _MODULES):
            if name in module.__all__:
                return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
