"""The other side of `runtime.images.decoders`: a process that decodes what it is sent, one by one.

Whatever bytes do to a decoder, they do it here: the memory is limited for each image by what its
header states, the time by alarms that end the process even within compiled code, and a crash is
that of one image. The process ends when its socket does, that is with its parent, however that
ended.
"""

from __future__ import annotations

import os
import signal
import socket
import struct

REQUEST = struct.Struct(">QIIqddQ")
"""Bytes of the file, width, height, page (-1: none), seconds of the CPU and of the clock, further
address space in bytes."""

ALARMS = (signal.SIGALRM, signal.SIGPROF) if os.name == "posix" else ()
"""Signals by which a process ends that has used up its time: their default action."""

REPLY = struct.Struct(">?II")
"""Whether it was decoded, height and width; or False, length of the reason in bytes and 0."""

READY = b"r"
"""Sent once, as soon as requests can be answered."""

SOCKET = 0
_PAGE_BYTES_FILE = "/proc/self/statm"


def main() -> None:
    """Answer requests until the socket ends."""
    connection = socket.socket(fileno=SOCKET)
    import cv2

    import runtime.images.decoding  # noqa: F401  not within the time of the first image

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
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def received(connection: socket.socket, num_bytes: int) -> bytearray:
    """So many bytes; fewer if the socket ends before."""
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
    """Let the address space grow by so many bytes from what it is, where the system can tell."""
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
