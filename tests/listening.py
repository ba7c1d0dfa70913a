"""Where processes listen, for tests that hold them to loopback; from Linux's /proc."""

from __future__ import annotations

import ipaddress
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

_LISTENS = "0A"

needs_proc = pytest.mark.skipif(
    not Path("/proc/net/tcp").is_file(), reason="sockets are looked up in Linux's /proc"
)


def family_of(pid: int) -> list[int]:
    """Process ids of a process and of all that descend from it."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue  # ended meanwhile
        parents[int(folder.name)] = int(state[1])
    family = [pid]
    for member in family:
        family += [child for child, parent in parents.items() if parent == member]
    return family


def addresses_listened_at(pids: Iterable[int]) -> list[str]:
    """The address of every TCP socket at which one of these processes listens."""
    sockets = set()
    for pid in pids:
        for descriptor in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                found = re.match(r"socket:\[(\d+)\]", os.readlink(descriptor))
            except OSError:
                continue  # closed meanwhile
            if found:
                sockets.add(found[1])
    addresses = []
    for table in ("tcp", "tcp6"):
        for row in Path(f"/proc/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
            words = row.split()
            if words[3] == _LISTENS and words[9] in sockets:
                addresses.append(_address(words[1].rpartition(":")[0]))
    return addresses


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches it; IPv4 addresses written as IPv6 too."""
    found = ipaddress.ip_address(address)
    mapped = getattr(found, "ipv4_mapped", None)
    return bool((mapped or found).is_loopback)


def _address(in_hex: str) -> str:
    """As the kernel writes it: words of four bytes, each in the order of the machine."""
    words = [int(in_hex[at : at + 8], 16) for at in range(0, len(in_hex), 8)]
    packed = b"".join(word.to_bytes(4, sys.byteorder) for word in words)
    return str(ipaddress.ip_address(packed))
