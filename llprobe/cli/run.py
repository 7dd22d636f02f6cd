"""`llprobe run`: probe one model on tasks, at every layer, and print what came out.

This module knows the command's options and what to tell a person. The work is the runner's.
"""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

from llprobe.cli.options import (
    Answer,
    Batch,
    BufferMb,
    By,
    Chat,
    Ctx,
    Db,
    Force,
    Format,
    FormatOption,
    GpuLayers,
    Layers,
    Metric,
    Model,
    Output,
    Reference,
    Set,
    Threads,
    Ubatch,
    XAll,
    comma_list,
    database,
    engine_settings,
    option,
    task_settings,
)
from llprobe.cli.output import err
from llprobe.cli.progress import Meter
from llprobe.cli.runs import check_metric, print_run
from llprobe.events import Event, Failed, GroupScored, JobDone, JobStarted, ModelLoaded
from llprobe.model import resolve
from llprobe.plan import Plan, Sweep, make_plan
from llprobe.runner import Cancel, raise_failure
from llprobe.runner import run as run_plan
from llprobe.settings import EngineSettings
from llprobe.store import Store
from llprobe.task import Questions, TaskRequest, requests_for

__all__ = ["run"]

_DEFAULTS = EngineSettings()


def run(
    model: Model,
    task: Annotated[
        str, option("-t", "--task", help="Tasks, groups, tags or YAML files, comma separated.")
    ],
    limit: Annotated[int | None, option("-L", "--limit", help="Questions per task.")] = None,
    num_fewshot: Annotated[
        int | None, option("-f", "--num-fewshot", help="Worked examples; default: the task's.")
    ] = None,
    lens: Annotated[str, option("--lens", help="norm, paper, raw; several with commas.")] = "norm",
    layers: Layers = None,
    data: Annotated[Path | None, option("--data", help="A published file for the task.")] = None,
    shots_file: Annotated[
        Path | None, option("--shots-file", help="Worked examples to use instead of the task's.")
    ] = None,
    instruction: Annotated[
        str | None, option("--instruction", help="The text before the worked examples.")
    ] = None,
    seed: Annotated[int, option("--seed", help="Seed of generated questions.")] = 0,
    settings_: Set = None,
    x_all: XAll = False,
    answer: Answer = None,
    chat: Chat = False,
    pmi: Annotated[
        bool,
        option(
            "--pmi",
            help="Score the options without their question too, for the metric pmi.",
        ),
    ] = False,
    threads: Threads = None,
    gpu_layers: GpuLayers = _DEFAULTS.n_gpu_layers,
    batch: Batch = _DEFAULTS.n_batch,
    ubatch: Ubatch = _DEFAULTS.n_ubatch,
    ctx: Ctx = None,
    buffer_mb: BufferMb = _DEFAULTS.buffer_mb,
    reference: Reference = False,
    skip_shared: Annotated[
        bool,
        option(
            "--skip-shared",
            help="Leave out what all options of a question share: same MC1-3, faster; "
            "log-probs then lack a term that is common to a question's options.",
        ),
    ] = False,
    force: Force = False,
    fresh: Annotated[
        bool, option("--fresh", help="Forget what is stored of it, start over.")
    ] = False,
    by: By = None,
    metric: Metric = "mc1",
    wide: Annotated[bool, option("--wide", help="Print every layer.")] = False,
    db: Db = None,
    form: FormatOption = Format.TABLE,
    output: Output = None,
) -> None:
    """Probe a model on tasks at every layer; the same command again continues where it stopped."""
    settings = engine_settings(
        batch=batch, ubatch=ubatch, ctx=ctx, threads=threads, gpu_layers=gpu_layers,
        buffer_mb=buffer_mb, force=force, reference=reference, skip_shared=skip_shared,
    )  # fmt: skip
    wanted = TaskRequest(
        "", str(data) if data else None, limit, num_fewshot, seed,
        str(shots_file) if shots_file else None, instruction,
        task_settings(settings_, x_all=x_all), answer or "", chat,
    )  # fmt: skip
    requests = requests_for(comma_list(task, "task"), wanted)
    lenses = comma_list(lens, "lens")
    check_metric(metric, pmi=pmi)
    plan = make_plan(Sweep((resolve(model),), requests, lenses, layers, settings, pmi))
    path = database(db)
    with Store(path) as store:
        failed = _follow(plan, store, fresh=fresh)
        if print_run(store, plan.id, form, output, by=by, wide=wide, metric=metric):
            _next_steps(plan, path)
    if failed:
        raise_failure(failed)


