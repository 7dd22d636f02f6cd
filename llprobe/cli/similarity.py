"""`llprobe similarity`: how alike the layers of one model, or of two, are on the same questions.

This module knows the command's options and how the outcome is drawn. It is found by `likeness`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table
from rich.text import Text

from llprobe.cli.console import err
from llprobe.cli.follow import interruptible
from llprobe.cli.options import (
    Chat,
    Ctx,
    Force,
    Format,
    FormatOption,
    GpuLayers,
    Layers,
    Output,
    Rpc,
    Set,
    Threads,
    comma_list,
    option,
    servers,
    task_settings,
)
from llprobe.cli.output import Column, draw, emit, write
from llprobe.cli.progress import Meter
from llprobe.cli.rpc import warn_open
from llprobe.errors import UsageError
from llprobe.likeness import N_ITEMS, Reading, Watch, layer_similarity
from llprobe.model import resolve
from llprobe.report.similarity import LayerCosines, Similarity, similarity_rows
from llprobe.runner import Cancel
from llprobe.settings import EngineSettings
from llprobe.task import TaskRequest, load_questions, requests_for

__all__ = ["drawn", "similarity"]

_UNBOUNDED_WIDTH = 100
_CELL = 5


def _decimals(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


_COLUMNS = (
    *(Column(key, key) for key in ("measure", "model_a", "layer_a", "model_b", "layer_b")),
    *(Column(key, key, _decimals, right=True) for key in ("value", "error")),
)


class Position(StrEnum):
    """Whose states stand for a prompt."""

    LAST = "last"
    MEAN = "mean"


def similarity(
    model: Annotated[
        str,
        option(
            "-m",
            "--model",
            help="Catalog name, name:quant, path of a GGUF file, or hf:OWNER/REPO:QUANT; two with "
            "a comma to compare them.",
        ),
    ],
    task: Annotated[str, option("-t", "--task", help="A task, or a YAML file.")],
    limit: Annotated[
        int, option("-L", "--limit", help="Questions of the task (and language).")
    ] = N_ITEMS,
    layers: Layers = None,
    position: Annotated[
        Position,
        option(
            "--position",
            help="A prompt's state: its last token's, or the mean over its tokens after those that "
            "all prompts begin with.",
        ),
    ] = Position.LAST,
    per_batch: Annotated[
        int, option("--per-batch", help="Questions compared with each other, 4 or more.")
    ] = 64,
    data: Annotated[Path | None, option("--data", help="A published file for the task.")] = None,
    num_fewshot: Annotated[
        int | None, option("-f", "--num-fewshot", help="Worked examples; default: the task's.")
    ] = None,
    seed: Annotated[
        int, option("--seed", help="Seed of generated questions, and of the batches.")
    ] = 0,
    settings: Set = None,
    chat: Chat = False,
    threads: Threads = None,
    gpu_layers: GpuLayers = -1,
    rpc: Rpc = None,
    ctx: Ctx = None,
    force: Force = False,
    form: FormatOption = Format.TABLE,
    output: Output = None,
) -> None:
    """Compare layers by the states of prompts: linear CKA of each pair, cosine along the layers."""
    engine = EngineSettings(n_threads=threads, n_gpu_layers=gpu_layers, n_ctx=ctx, force=force)
    engine = engine.using(servers(rpc))
    warn_open(engine.servers)
    how = Reading(layers, position.value, per_batch, seed, engine)
    names = comma_list(model, "model")
    if len(names) > 2:
        raise UsageError(f"{len(names)} models are named: name one, or two to compare")
    wanted = TaskRequest(
        "", str(data) if data else None, limit, num_fewshot, seed,
        settings=task_settings(settings, x_all=False), chat=chat,
    )  # fmt: skip
    questions = load_questions(_one_task(task, wanted))
    cancel = Cancel()
    with interruptible(cancel), _meters() as watch:
        found = layer_similarity([resolve(name) for name in names], questions, how, cancel, watch)
    for note in found.notes:
        err.print(f"note: {note}", markup=False)
    if form is Format.TABLE:
        screen = sys.stdout.isatty() and output is None
        width = Console().width if screen else _UNBOUNDED_WIDTH
        write(drawn(found, width, plain=not screen), output)
        return
    emit(similarity_rows(found), _COLUMNS, form, output)


def _one_task(name: str, wanted: TaskRequest) -> TaskRequest:
    found = requests_for(comma_list(name, "task"), wanted)
    if len(found) > 1:
        listed = ", ".join(request.name for request in found)
        raise UsageError(f"{name} is {len(found)} tasks; name one: {listed}")
    return found[0]


@contextmanager
def _meters() -> Iterator[Watch]:
    """Give what shows a meter for each model, one after the other."""
    shown: list[Meter] = []

    def watch(model: str, done: int, total: int) -> None:
        if not done:
            _close(shown)
            shown.append(Meter(model, total, "questions").__enter__())
        shown[-1].update(done)

    try:
        yield watch
    finally:
        _close(shown)


def _close(meters: list[Meter]) -> None:
    for meter in meters:
        meter.__exit__()
    meters.clear()


def drawn(found: Similarity, width: int, *, plain: bool) -> str:
    """Draw a comparison for a screen of `width` characters: as many layers as there is room for.

    The last layer stands on top, as in a stack, and to the right.
    """
    room = max(2, (width - 8) // (_CELL + 1))
    parts: list[Table | Text] = [_title(found), _heat(found, room)]
    for each in found.cosines:
        parts += [Text(f"\ncosine of states, {each.model}", "bold"), _curve(each, room)]
    shown = "\n".join(draw(part, plain=plain).rstrip("\n") for part in parts)
    more = max(len(found.layers_a), len(found.layers_b)) > room
    hint = "\nnot every layer is shown: -F csv has them all\n" if more else "\n"
    return shown + hint


def _title(found: Similarity) -> Text:
    a, b = found.labels
    whose = {"last": "last token", "mean": "mean of tokens that not all share"}[found.position]
    models = a if found.is_one_model else f"{a} (rows) and {b} (columns)"
    even = "" if found.error is None else f", standard error up to {_largest(found.error)}"
    return Text.assemble(
        (f"CKA between layers, {models}", "bold"),
        f"\n{found.task}, {found.n_items} questions in {found.n_batches} "
        f"batch{'es' * (found.n_batches > 1)}, {whose} of the prompt{even}",
    )


def _largest(error: npt.NDArray[np.float64]) -> str:
    return f"{np.nanmax(error):.2f}" if np.isfinite(error).any() else "–"


def _chosen(n: int, room: int) -> list[int]:
    """Return at most `room` of 0..n, the first and the last among them, evenly spread."""
    return sorted(set(np.linspace(0, n - 1, min(n, room)).round().astype(int).tolist()))


def _heat(found: Similarity, room: int) -> Table:
    rows, columns = _chosen(len(found.layers_a), room), _chosen(len(found.layers_b), room)
    table = _grid([found.layers_b[j] for j in columns])
    for i in reversed(rows):
        table.add_row(str(found.layers_a[i]), *(_shade(found.matrix[i, j]) for j in columns))
    return table


def _curve(found: LayerCosines, room: int) -> Table:
    columns = _chosen(len(found.layers), room)
    table = _grid([found.layers[j] for j in columns])
    after = [*found.to_next, np.nan]
    table.add_row("next", *(_shade(after[j]) for j in columns))
    table.add_row("last", *(_shade(found.to_last[j]) for j in columns))
    return table


def _grid(layers: Sequence[int]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("layer", justify="right", header_style="bold")
    for layer in layers:
        table.add_column(str(layer), width=_CELL, justify="right", no_wrap=True)
    return table


def _shade(value: float) -> Text:
    """Return a number on a ground the lighter the larger it is; only greys, for every eye."""
    if not np.isfinite(value):
        return Text("–")
    level = 235 + round(float(np.clip(value, 0, 1)) * 20)
    ink = "grey93" if level < 246 else "grey3"
    return Text(f"{value + 0.0:.2f}".replace("-0.00", "0.00"), f"{ink} on color({level})")
