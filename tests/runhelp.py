"""What the tests of the command line share: a run of a tiny model, and where its files lie."""

from pathlib import Path

from clihelp import Cli, tiny_model, write_questions

__all__ = ["ESCAPE", "inputs", "run_cli", "with_run"]

ESCAPE = "\x1b["


def inputs(cli: Cli) -> tuple[Path, Path]:
    """Give where the model and the questions lie."""
    return cli.folder / "tiny.gguf", cli.folder / "q.jsonl"


def run_cli(folder: Path) -> Cli:
    """Give a command line with a tiny model and questions."""
    cli = Cli(folder)
    tiny_model(cli.folder)
    write_questions(cli.folder / "q.jsonl", 6)
    return cli


def with_run(cli: Cli) -> Cli:
    """Give the same command line, a run of two lenses being its last."""
    done = cli.run(*inputs(cli), "--lens", "norm,paper")
    assert done.code == 0, done.err
    assert "stored as run" in done.err
    return cli
