"""How many CPUs this process may use: its affinity and its container's quota, not the host's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_CGROUP_ROOT = Path("/sys/fs/cgroup")
_CGROUP_OF_PROCESS = Path("/proc/self/cgroup")


def available_cpus(
    cgroup_root: Path = _CGROUP_ROOT, cgroup_of_process: Path = _CGROUP_OF_PROCESS
) -> int:
    """CPUs that this process may keep busy, at least 1.

    The smaller of the CPU affinity and the cgroup quota (version 1 or 2), the quota rounded
    down: a thread more than the quota is stopped by the kernel while the others wait for it.

    Args:
        cgroup_root: where the cgroup file systems are mounted.
        cgroup_of_process: the file that lists this process's cgroups.
    """
    affinity = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    quotas = _quotas(cgroup_root, cgroup_of_process)
    return max(1, int(min([affinity, *quotas])))


def _quotas(root: Path, cgroup_of_process: Path) -> Iterator[float]:
    """Every quota, in CPUs, set on the process's cgroups and on those around them."""
    try:
        memberships = cgroup_of_process.read_text().splitlines()
    except OSError:
        return  # not Linux, or no /proc: nothing but the affinity limits the process
    for membership in memberships:
        _, _, rest = membership.partition(":")
        controllers, _, group = rest.partition(":")
        if controllers == "":
            for folder in _enclosing(root, group):
                yield from _quota_v2(folder / "cpu.max")
        elif "cpu" in controllers.split(","):
            for mount in {root / controllers, root / "cpu"}:
                for folder in _enclosing(mount, group):
                    yield from _quota_v1(folder)


def _enclosing(mount: Path, group: str) -> Iterator[Path]:
    """The folders from the process's cgroup up to the mount point.

    In a container the group's path is often the host's and not to be found here; the mount
    point then is the container's own group.
    """
    folder = mount / group.strip("/")
    yield folder
    while folder != mount:
        folder = folder.parent
        yield folder


def _quota_v2(file: Path) -> Iterator[float]:
    words = _words(file)
    if len(words) == 2 and words[0] != "max":
        yield int(words[0]) / int(words[1])


def _quota_v1(folder: Path) -> Iterator[float]:
    quota, period = _words(folder / "cpu.cfs_quota_us"), _words(folder / "cpu.cfs_period_us")
    if quota and period and int(quota[0]) > 0:
        yield int(quota[0]) / int(period[0])


def _words(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:
        return []  # this level of the hierarchy sets no quota
