"""Makes the database that `llprobe tui --demo` opens, from one of the sweep of docs/example.

    python tests/makedemo.py example.db tui/demo.db

What is left: one lens, six tasks, the model as it is shipped and its smallest quant, and of each
task some of its questions, spread over it. Ids stay those of the whole sweep; folders of the
machine that computed it are left out.
"""

import json
import shutil
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

MODELS: Final = ("smollm2-135m", "smollm2-135m:Q2_K")
LENS: Final = "norm"
TASKS: Final = ("facts", "calculation", "mps_cal", "mps_rea", "truth", "logic")
ITEMS: Final = 12
COMMAND: Final = "llprobe sweep run docs/example/sweep.yaml"

_SPEC: Final = f"""\
name: example
models:
- model: smollm2-135m
  quantize: [Q2_K]
tasks: [{", ".join(TASKS)}]
lenses: [{LENS}]
limit: {ITEMS}
"""


def make(source: Path, target: Path, n_items: int = ITEMS) -> None:
    """Write a small copy of `source` to `target`, which is overwritten."""
    shutil.copyfile(source, target)
    db = sqlite3.connect(target, isolation_level=None)
    db.execute("PRAGMA journal_mode = DELETE")  # one file, no log beside it
    db.execute("PRAGMA foreign_keys = ON")
    db.execute("BEGIN")
    _drop_cells(db)
    for (questions,) in db.execute("SELECT hash FROM questions").fetchall():
        _thin(db, questions, n_items)
    for (cell,) in db.execute("SELECT id FROM cells").fetchall():
        _count_again(db, cell)
    _tidy(db)
    db.execute("COMMIT")
    db.execute("PRAGMA page_size = 1024")  # rows are small, and so is less of a page empty
    db.execute("VACUUM")
    db.close()


def _drop_cells(db: sqlite3.Connection) -> None:
    """Forget the cells of other models, tasks and lenses."""
    found = db.execute(
        "SELECT c.id, c.model, q.task, c.lens FROM cells c JOIN questions q ON q.hash = c.questions"
    ).fetchall()
    unwanted = [
        id_
        for id_, model, task, lens in found
        if model not in MODELS or task not in TASKS or lens != LENS
    ]
    for id_ in unwanted:
        db.execute("DELETE FROM run_cells WHERE cell = ?", (id_,))
        db.execute("DELETE FROM cells WHERE id = ?", (id_,))
    db.execute("DELETE FROM questions WHERE hash NOT IN (SELECT questions FROM cells)")


def _thin(db: sqlite3.Connection, questions: str, n_items: int) -> None:
    """Keep items at even distances, and their scores, and number them anew."""
    found = [row[0] for row in db.execute(
        "SELECT idx FROM items WHERE questions = ? ORDER BY idx", (questions,)
    )]  # fmt: skip
    kept = _spread(found, n_items)
    cells = [r[0] for r in db.execute("SELECT id FROM cells WHERE questions = ?", (questions,))]
    for index in set(found) - set(kept):
        db.execute("DELETE FROM items WHERE questions = ? AND idx = ?", (questions, index))
        for cell in cells:
            db.execute("DELETE FROM scores WHERE cell = ? AND idx = ?", (cell, index))
    for new, old in enumerate(kept):
        db.execute(
            "UPDATE items SET idx = ? WHERE questions = ? AND idx = ?", (new, questions, old)
        )
        for cell in cells:
            db.execute("UPDATE scores SET idx = ? WHERE cell = ? AND idx = ?", (new, cell, old))


def _spread(indices: Sequence[int], n: int) -> list[int]:
    if len(indices) <= n:
        return list(indices)
    return [indices[round(k * (len(indices) - 1) / (n - 1))] for k in range(n)]


def _count_again(db: sqlite3.Connection, cell: str) -> None:
    """Make one group of the scores that are left; their sums, half the size, are made when read."""
    (n,) = db.execute("SELECT count(*) FROM scores WHERE cell = ?", (cell,)).fetchone()
    db.execute("DELETE FROM tallies WHERE cell = ?", (cell,))
    db.execute("DELETE FROM scored_groups WHERE cell = ?", (cell,))
    db.execute("INSERT INTO scored_groups VALUES (?, 0, ?)", (cell, n))
    db.execute("UPDATE cells SET n_groups = 1, n_items = ? WHERE id = ?", (n, cell))


def _tidy(db: sqlite3.Connection) -> None:
    """Say what it is, and take out what only the machine that computed it knows."""
    db.execute("UPDATE runs SET command = ?, spec = ?", (COMMAND, _SPEC))
    for id_, info, request in db.execute("SELECT id, model_info, request FROM cells").fetchall():
        known: dict[str, Any] = json.loads(info)
        known["paths"] = [Path(path).name for path in known["paths"]]
        asked: dict[str, Any] = json.loads(request) | {"limit": ITEMS}
        db.execute(
            "UPDATE cells SET model_info = ?, request = ? WHERE id = ?",
            (_json(known), _json(asked), id_),
        )
    for table in ("leases", "owners", "rates"):
        db.execute(f"DELETE FROM {table}")  # noqa: S608 - names of three tables


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


if __name__ == "__main__":
    make(Path(sys.argv[1]), Path(sys.argv[2]))
