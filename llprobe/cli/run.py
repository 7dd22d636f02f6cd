"""`llprobe run`: probe models on tasks, at every layer, and print what came out.

A run is a sweep of what was typed. This module knows the command's options and what to tell a
person. The work is done through `conduct`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from llprobe.cli.awake import awake
from llprobe.cli.console import err
from llprobe.cli.follow import drive, interruptible, raise_failures
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
    KeepAwake,
    Layers,
    Metric,
    Output,
    Reference,
    Rpc,
    Set,
    Threads,
    Ubatch,
    XAll,
    database,
    engine_settings,
    option,
    task_settings,
)
from llprobe.cli.rpc import warn_open
from llprobe.cli.runs import check_metric, print_run
from llprobe.errors import RunError
from llprobe.report.remarks import nothing_scored
from llprobe.runner import Cancel
from llprobe.settings import EngineSettings
from llprobe.store import Store
from llprobe.sweep import spec_from_lists

__all__ = ["run"]

_DEFAULTS = EngineSettings()


def run(
    model: Annotated[
        str,
        option(
            "-m",
            "--model",
            help="Catalog name, name:quant, GGUF file or pattern, or hf:OWNER/REPO:QUANT; several "
            "with commas.",
        ),
    ],
    task: Annotated[
        str, option("-t", "--task", help="Tasks, groups, tags or YAML files, comma separated.")
    ],
    limit: Annotated[
        int | None, option("-L", "--limit", help="Questions per task (and language).")
    ] = None,
    num_fewshot: Annotated[
        str | None,
        option("-f", "--num-fewshot", help="Worked examples; default: the task's. Several: 0,4."),
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
    seed: Annotated[
        str, option("--seed", help="Seed of generated questions; several with commas.")
    ] = "0",
    settings: Set = None,
    x_all: XAll = False,
    answer: Answer = None,
    chat: Chat = False,
    pmi: Annotated[
        bool,
        option("--pmi", help="Score the options without their question too, for the metric pmi."),
    ] = False,
    ablate: Annotated[
        str | None,
        option(
            "--ablate",
            help="Leave out blocks or halves of them: skip:7, skip:3-5, attn:-1, skip:each; "
            "several with commas.",
        ),
    ] = None,
    quantize: Annotated[
        str | None, option("--quantize", help="Make these quants of each model and run them too.")
    ] = None,
    exclude: Annotated[
        list[str] | None,
        option("--exclude", help="Leave out what fits, e.g. model=*Q2_K,task=truth; repeatable."),
    ] = None,
    name: Annotated[
        str | None, option("--name", help="What to call it: a sweep, see `llprobe sweep`.")
    ] = None,
    threads: Threads = None,
    gpu_layers: GpuLayers = _DEFAULTS.n_gpu_layers,
    rpc: Rpc = None,
    batch: Batch = _DEFAULTS.n_batch,
    ubatch: Ubatch = _DEFAULTS.n_ubatch,
    ctx: Ctx = None,
    buffer_mb: BufferMb = _DEFAULTS.buffer_mb,
    reference: Reference = False,
    skip_shared: Annotated[
        bool,
        option(
            "--skip-shared",
            help="Leave out what all options of a question share: same MC1-3 and pmi, faster; "
            "log-probs then lack a term common to a question's options, and there is no acc_norm.",
        ),
    ] = False,
    force: Force = False,
    fresh: Annotated[
        bool, option("--fresh", help="Forget what is stored of it, start over.")
    ] = False,
    keep_awake: KeepAwake = False,
    by: By = None,
    metric: Metric = "mc1",
    wide: Annotated[bool, option("--wide", help="Print every layer.")] = False,
    db: Db = None,
    form: FormatOption = Format.TABLE,
    output: Output = None,
) -> None:
    """Probe models on tasks at every layer; the same command again continues where it stopped."""
    check_metric(metric, pmi=pmi, skip_shared=skip_shared)
    spec = spec_from_lists(
        name=name, models=model, tasks=task, lenses=lens, layers=layers, limit=limit,
        shots=num_fewshot, answers=answer, seeds=seed, ablations=ablate, quantize=quantize,
        chat=chat, pmi=pmi, data=data, shots_file=shots_file, instruction=instruction,
        settings=task_settings(settings, x_all=x_all), exclude=exclude,
        engine=engine_settings(
            batch=batch, ubatch=ubatch, ctx=ctx, threads=threads, gpu_layers=gpu_layers,
            buffer_mb=buffer_mb, force=force, reference=reference, skip_shared=skip_shared,
            rpc=rpc,
        ),
    )  # fmt: skip
    warn_open(spec.engine.servers)
    path, cancel = database(db), Cancel()
    with Store(path) as store, awake(wanted=keep_awake):
        with interruptible(cancel):
            screen, failed = drive(spec, store, cancel, fresh=fresh)
        if cancel.requests:
            err.print("stopped: what is scored is stored; the same command continues")
            raise KeyboardInterrupt
        printed = screen.run and print_run(
            store, screen.run, form, output, by=by, wide=wide, metric=metric
        )
        if printed:
            _next_steps(name or screen.run[:8], path)
        reason = nothing_scored(store.cells(screen.run)) if screen.run else ""
    raise_failures(failed, screen, "the same command")
    if reason:
        raise RunError(reason)


def _next_steps(run: str, path: Path) -> None:
    err.print(f"\nstored as run {run} in {path}", markup=False)
    err.print(f"next: llprobe show {run} --by group   llprobe show {run} --wide")
    err.print(f"      llprobe export {run} --items --format jsonl -o items.jsonl")
