"""`llprobe doctor`: versions, build, devices, memory, and how exact this model is on this machine.

This module knows how findings are said. They come from the worker.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import numpy as np

from llprobe.agreement import in_words
from llprobe.cli.console import err
from llprobe.cli.options import (
    Format,
    FormatOption,
    GpuLayers,
    Output,
    Rpc,
    Threads,
    option,
    servers,
)
from llprobe.cli.output import Column, emit
from llprobe.cli.rpc import warn_open
from llprobe.errors import RunError
from llprobe.events import Checked, CheckRequest
from llprobe.machine import describe, versions
from llprobe.model import resolve
from llprobe.report.models import size
from llprobe.rpc import Server, check_distinct, greet
from llprobe.runner import ask
from llprobe.settings import EngineSettings

__all__ = ["doctor"]

_RPC: Final = {
    "yes": "yes: `llprobe rpc serve` lends this machine's devices, --rpc uses another's",
    "no": "no: docs/devices.md says how to build llama-cpp-python with it",
}


def doctor(
    model: Annotated[
        str | None, option("-m", "--model", help="Compare fast with reference mode on this model.")
    ] = None,
    threads: Threads = None,
    gpu_layers: GpuLayers = -1,
    rpc: Rpc = None,
    form: FormatOption = Format.TABLE,
    output: Output = None,
) -> None:
    """Say what this machine and build are, and how far to trust it with a model.

    Fast scoring is compared with reference mode, and the device in use, if any, with the CPU.
    """
    info = resolve(model) if model else None
    settings = EngineSettings(n_threads=threads, n_gpu_layers=gpu_layers)
    settings = settings.using(servers(rpc))
    check_distinct(settings.servers)
    warn_open(settings.servers)
    lent = [_lent(greet(address)) for address in settings.servers]
    found = ask(CheckRequest(info, settings), Checked)
    known = describe() | versions()
    facts = known | {k: v for k, v in found.facts.items() if k.replace("_", "-") not in known}
    facts["rpc"] = _RPC[facts["rpc"]]
    rows: list[dict[str, Any]] = [{"what": k, "value": v} for k, v in facts.items()]
    rows += lent
    if info:
        rows.append({"what": "device against CPU", "value": _agreement(found, settings)})
    for lens, differences in found.differences.items():
        rows.append({"what": f"fast against reference, lens {lens}", "value": _said(differences)})
    emit(rows, [Column("what", ""), Column("value", "", wraps=True)], form, output)
    if found.differences and form is Format.TABLE:
        _by_layer(found)
    if found.agreement and not found.agreement.trusted:
        raise RunError(f"{model}: {_agreement(found, settings)}")


def _lent(server: Server) -> dict[str, Any]:
    """Return a row about what an RPC server lends."""
    memory = ", ".join(f"{size(free)} of {size(total)} free" for free, total in server.memory)
    return {"what": f"rpc {server.address}", "value": memory}


def _agreement(found: Checked, settings: EngineSettings) -> str:
    if found.agreement is None:
        return "the CPU is the only device in use: nothing to compare"
    remedy = "the CPU without --rpc (-ngl 0)" if settings.servers else "-ngl 0"
    return in_words(found.agreement, remedy)


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
