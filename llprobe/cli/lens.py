"""`llprobe lens`: what every layer would say next, after every token of a text.

This module knows how a grid is drawn. What is in it comes from the worker.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from llprobe.cli.console import err
from llprobe.cli.options import (
    Ctx,
    Force,
    Format,
    FormatOption,
    GpuLayers,
    Layers,
    Model,
    Output,
    Rpc,
    Threads,
    option,
    servers,
)
from llprobe.cli.output import Column, draw, emit, write
from llprobe.cli.rpc import warn_open
from llprobe.errors import UsageError
from llprobe.events import LensGrid, LensRequest
from llprobe.model import resolve
from llprobe.report.lens import lens_rows, visible
from llprobe.runner import ask
from llprobe.settings import LENSES, EngineSettings, parse_layers

__all__ = ["lens"]

_CELL = 11


def lens(
    text: Annotated[str, typer.Argument(help="Any text.")],
    model: Model,
    lens_: Annotated[str, option("--lens", help="norm, paper or raw.")] = "norm",
    layers: Layers = None,
    top: Annotated[int, option("--top", help="Predictions of each cell.", min=1, max=100)] = 1,
    track: Annotated[
        list[str] | None,
        option(
            "--track",
            help="Follow this word's rank, with a space before it or without, as the model would "
            "rather write it (may be repeated).",
        ),
    ] = None,
    threads: Threads = None,
    gpu_layers: GpuLayers = -1,
    rpc: Rpc = None,
    ctx: Ctx = None,
    force: Force = False,
    form: FormatOption = Format.TABLE,
    output: Output = None,
) -> None:
    """Show the logit lens on a text: layers x tokens, each cell the layer's top prediction."""
    if lens_ not in LENSES:
        raise UsageError(f"no lens {lens_!r}; known: {', '.join(LENSES)}")
    info = resolve(model)
    settings = EngineSettings(n_threads=threads, n_gpu_layers=gpu_layers, n_ctx=ctx, force=force)
    settings = settings.using(servers(rpc))
    warn_open(settings.servers)
    chosen = parse_layers(layers, info.n_layers)
    grid = ask(LensRequest(info, settings, text, lens_, chosen, top, tuple(track or ())), LensGrid)
    for note in grid.notes:
        err.print(note, markup=False)
    if form is Format.TABLE:
        write(_draw(grid, top), output)
        return
    columns = [Column(k, k) for k in ("layer", "position", "token", "top")]
    emit(lens_rows(grid), columns, form, output)


def _draw(grid: LensGrid, top: int) -> str:
    """Draw blocks of columns that fit the screen, the last layer on top as in a stack."""
    width = Console().width if sys.stdout.isatty() else 100
    step = max(1, (width - 7) // (_CELL + 1))
    cuts = range(0, len(grid.tokens), step)
    blocks = [_block(grid, range(a, min(a + step, len(grid.tokens))), top) for a in cuts]
    return "\n".join([*(draw(block) for block in blocks), *(_ranks(grid, w) for w in grid.ranks)])


def _block(grid: LensGrid, positions: range, top: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("layer", justify="right", header_style="bold")
    for position in positions:
        head = Text(visible(grid.tokens[position], _CELL), style="bold")
        table.add_column(head, width=_CELL, no_wrap=True)
    for i in reversed(range(len(grid.layers))):
        cells = (_cell(grid.top[i][p][:top]) for p in positions)
        table.add_row(str(grid.layers[i]), *cells)
    return table


def _cell(predictions: tuple[tuple[str, float], ...]) -> Text:
    """Predictions one below the other; the surer the brighter, which greys keep readable too."""
    text = Text()
    for n, (token, p) in enumerate(predictions):
        style = next(s for limit, s in _STYLES if p >= limit)
        text.append(("\n" if n else "") + visible(token, _CELL), style)
    return text


_STYLES = ((0.75, "bold green"), (0.5, "green"), (0.25, "yellow"), (0.1, "default"), (0.0, "dim"))


def _ranks(grid: LensGrid, word: str) -> str:
    title = Text(f"rank of {visible(word, _CELL)} after the last token", "bold")
    table = Table(box=None, pad_edge=False)
    table.add_column("layer", justify="right", header_style="bold")
    table.add_column("rank", justify="right", header_style="bold")
    for layer, rank in zip(grid.layers, grid.ranks[word][:, -1], strict=True):
        table.add_row(str(layer), f"{rank:,}")
    return draw(title, table)
