"""Download in a process of its own, which can be stopped: `python -m llprobe.tui.puller KIND NAME`.

KIND is `model`, or `task` for the published questions of one. It prints a JSON object a line:
progress as `{"done": bytes, "total": bytes}`, at the end `{"here": text}` or `{"failed": text}`. A
download that is killed leaves nothing that counts as a model or as a task's data (see
`llprobe.fetch`). This module knows that protocol. It does not know where models and tasks are.
"""

from __future__ import annotations

import json
import sys

from llprobe.errors import LlprobeError
from llprobe.model import resolve
from llprobe.report.models import size
from llprobe.task import library

__all__ = ["main"]


def _say(**said: object) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


def _progress(done: int, total: int) -> None:
    _say(done=done, total=total)


def _model(ref: str) -> str:
    info = resolve(ref, fetch=True, progress=_progress)
    return f"{info.name} is here: {info.paths[0]} ({size(info.file_bytes)})"


def _task(name: str) -> str:
    return f"{name} is here: {library.pull(name, _progress)}"


def main(kind: str, name: str) -> None:
    """Download a model, or a task's questions, unless they are here."""
    pull = {"model": _model, "task": _task}[kind]
    try:
        _say(here=pull(name))
    except LlprobeError as problem:
        _say(failed=str(problem))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
