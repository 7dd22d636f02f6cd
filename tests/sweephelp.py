"""What the tests of `llprobe sweep` share: a small sweep's file, its folder, and its errors."""

import time
from collections.abc import Callable
from pathlib import Path

from clihelp import Cli, Done, tiny_model, write_questions

__all__ = ["N_ITEMS", "SECONDS", "is_one_error", "sweep_cli", "until", "write_sweep"]

SECONDS = 60
N_ITEMS = 6


def write_sweep(cli: Cli, name: str = "first", *, models: str = "tiny.gguf", **more: str) -> Path:
    """Write a sweep's file: models by their names in its folder, the task `prompts`, one thread."""
    path = cli.folder / f"{name}.yaml"
    keys = {"name": name, "models": f"[{models}]", "tasks": "[prompts]", "data": "q.jsonl"}
    lines = (keys | {"engine": "{threads: 1, batch: 16}"} | more).items()
    path.write_text("".join(f"{key}: {value}\n" for key, value in lines))
    return path


def sweep_cli(folder: Path) -> Cli:
    """Give a command line with a tiny model and questions, nothing being run yet."""
    cli = Cli(folder)
    tiny_model(cli.folder)
    write_questions(cli.folder / "q.jsonl", N_ITEMS)
    return cli


def is_one_error(ended: Done, said: str, code: int = 2) -> None:
    """Check that a command printed that error and nothing else."""
    assert (ended.code, ended.out) == (code, "")
    assert ended.line == ended.err.strip()
    assert said in ended.line


def until(said: Callable[[], bool]) -> None:
    """Wait for what another process does."""
    end = time.monotonic() + SECONDS
    while not said():
        assert time.monotonic() < end, "it never comes"
        time.sleep(0.02)
