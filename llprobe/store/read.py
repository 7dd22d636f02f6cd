"""What can be read back: runs, their cells, and a cell's items with scores, as frozen records.

This module knows SELECT statements. It does not know metrics.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from llprobe.errors import UnknownName, UsageError
from llprobe.task import Item, Skipped

__all__ = [
    "CellAnswer",
    "CellRecord",
    "CellScores",
    "RunRecord",
    "deciding",
    "find_run",
    "read_answers",
    "read_cells",
    "read_runs",
    "read_scores",
]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run: the command that made it, when (UTC, ISO 8601), how far it is."""

    id: str
    created: str
    updated: str
    command: str
    status: str
    models: tuple[str, ...]
    tasks: tuple[str, ...]
    lenses: tuple[str, ...]
    tags: tuple[str, ...]
    """Words that a person sorts runs by, in order."""
    n_done: int
    n_items: int
    name: str
    """What a person calls it; empty for none."""
    n_cells: int
    cells_done: int
    cells_failed: int
    note: str
    """What a person says of it; empty for nothing."""

    @property
    def marked(self) -> bool:
        """Whether a person has said anything of it."""
        return bool(self.tags or self.note)


@dataclass(frozen=True, slots=True)
class CellRecord:
    """A cell: everything that decided its numbers, and how far it is. Layers are numbered 1..n."""

    id: str
    model: str
    fingerprint: str
    model_info: dict[str, Any]
    task: str
    task_version: str
    questions: str
    request: dict[str, Any]
    lens: str
    layers: tuple[int, ...]
    settings: dict[str, Any]
    versions: dict[str, str]
    record: dict[str, str]
    phases: dict[str, float]
    notes: tuple[str, ...]
    status: str
    error: str
    n_done: int
    n_items: int
    skipped: tuple[Skipped, ...]
    answer: str
    """cloze, letter, generate, or prior; see `task.Questions`."""
    facets: tuple[str, ...]
    prior: str
    """The hash of the questions that hold the same options after a neutral stem."""
    ablation: str
    """What is left out of the model; see ablation.py."""

    @property
    def shots(self) -> str:
        """The number of worked examples that was asked for, or ``default``, the task's own."""
        asked = self.request.get("num_fewshot")
        return "default" if asked is None else str(asked)

    @property
    def whole(self) -> bool:
        """Whether log-probs are of whole options, or lack what all options of an item share."""
        return not self.settings.get("skip_shared", False)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was to be known of the model when it was loaded, a sentence each."""
        return tuple(filter(None, self.record.get("remarks", "").split("\n")))

    @property
    def seed(self) -> int:
        """The seed of generated questions."""
        return int(self.request.get("seed", 0))


@dataclass(frozen=True, slots=True)
class CellScores:
    """One item with its scores: `logprob` float64 (n_options, n_layers), natural log, summed."""

    index: int
    item: Item
    n_tokens: tuple[int, ...]
    logprob: npt.NDArray[np.float64]
    prior: npt.NDArray[np.float64] | None = None
    """The options' log-probs after a neutral stem, of the same shape, where they were scored."""

    @property
    def n_bytes(self) -> tuple[int, ...]:
        """Bytes of each option in UTF-8, without the white space around it."""
        return tuple(len(choice.strip().encode()) for choice in self.item.choices)

    @property
    def correct(self) -> tuple[int, ...]:
        """Indices of the true options."""
        return self.item.correct

    @property
    def best(self) -> int:
        """Index of the designated best option."""
        return self.item.best


@dataclass(frozen=True, slots=True)
class CellAnswer:
    """What the model wrote to one item; `finished` is False where the token limit ended it."""

    index: int
    item: Item
    n_tokens: int
    text: str
    finished: bool


def find_run(db: sqlite3.Connection, name: str) -> str:
    """Return the id of a run: by its name, its id, an unambiguous beginning of it, or ``last``."""
    rows = db.execute("SELECT id, name FROM runs ORDER BY updated DESC, created DESC").fetchall()
    ids = [row[0] for row in rows]
    if not ids:
        raise UsageError("no run is stored yet: start one with `llprobe run`")
    if name == "last":
        return str(ids[0])
    named = {row[1]: row[0] for row in rows if row[1]}
    if name in named:
        return str(named[name])
    found = [id_ for id_ in ids if id_.startswith(name)]
    if len(found) > 1 and name not in found:
        raise UsageError(f"{name} may be {' or '.join(i[:12] for i in found)}: write more of it")
    if not found:
        known = [*named, *(id_[:8] for id_ in ids)]
        raise UnknownName("run", name, known, "(see `llprobe ls`)")
    return str(name if name in found else found[0])


