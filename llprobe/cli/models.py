"""`llprobe models`: list, pull, inspect, quantise and remove models.

This module knows the commands' options and tables. What a model is, is `model`'s to say.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from llprobe.cli.options import Format, FormatOption, Output, Threads, comma_list, option
from llprobe.cli.output import Column, emit, err
from llprobe.cli.progress import Meter
from llprobe.events import Failed, Quantized, QuantizeRequest, QuantizeStep
from llprobe.machine import performance_cores
from llprobe.model import ModelInfo, fallbacks, list_models, quant_path, read_model, remove, resolve
from llprobe.runner import call, raise_failure

__all__ = ["app"]

app = typer.Typer(help="List, pull, inspect, quantise and remove models.", no_args_is_help=True)
Ref = Annotated[str, typer.Argument(help="Name, name:quant, path, or hf:OWNER/REPO:QUANT.")]


def _size(value: int | None) -> str:
    return (
        "–" if not value else f"{value / 1e9:.2f} GB" if value >= 1e9 else f"{value / 1e6:.1f} MB"
    )


@app.command("ls")
def ls(form: FormatOption = Format.TABLE, output: Output = None) -> None:
    """List the models of the catalog and those quantised here."""
    rows = [
        {
            "name": m.name,
            "quant": m.quant,
            "here": m.downloaded,
            "bytes": m.size_bytes,
            "licence": m.entry.licence if m.entry else "",
            "good_for": m.entry.good_for if m.entry else "",
            "path": str(m.path) if m.path else "",
        }
        for m in list_models()
    ]
    columns = [
        Column("name", "name"),
        Column("quant", "quant"),
        Column("bytes", "size", _size, right=True),
        Column("here", "here", lambda v: "yes" if v else ""),
        Column("licence", "licence", wraps=True),
        Column("good_for", "good for", wraps=True),
    ]
    emit(rows, columns, form, output)


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
    err.print(f"{info.name} is here: {info.paths[0]} ({_size(info.file_bytes)})", markup=False)


@app.command("inspect")
def inspect(ref: Ref, form: FormatOption = Format.TABLE, output: Output = None) -> None:
    """Show what a model file says of itself, checked against its tensors."""
    facts = _facts(resolve(ref))
    if form is Format.JSON:
        emit([facts], [], form, output)
        return
    rows = [{"what": key.replace("_", " "), "value": value} for key, value in facts.items()]
    emit(rows, [Column("what", ""), Column("value", "", wraps=True)], form, output)


def _facts(info: ModelInfo) -> dict[str, Any]:
    classes = {
        f"{c.name}_tensors": ", ".join(f"{n} x {kind}" for kind, n in c.types)
        for c in info.tensor_classes
    }
    bits, in_blocks = info.bits_per_weight, info.block_bits_per_weight
    return {
        "name": info.name,
        "file": ", ".join(str(path) for path in info.paths),
        "file_size": _size(info.file_bytes),
        "calls_itself": info.general_name,
        "architecture": info.architecture,
        "layers": info.n_layers,
        "width": info.n_embd,
        "heads": f"{info.n_heads}, {info.n_heads_kv} key-value",
        "vocabulary": info.n_vocab,
        "context": info.n_ctx_train,
        "parameters": f"{info.n_params / 1e6:,.1f} M",
        "quant": info.quant,
        "bits_per_weight": f"{bits:.2f} ({in_blocks:.2f} in blocks)",
        **classes,
        "output_matrix": "the embedding's (tied)" if info.tied_output else "its own",
        "chat_template": "yes" if info.has_chat_template else "no",
        "fingerprint": info.fingerprint,
    }


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
        _report(base, read_model(path, f"{path.parent.name}:{quant}"))


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


def _report(base: ModelInfo, made: ModelInfo) -> None:
    """Say what the new file is, and what it is not."""
    err.print(
        f"{made.name}: {_size(made.file_bytes)}, {made.bits_per_weight:.2f} bits per weight, "
        f"{made.paths[0]}",
        markup=False,
    )
    source, result = base.block_bits_per_weight, made.block_bits_per_weight
    if base.quant not in ("F32", "F16", "BF16"):
        err.print(f"  a requantisation: its source {base.name} is {base.quant} already")
    if result > source:
        err.print(
            f"  above its source ({result:.2f} against {source:.2f} bits per weight in blocks): "
            "it restores nothing that was lost"
        )
    fell = fallbacks(made.tensor_classes, made.quant)
    if fell:
        kinds = (
            f"{name} {', '.join(f'{n} x {kind}' for kind, n in types.items())}"
            for name, types in fell.items()
        )
        err.print(f"  fell back, since 256 does not divide the width: {'; '.join(kinds)}")


@app.command("rm")
def rm(ref: Ref) -> None:
    """Delete a model from llprobe's cache; files of your own are never touched."""
    removed = remove(ref)
    for path in removed.paths:
        err.print(f"removed {path}", markup=False)
    err.print(f"{_size(removed.freed_bytes)} freed")
