"""`llprobe models`: list, pull, inspect, quantise and remove models.

This module knows the commands' options and tables. What a model is, is `model`'s to say.
"""

from __future__ import annotations

from typing import Annotated

import typer

from llprobe.cli.console import confirm, err
from llprobe.cli.options import Format, FormatOption, Output, Threads, Yes, comma_list, option
from llprobe.cli.output import Column, emit
from llprobe.cli.progress import Meter
from llprobe.events import Failed, Quantized, QuantizeRequest, QuantizeStep
from llprobe.machine import performance_cores
from llprobe.model import quant_path, read_model, remove, resolve
from llprobe.report.models import model_facts, model_rows, quantised, size
from llprobe.runner import call, raise_failure

__all__ = ["app"]

app = typer.Typer(help="List, pull, inspect, quantise and remove models.", no_args_is_help=True)
Ref = Annotated[str, typer.Argument(help="Name, name:quant, path, or hf:OWNER/REPO:QUANT.")]


@app.command("ls")
def ls(form: FormatOption = Format.TABLE, output: Output = None) -> None:
    """List the models of the catalog and those quantised here."""
    columns = [
        Column("name", "name"),
        Column("quant", "quant"),
        Column("bytes", "size", size, right=True),
        Column("here", "here", lambda v: "yes" if v else ""),
        Column("licence", "licence", wraps=True),
        Column("good_for", "good for", wraps=True),
    ]
    emit(model_rows(), columns, form, output)


@app.command("pull")
def pull(ref: Ref) -> None:
    """Download a model; one that is here already is only checked."""
    meter: list[Meter] = []

    def progress(done: int, total: int) -> None:
        if not meter:
            meter.append(Meter(f"pulling {ref}", round(total / 1e6), "MB").__enter__())
        meter[0].update(round(done / 1e6))

    try:
        info = resolve(ref, fetch=True, progress=progress)
    finally:
        for m in meter:
            m.__exit__()
    err.print(f"{info.name} is here: {info.paths[0]} ({size(info.file_bytes)})", markup=False)


@app.command("inspect")
def inspect(ref: Ref, form: FormatOption = Format.TABLE, output: Output = None) -> None:
    """Show what a model file says of itself, checked against its tensors."""
    facts = model_facts(resolve(ref))
    if form is Format.JSON:
        emit([facts], [], form, output)
        return
    rows = [{"what": key.replace("_", " "), "value": value} for key, value in facts.items()]
    emit(rows, [Column("what", ""), Column("value", "", wraps=True)], form, output)


@app.command("quantize")
def quantize(
    ref: Ref,
    to: Annotated[str, option("--to", help="Types, comma separated: F32,Q8_0,Q4_K_M,Q2_K.")],
    threads: Threads = None,
) -> None:
    """Make a ladder of quants from one file, each then known as NAME:QUANT."""
    base = resolve(ref)
    for quant in comma_list(to.upper(), "quant type"):
        path = quant_path(base, quant)
        if path.exists():
            err.print(f"{base.name} as {quant} is here already: {path}", markup=False)
            continue
        _make(QuantizeRequest(base, quant, str(path), threads or performance_cores()))
        for line in quantised(base, read_model(path, f"{path.parent.name}:{quant}")):
            err.print(line, markup=False)


def _make(request: QuantizeRequest) -> None:
    meter: Meter | None = None
    try:
        for event in call(request):
            if isinstance(event, Failed):
                raise_failure(event)
            if isinstance(event, QuantizeStep):
                meter = (
                    meter or Meter(f"making {request.quant}", event.total, "tensors").__enter__()
                )
                meter.update(event.done)
            if isinstance(event, Quantized):
                return
        raise KeyboardInterrupt
    finally:
        if meter:
            meter.__exit__()


@app.command("rm")
def rm(ref: Ref, yes: Yes = False) -> None:
    """Delete a model from llprobe's cache; files of your own are never touched."""
    confirm(f"delete {ref} from the cache?", yes=yes)
    removed = remove(ref)
    for path in removed.paths:
        err.print(f"removed {path}", markup=False)
    err.print(f"{size(removed.freed_bytes)} freed")