_RUNS = """
SELECT r.id, r.created, r.updated, r.command, r.status,
  (SELECT json_group_array(m) FROM (SELECT DISTINCT c.model AS m FROM run_cells rc
    JOIN cells c ON c.id = rc.cell WHERE rc.run = r.id ORDER BY rc.position)),
  (SELECT json_group_array(t) FROM (SELECT DISTINCT q.task AS t FROM run_cells rc
    JOIN cells c ON c.id = rc.cell JOIN questions q ON q.hash = c.questions
    WHERE rc.run = r.id ORDER BY rc.position)),
  (SELECT json_group_array(l) FROM (SELECT DISTINCT c.lens AS l FROM run_cells rc
    JOIN cells c ON c.id = rc.cell WHERE rc.run = r.id ORDER BY rc.position)),
  (SELECT json_group_array(tag) FROM (SELECT t.tag FROM run_tags t WHERE t.run = r.id
    ORDER BY t.tag)),
  (SELECT coalesce(sum(g.n_items), 0) FROM run_cells rc
    JOIN scored_groups g ON g.cell = rc.cell WHERE rc.run = r.id),
  (SELECT coalesce(sum(c.n_items), 0) FROM run_cells rc
    JOIN cells c ON c.id = rc.cell WHERE rc.run = r.id),
  r.name,
  (SELECT count(*) FROM run_cells rc WHERE rc.run = r.id),
  (SELECT count(*) FROM run_cells rc JOIN cells c ON c.id = rc.cell
    WHERE rc.run = r.id AND c.status = 'done'),
  (SELECT count(*) FROM run_cells rc JOIN cells c ON c.id = rc.cell
    WHERE rc.run = r.id AND c.status = 'failed'),
  coalesce((SELECT n.note FROM run_notes n WHERE n.run = r.id), '')
FROM runs r WHERE ?1 IN ('', r.id) ORDER BY r.updated DESC, r.created DESC
"""


def read_runs(db: sqlite3.Connection, working: Collection[str], only: str = "") -> list[RunRecord]:
    """All runs, the newest first, or the `only` one; a living process works on the `working`."""
    return [_run(row, alive=row[0] in working) for row in db.execute(_RUNS, (only,))]


def _run(row: tuple[Any, ...], *, alive: bool) -> RunRecord:
    id_, created, updated, command, status, *listed = row[:9]
    models, tasks, lenses, tags = (tuple(json.loads(text)) for text in listed)
    # whatever one process left as its last word, another may work on it
    status = "running" if alive else _status(status, alive=False)
    return RunRecord(id_, created, updated, command, status, models, tasks, lenses, tags, *row[9:])


def _status(stored: str, *, alive: bool) -> str:
    """Return a status as it is: what nobody works on any more was interrupted."""
    return "interrupted" if stored == "running" and not alive else stored


_CELLS = """
SELECT c.id, c.model, c.fingerprint, c.model_info, q.task, q.version, c.questions, c.request,
  c.lens, c.layers, c.settings, c.versions, c.record, c.phases, q.notes, c.status, c.error,
  (SELECT coalesce(sum(n_items), 0) FROM scored_groups g WHERE g.cell = c.id), c.n_items,
  (SELECT json_group_array(json_array(s.id, s.reason)) FROM skipped s WHERE s.cell = c.id),
  q.answer, q.facets, q.prior, c.ablation,
  (SELECT owner FROM leases l WHERE l.cell = c.id)
FROM run_cells rc JOIN cells c ON c.id = rc.cell JOIN questions q ON q.hash = c.questions
WHERE rc.run = ? ORDER BY rc.position
"""


def read_cells(db: sqlite3.Connection, run: str, living: Collection[str]) -> list[CellRecord]:
    """The cells of a run, in its order; `living` are the processes whose leases count."""
    return [_cell(row, living) for row in db.execute(_CELLS, (run,))]


