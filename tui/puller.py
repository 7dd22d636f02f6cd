"""Download a model in a process of its own, which can be stopped: `python -m llprobe.tui.puller`.

It prints a JSON object a line: progress as `{"done": bytes, "total": bytes}`, at the end
`{"here": text}` or `{"failed": text}`. A download that is killed leaves nothing that counts as a
model (see `llprobe.fetch`). This module knows that protocol. It does not know where models are.
"""

from __future__ import annotations

import json
import sys

from llprobe.errors import LlprobeError
from llprobe.model import resolve
from llprobe.report.models import size

__all__ = ["main"]


def _say(**said: object) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


def main(ref: str) -> None:
    """Download the model that `ref` stands for, unless it is here."""
    try:
        info = resolve(ref, fetch=True, progress=lambda done, total: _say(done=done, total=total))
    except LlprobeError as problem:
        _say(failed=str(problem))
    else:
        _say(here=f"{info.name} is here: {info.paths[0]} ({size(info.file_bytes)})")


if __name__ == "__main__":
    main(sys.argv[1])
