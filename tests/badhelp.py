"""What the tests of bad input share: a command line with one stored run, and all that it stored."""

import sqlite3
from pathlib import Path

from clihelp import Cli, tiny_model, write_questions


def prepared(folder: Path) -> Cli:
    """Give a command line with a model, questions and one stored run."""
    cli = Cli(folder)
    tiny_model(cli.folder)
    write_questions(cli.folder / "q.jsonl", 6)
    assert cli.run(model(cli), questions(cli)).code == 0
    return cli


def every_score(db: Path) -> dict[tuple[str, int], bytes]:
    """Give the bits of every stored log-prob, of whatever run, by cell and item."""
    with sqlite3.connect(db) as reader:
        rows = reader.execute("SELECT cell, idx, logprob FROM scores").fetchall()
    reader.close()
    return {(cell, index): blob for cell, index, blob in rows}


def model(cli: Cli) -> Path:
    """Give the model of a prepared command line."""
    return cli.folder / "tiny.gguf"


def questions(cli: Cli) -> Path:
    """Give the questions of a prepared command line."""
    return cli.folder / "q.jsonl"