def _cell(row: tuple[Any, ...], living: Collection[str]) -> CellRecord:
    (id_, model, fingerprint, info, task, version, questions, request, lens, layers, settings,
     versions, record, phases, notes, status, error, n_done, n_items, skipped,
     answer, facets, prior, ablation, owner) = row  # fmt: skip
    return CellRecord(
        id_, model, fingerprint, json.loads(info), task, version, questions, json.loads(request),
        lens, tuple(json.loads(layers)), json.loads(settings), json.loads(versions),
        json.loads(record), json.loads(phases), tuple(json.loads(notes)),
        _status(status, alive=owner in living), error, n_done,
        n_items, tuple(Skipped(*pair) for pair in json.loads(skipped)), answer,
        tuple(json.loads(facets)), prior, ablation,
    )  # fmt: skip


def deciding(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of stored settings a cell's id depends on: cells of one id may differ in more.

    That there are servers counts, not where; that a model was forced to load does not.
    """
    return {**settings, "force": False, **({"rpc": True} if "rpc" in settings else {})}


_SCORES = """
SELECT s.idx, i.id, q.preamble, q.turns, i.prompt, i.choices, i.correct, i.best, i.grp,
  i.cluster, s.n_tokens, s.logprob
FROM scores s JOIN cells c ON c.id = s.cell JOIN questions q ON q.hash = c.questions
JOIN items i ON i.questions = c.questions AND i.idx = s.idx
WHERE s.cell = ? ORDER BY s.idx
"""


def read_scores(db: sqlite3.Connection, cell: str) -> Iterator[CellScores]:
    """Yield a cell's scored items in the task's order, each with its whole prompt."""
    around = _chat_of(db, cell)
    for idx, *asked, n_tokens, blob in db.execute(_SCORES, (cell,)):
        item = _item(asked, around)
        logprob = np.frombuffer(blob, "<f8").reshape(len(item.choices), -1)
        yield CellScores(idx, item, tuple(json.loads(n_tokens)), logprob)


def _chat_of(db: sqlite3.Connection, cell: str) -> tuple[str, str, str] | None:
    """Return what stands before a cell's questions, after them, and before answers to them.

    None for plain text, and for a chat of an older version, which did not keep it.
    """
    statement = "SELECT json_extract(record, '$.chat') FROM cells WHERE id = ?"
    (text,) = db.execute(statement, (cell,)).fetchone() or (None,)
    return None if text is None else tuple(json.loads(text))


def _item(row: Sequence[Any], around: tuple[str, str, str] | None) -> Item:
    """Make an item with its whole prompt and its options, as they were scored.

    A chat of an older version has each turn after its role, in place of what the template wrote.
    """
    id_, preamble, turns, prompt, choices, correct, best, *sorted_under = row
    true = tuple(json.loads(correct))
    item = Item(id_, prompt, tuple(json.loads(choices)), true, best, *sorted_under)
    if turns == "null":
        return replace(item, prompt=preamble + prompt)
    item = item.in_chat()
    if around is None:
        chat = [*json.loads(turns), ["user", item.prompt]]
        return replace(item, prompt="\n".join(f"[{role}] {text}" for role, text in chat))
    before, after, lead = around
    choices = tuple(lead + choice for choice in item.choices)
    return replace(item, prompt=before + item.prompt + after, choices=choices)


_ANSWERS = """
SELECT a.idx, i.id, q.preamble, q.turns, i.prompt, i.choices, i.correct, i.best, i.grp,
  i.cluster, a.n_tokens, a.text, a.finished
FROM answers a JOIN cells c ON c.id = a.cell JOIN questions q ON q.hash = c.questions
JOIN items i ON i.questions = c.questions AND i.idx = a.idx
WHERE a.cell = ? ORDER BY a.idx
"""


def read_answers(db: sqlite3.Connection, cell: str) -> Iterator[CellAnswer]:
    """Yield what was written to a cell's items, in the task's order, each with its whole prompt."""
    around = _chat_of(db, cell)
    for idx, *asked, n_tokens, text, finished in db.execute(_ANSWERS, (cell,)):
        yield CellAnswer(idx, _item(asked, around), n_tokens, text, bool(finished))
