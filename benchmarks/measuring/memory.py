"""The memory that a process took at its peak."""

from __future__ import annotations

from pathlib import Path


def peak_memory_mib() -> float | None:
    """Return this process's peak memory in MiB; None where the system does not tell.

    `getrusage` would count that of the process which started this one, too.
    """
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    peaks = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return round(int(peaks[0]) / 1024, 1) if peaks else None
