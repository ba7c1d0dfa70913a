"""Where a figure was measured: machine, revision, versions."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from runtime.cpu import available_cpus

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("paddlepaddle", "paddlepaddle-gpu", "numpy", "numba", "opencv-python-headless")
SETTINGS_FROM_OUTSIDE = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "KMP_BLOCKTIME",
    "MKL_DEBUG_CPU_TYPE",
    "FLAGS_use_mkldnn",
    "LD_PRELOAD",
)
"""Environment variables that change the speed of training."""

_IDENTITY = ("cpu", "cpus_available", "cpus", "gpus")
"""What tells machines apart; load, kernel and Python do not."""
_BUSY_SHARE = 0.1


def fingerprint_of(machine: Mapping[str, Any]) -> str:
    """Hash what makes figures of two machines comparable, to 12 hexadecimal digits.

    Args:
        machine: as `describe_machine` gives it.
    """
    identity = json.dumps([machine.get(name) for name in _IDENTITY])
    return hashlib.sha256(identity.encode()).hexdigest()[:12]


def describe_machine() -> dict[str, Any]:
    """Describe this machine as far as it matters for figures; its name is not included.

    Returns:
        CPU model, CPUs this process may use and CPUs there are, memory in GiB, GPUs, operating
        system, the load average of the last minute, CPUs that others keep busy just now, and
        settings given by the environment.
    """
    return {
        "cpu": _cpu_model(),
        "cpus_available": available_cpus(),
        "cpus": os.cpu_count(),
        "memory_gib": _memory_gib(),
        "gpus": _gpus(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "libc": " ".join(platform.libc_ver()),
        "python": platform.python_version(),
        "load_average": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "busy_cpus": busy_cpus(),
        "environment": {
            name: os.environ[name] for name in SETTINGS_FROM_OUTSIDE if name in os.environ
        },
    }


def busy_cpus(seconds: float = 0.5, times: Path = Path("/proc/stat")) -> float | None:
    """Measure how many CPUs other processes keep busy; None where the system does not tell.

    The load average will not do: it remembers for a minute what has ended.

    Args:
        seconds: to look.
        times: Linux's counters of what its CPUs did.
    """
    before = _cpu_times(times)
    time.sleep(seconds)
    after = _cpu_times(times)
    if before is None or after is None or after[0] <= before[0]:
        return None
    total, idle = after[0] - before[0], after[1] - before[1]
    return round((1 - idle / total) * (os.cpu_count() or 1), 2)


def is_busy(machine: Mapping[str, Any]) -> bool:
    """Tell whether others took more than a tenth of the CPUs when the machine was described."""
    busy = machine.get("busy_cpus")
    return busy is not None and busy > _BUSY_SHARE * machine["cpus_available"]


def _cpu_times(times: Path) -> tuple[int, int] | None:
    """Return the ticks of all CPUs together, and those in which they were idle."""
    try:
        name, *ticks = times.read_text(encoding="ascii").split("\n", 1)[0].split()
        counted = [int(tick) for tick in ticks[:8]]  # what follows is counted in these already
    except (OSError, ValueError):
        return None
    return (sum(counted), counted[3] + counted[4]) if name == "cpu" and len(counted) > 4 else None


def git_revision(folder: Path = ROOT) -> dict[str, Any]:
    """Return the checkout's commit and whether tracked files differ from it; None where unknown."""
    commit = _output_of(["git", "-C", str(folder), "rev-parse", "HEAD"])
    changes = _output_of(["git", "-C", str(folder), "status", "--porcelain", "-uno"])
    return {"commit": commit or None, "is_modified": None if changes is None else bool(changes)}


def package_versions(names: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Return the version of each package that is installed here."""
    versions = {}
    for name in names:  # some stand for each other, some are optional
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


def _cpu_model() -> str:
    lines: list[str] = []
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)
    except (AttributeError, OSError, ValueError):
        return None  # not a system that tells


def _gpus() -> list[str]:
    found = _output_of(["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"])
    return found.splitlines() if found else []


def _output_of(command: list[str]) -> str | None:
    """Run a short command and return its output; None if it is missing or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
