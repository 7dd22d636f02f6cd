"""`llprobe doctor`: versions, build, devices, memory, and how exact this model is on this machine.

This module knows how findings are said. They come from the worker.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from llprobe.cli.options import Format, FormatOption, GpuLayers, Output, Threads, option
from llprobe.cli.output import Column, emit, err
from llprobe.events import Checked, CheckRequest
from llprobe.machine import describe, versions
from llprobe.model import resolve
from llprobe.runner import ask
from llprobe.settings import EngineSettings

__all__ = ["doctor"]


def doctor(
    model: Annotated[
        str | None, option("-m", "--model", help="Compare fast with reference mode on this model.")
    ] = None,
    threads: Threads = None,
    gpu_layers: GpuLayers = -1,
    form: FormatOption = Format.TABLE,
    output: Output = None,
) -> None:
    """Say what this machine and build are, and how far fast scoring is from reference mode."""
    info = resolve(model) if model else None
    settings = EngineSettings(n_threads=threads, n_gpu_layers=gpu_layers)
    found = ask(CheckRequest(info, settings), Checked)
    known = describe() | versions()
    facts = known | {k: v for k, v in found.facts.items() if k.replace("_", "-") not in known}
    rows: list[dict[str, Any]] = [{"what": k, "value": v} for k, v in facts.items()]
    for lens, differences in found.differences.items():
        rows.append({"what": f"fast against reference, lens {lens}", "value": _said(differences)})
    emit(rows, [Column("what", ""), Column("value", "", wraps=True)], form, output)
    if found.differences and form is Format.TABLE:
        _by_layer(found)


def _said(differences: np.ndarray[Any, np.dtype[np.float64]]) -> str:
    worst = int(differences.argmax())
    return (
        f"summed log-probs differ by at most {differences[worst]:.2%} (layer {worst + 1}), "
        f"{np.median(differences):.2%} at the median layer"
    )


def _by_layer(found: Checked) -> None:
    err.print("\nlargest relative difference by layer:")
    for lens, differences in found.differences.items():
        err.print(f"  {lens}: " + " ".join(f"{d:.1e}" for d in differences))