def _follow(plan: Plan, store: Store, *, fresh: bool) -> Failed | None:
    """Run a plan with a progress bar; returns the last failure. Ctrl-C stops it cleanly."""
    cancel = Cancel()
    failed: Failed | None = None
    screen = _Screen(plan, store)
    command = shlex.join(["llprobe", *sys.argv[1:]])
    with _interruptible(cancel):
        for event in run_plan(plan, store, command, cancel, fresh=fresh):
            screen.show(event)
            failed = event if isinstance(event, Failed) else failed
    screen.close()
    if cancel.requests:
        err.print("stopped: what is scored is stored; the same command continues")
        raise KeyboardInterrupt
    return failed


@contextmanager
def _interruptible(cancel: Cancel) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM ask the run to stop; a second one stops it now."""

    def handle(_signal: int, _frame: Any) -> None:
        cancel.request()
        if cancel.requests == 1:
            with suppress(RuntimeError):  # the signal came in the middle of a write to stderr
                err.print("stopping after this batch; once more to stop now")

    before = {s: signal.signal(s, handle) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Screen:
    """Shows the events of a run: a line per model, a meter per task, notes on what was skipped."""

    def __init__(self, plan: Plan, store: Store) -> None:
        self._plan, self._store = plan, store
        self._cells = {cell.id: cell for cell in plan.cells}
        self._meter: Meter | None = None
        self._first = ""

    def show(self, event: Event) -> None:
        """Show one event."""
        match event:
            case ModelLoaded(record=record, seconds=seconds):
                device = record["devices"].split(",")[0]
                err.print(
                    f"model loaded in {seconds:.1f} s on {device}, {record['threads']} threads; "
                    f"self-check difference {record['self_check']}",
                    markup=False,
                )
            case JobStarted():
                self._start(event)
            case GroupScored() if self._meter and event.cell == self._first:
                self._meter.update(self._meter.done + len(event.items), event.tokens)
            case JobDone():
                self.close()
            case _:
                pass

    def _start(self, event: JobStarted) -> None:
        cell = self._cells[event.cells[0]]
        for note in cell.questions.notes:
            err.print(f"{cell.questions.task}: {note}", markup=False)
        for what in (cell.questions.skipped, event.skipped):
            if what:
                listed = "; ".join(f"{s.id}: {s.reason}" for s in what[:3])
                more = f"; `llprobe show` lists {len(what) - 3} more" if len(what) > 3 else ""
                err.print(
                    f"{cell.questions.task}: {len(what)} skipped ({listed}{more})", markup=False
                )
        left = {c: len(self._store.done_groups(c)) for c in event.cells}
        self._first = min(event.cells, key=lambda c: left[c])
        records = self._store.cells(self._plan.id)
        done = next(c.n_done for c in records if c.id == self._first)
        self._meter = Meter(_called(cell.questions), event.n_items, "items", done)
        self._meter.__enter__()

    def close(self) -> None:
        """End the meter that is shown."""
        if self._meter:
            self._meter.__exit__()
        self._meter = None


def _called(questions: Questions) -> str:
    """Return how a task is called while it runs."""
    how = {"cloze": "", "prior": " (options alone)"}.get(questions.answer, f" ({questions.answer})")
    return questions.task + how


def _next_steps(plan: Plan, path: Path) -> None:
    short = plan.id[:8]
    err.print(f"\nstored as run {short} in {path}", markup=False)
    err.print(f"next: llprobe show {short} --by group   llprobe show {short} --wide")
    err.print(f"      llprobe export {short} --items --format jsonl -o items.jsonl")
