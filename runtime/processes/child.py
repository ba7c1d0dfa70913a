"""What a kept process does itself: receive, and bound its own time and memory.

Hostile bytes can harm this process alone: memory is limited for each request, time by alarms that
end the process even within compiled code, and a crash costs a single answer. The process ends
when its socket closes, and so with its parent, however that ended.
"""

from __future__ import annotations

import os
import signal
import socket

ALARMS = (signal.SIGALRM, signal.SIGPROF) if os.name == "posix" else ()
"""Signals whose default action ends a process that has used up its time."""

READY = b"r"
"""Sent as soon as requests can be answered."""

SOCKET = 0
_PAGE_BYTES_FILE = "/proc/self/statm"


def set_alarms(cpu_seconds: float, seconds: float) -> None:
    """End the process after these times; 0 clears an alarm."""
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def received(connection: socket.socket, num_bytes: int) -> bytearray:
    """Receive `num_bytes` bytes; return fewer if the socket closes before."""
    data = bytearray(num_bytes)
    view, filled = memoryview(data), 0
    while filled < num_bytes:
        count = connection.recv_into(view[filled:])
        if not count:
            break
        filled += count
    del view
    del data[filled:]
    return data


def limit_memory(num_bytes: int) -> None:
    """Limit the address space to its present size and `num_bytes` more, where the system can."""
    try:
        import resource

        with open(_PAGE_BYTES_FILE, "rb") as file:
            used = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        wanted = used + num_bytes
        if hard != resource.RLIM_INFINITY:
            wanted = min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))
    except (ImportError, OSError, ValueError):
        return  # a system without such limits
