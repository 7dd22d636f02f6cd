"""The work of jobs: pull a model or a task's questions, quantise; in children that can be stopped.

This module knows children and what they say. It does not know screens.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final

from llprobe.children import call, raise_failure
from llprobe.errors import FetchError
from llprobe.events import Failed, Quantized, QuantizeRequest, QuantizeStep
from llprobe.machine import performance_cores
from llprobe.model import ModelInfo, quant_path, read_model, resolve
from llprobe.report.models import quantised

from .jobs import Job, Stopped

__all__ = ["making", "pulling", "pulling_task"]

_TICK: Final = 0.3


def pulling(ref: str) -> Job:
    """Return the job that downloads a model."""
    return Job(f"pulling {ref}", ref, lambda job: _pull("model", ref, job), unit="bytes")


def pulling_task(name: str) -> Job:
    """Return the job that downloads a task's published questions."""
    return Job(f"pulling {name}", name, lambda job: _pull("task", name, job), unit="bytes")


def making(ref: str, quants: Sequence[str]) -> Job:
    """Return the job that writes a model in other quants, one after the other."""
    title = f"making {', '.join(quants)} of {ref}"
    return Job(title, ref, lambda job: _make_all(ref, quants, job), unit="tensors")


def _pull(kind: str, name: str, job: Job) -> list[str]:
    command = [sys.executable, "-P", "-m", "llprobe.tui.puller", kind, name]
    with tempfile.TemporaryFile() as noise:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=noise,
            process_group=0,
        )  # fmt: skip
        try:
            job.cancel.attach(child)
            said = _listen(child, job)
        finally:
            _end(child)
        if said is None:
            raise FetchError(f"{job.title}: it ended too soon ({_last(noise)}); p pulls it again")
        return said


def _last(noise: IO[bytes]) -> str:
    noise.seek(0)
    lines = noise.read().decode(errors="replace").split("\n")
    return next((line for line in reversed(lines) if line), "it was ended from outside")


def _listen(child: subprocess.Popen[bytes], job: Job) -> list[str] | None:
    """Return what the child said at its end, None where it ended without a word."""
    for said in _said(child, job):
        if "failed" in said:
            raise FetchError(str(said["failed"]))
        if "here" in said:
            return [str(said["here"])]
        job.progress(int(said["done"]), int(said["total"]))
    if job.cancel.requests:
        raise Stopped
    return None


def _said(child: subprocess.Popen[bytes], job: Job) -> Iterator[dict[str, Any]]:
    """Yield what the child prints, looking between whether it is to be stopped."""
    pipe, rest = child.stdout, b""
    while pipe is not None:
        job.tick()
        if job.cancel.requests:
            return
        if not select.select([pipe], [], [], _TICK)[0]:
            continue
        chunk = os.read(pipe.fileno(), 65536)
        if not chunk:
            return
        *lines, rest = (rest + chunk).split(b"\n")
        yield from map(json.loads, lines)


def _end(child: subprocess.Popen[bytes]) -> None:
    """Stop the child and what it started, such as pip; nothing happens where they have ended."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    if child.stdout:
        child.stdout.close()


def _make_all(ref: str, quants: Sequence[str], job: Job) -> list[str]:
    base, lines = resolve(ref), list[str]()
    for quant in quants:
        path = quant_path(base, quant)
        if path.exists():
            lines.append(f"{base.name} as {quant} is here already: {path}")
            continue
        job.progress(0, 0)
        _make(base, quant, path, job)
        lines += quantised(base, read_model(path, f"{path.parent.name}:{quant}"))
    return lines


def _make(base: ModelInfo, quant: str, path: Path, job: Job) -> None:
    request = QuantizeRequest(base, quant, str(path), performance_cores())
    for event in call(request, job.cancel, job.tick):
        if isinstance(event, Failed):
            raise_failure(event)
        if isinstance(event, QuantizeStep):
            job.progress(event.done, event.total)
        if isinstance(event, Quantized):
            return
    raise Stopped
