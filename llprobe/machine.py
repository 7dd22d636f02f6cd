"""What this machine offers: cores, memory, versions of the packages that decide numbers.

This module knows the machine through psutil and package metadata. It never loads llama.cpp.
"""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import psutil

__all__ = ["describe", "peak_memory", "performance_cores", "versions"]


def performance_cores() -> int:
    """Cores worth a thread: performance cores on Apple Silicon, else physical cores allowed."""
    if sys.platform == "darwin":
        query = ["/usr/sbin/sysctl", "-n", "hw.perflevel0.physicalcpu"]
        answer = subprocess.run(query, capture_output=True, text=True, check=False).stdout.strip()
        if answer.isdigit():
            return int(answer)
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(psutil.cpu_count(logical=False) or 1, allowed or 1))


def peak_memory() -> int:
    """Most bytes of memory that this process has held, the pages of mapped files included."""
    status = Path("/proc/self/status")
    if status.exists():
        # not getrusage: its maximum survives exec, so a child would inherit its parent's
        peak = next(x for x in status.read_text("utf-8").splitlines() if x.startswith("VmHWM:"))
        return int(peak.split()[1]) << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def versions() -> dict[str, str]:
    """Versions of llprobe, Python and the packages that scores depend on."""
    packages = ("llprobe", "llama-cpp-python", "gguf", "numpy")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def describe() -> dict[str, str]:
    """Operating system, processor, cores and memory, for a person to read."""
    memory = psutil.virtual_memory()
    return {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _processor(),
        "cores": f"{psutil.cpu_count(logical=False)} physical, {performance_cores()} used",
        "memory": f"{memory.total / 2**30:.1f} GiB, {memory.available / 2**30:.1f} GiB available",
    }


def _processor() -> str:
    if sys.platform == "darwin":
        query = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(query, capture_output=True, text=True, check=False).stdout.strip()
    if sys.platform == "linux":
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith(("model name", "Model")):
                    return line.partition(":")[2].strip()
    return platform.processor()
