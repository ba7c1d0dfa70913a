"""CPUs that this process may use, not the host's, what they are and what they compute exactly."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path

_CGROUP_ROOT = Path("/sys/fs/cgroup")
_CGROUP_OF_PROCESS = Path("/proc/self/cgroup")
_CPU_INFO = Path("/proc/cpuinfo")
_EXACT = {"avx512_vnni", "avx_vnni", "avx_vnni_int8", "asimddp"}
"""8-bit products summed in 32 bits, on x86 and on ARM."""
_ARITHMETIC = (
    *("avx", "avx2", "fma", "avx_vnni", "avx_vnni_int8", "avx_ne_convert"),
    *("avx512f", "avx512bw", "avx512_vnni", "avx512_bf16", "avx512_fp16"),
    *("amx_tile", "amx_bf16", "amx_int8", "amx_fp16"),
    *("asimd", "asimddp", "asimdhp", "bf16", "i8mm", "sve", "sve2", "sme"),
)
"""Flags by which libraries of networks choose their kernels, and so how a sum is rounded."""


def available_cpus(
    cgroup_root: Path = _CGROUP_ROOT, cgroup_of_process: Path = _CGROUP_OF_PROCESS
) -> int:
    """Return how many CPUs this process may keep busy, at least 1.

    This is the smaller of the CPU affinity and the cgroup quota (version 1 or 2), rounded down:
    the kernel stops threads beyond the quota while the others wait for them.

    Args:
        cgroup_root: where the cgroup file systems are mounted.
        cgroup_of_process: the file that lists this process's cgroups.
    """
    affinity = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    quotas = _quotas(cgroup_root, cgroup_of_process)
    return max(1, int(min([affinity, *quotas])))


def sums_8_bit_exactly(cpu_info: Path = _CPU_INFO) -> bool | None:
    """Tell whether 8-bit products are summed without saturating; None where that is unknown.

    x86 CPUs without VNNI add pairs of products in 16 bits, which saturate, so that an 8-bit
    network reads worse on them than where it was judged. Source: onnxruntime's "Quantize ONNX
    models".

    Args:
        cpu_info: Linux's description of the CPU.
    """
    flags = _described(cpu_info).get("flags")
    return None if flags is None else bool(_EXACT.intersection(flags.split()))


def cpu_kind(cpu_info: Path = _CPU_INFO) -> str | None:
    """Return the kind of CPU, as far as it decides how a network is computed.

    Args:
        cpu_info: Linux's description of the CPU.

    Returns:
        architecture and flags, e.g. `x86_64: avx avx2 fma`; None where they are unknown.
    """
    flags = _described(cpu_info).get("flags")
    if flags is None:
        return None
    known = set(flags.split())
    return f"{platform.machine()}: {' '.join(flag for flag in _ARITHMETIC if flag in known)}"


def cpu_name(cpu_info: Path = _CPU_INFO) -> str:
    """Return what the CPU calls itself; the architecture where it says nothing."""
    return _described(cpu_info).get("model name", platform.machine())


def _described(cpu_info: Path) -> Mapping[str, str]:
    """Return what Linux says of the first CPU, ARM's `features` as `flags`; empty elsewhere."""
    told: dict[str, str] = {}
    try:
        text = cpu_info.read_text(encoding="ascii", errors="replace")
    except OSError:
        return told
    for line in text.splitlines():
        name, _, value = line.partition(":")
        name = name.strip().lower()
        told.setdefault("flags" if name == "features" else name, value.strip())
    return told


def _quotas(root: Path, cgroup_of_process: Path) -> Iterator[float]:
    """Yield every quota, in CPUs, of the process's cgroups and of their parents."""
    try:
        memberships = cgroup_of_process.read_text().splitlines()
    except OSError:
        return  # not Linux, or no /proc: nothing but the affinity limits the process
    for membership in memberships:
        _, _, rest = membership.partition(":")
        controllers, _, group = rest.partition(":")
        if controllers == "":
            for folder in _folders_up(root, group):
                yield from _quota_v2(folder / "cpu.max")
        elif "cpu" in controllers.split(","):
            for mount in {root / controllers, root / "cpu"}:
                for folder in _folders_up(mount, group):
                    yield from _quota_v1(folder)


def _folders_up(mount: Path, group: str) -> Iterator[Path]:
    """Yield the folders from the process's cgroup up to the mount point.

    In a container the group's path is often the host's and does not exist here; the mount point
    then is the container's own group.
    """
    folder = mount / group.strip("/")
    yield folder
    while folder != mount:
        folder = folder.parent
        yield folder


def _quota_v2(file: Path) -> Iterator[float]:
    """Yield the quota of a cgroup of version 2, if it has one."""
    words = _words(file)
    if len(words) == 2 and words[0] != "max":
        yield int(words[0]) / int(words[1])


def _quota_v1(folder: Path) -> Iterator[float]:
    """Yield the quota of a cgroup of version 1, if it has one."""
    quota, period = _words(folder / "cpu.cfs_quota_us"), _words(folder / "cpu.cfs_period_us")
    if quota and period and int(quota[0]) > 0:
        yield int(quota[0]) / int(period[0])


def _words(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:
        return []  # this level of the hierarchy sets no quota
