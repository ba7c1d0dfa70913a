"""The process behind `runtime.images.decoders`, which decodes the images that it is sent.

Hostile bytes can harm this process alone: memory is limited for each image by what its header
states, time by alarms that end the process even within compiled code, and a crash costs a single
image. The process ends when its socket closes, and so with its parent, however that ended.
"""

from __future__ import annotations

import os
import signal
import socket
import struct

REQUEST = struct.Struct(">QIIqddQ")
"""Bytes of the file, width, height, page (-1: none), seconds of CPU time and of the clock,
additional address space in bytes."""

ALARMS = (signal.SIGALRM, signal.SIGPROF) if os.name == "posix" else ()
"""Signals whose default action ends a process that has used up its time."""

REPLY = struct.Struct(">?II")
"""True, height and width of the decoded image; or False, length of the reason in bytes and 0."""

READY = b"r"
"""Sent as soon as requests can be answered."""

SOCKET = 0
_PAGE_BYTES_FILE = "/proc/self/statm"


def main() -> None:
    """Answer requests until the socket closes."""
    connection = socket.socket(fileno=SOCKET)
    import cv2

    import runtime.images.decoding  # noqa: F401  now, not within the time of the first image

    cv2.setNumThreads(1)
    connection.sendall(READY)
    while request := received(connection, REQUEST.size):
        num_bytes, width, height, page, cpu_seconds, seconds, memory = REQUEST.unpack(request)
        _set_alarms(cpu_seconds, seconds)
        data = received(connection, num_bytes)
        if len(data) < num_bytes:
            return
        reply = _reply(bytes(data), (width, height), None if page < 0 else page, memory)
        _set_alarms(0, 0)
        for part in reply:
            connection.sendall(part)


def _set_alarms(cpu_seconds: float, seconds: float) -> None:
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


def _reply(
    data: bytes, size: tuple[int, int], page: int | None, memory: int
) -> tuple[bytes, bytes | memoryview]:
    """Decode an image; return a `REPLY` and the pixels or the reason."""
    from runtime.errors import ImageError
    from runtime.images.decoding import decode_image

    try:
        _limit_memory(memory)
        image = decode_image(data, size, page)
        return REPLY.pack(True, *image.shape[:2]), image.reshape(-1).data
    except ImageError as error:
        reason = str(error)
    except MemoryError:
        reason = "no memory is left to decode it; lower --max-pixels"
    except Exception as error:
        reason = f"it cannot be decoded: {type(error).__name__}: {error}"
    text = reason.encode("utf-8", "backslashreplace")
    return REPLY.pack(False, len(text), 0), text


def _limit_memory(num_bytes: int) -> None:
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


if __name__ == "__main__":
    main()
