"""The process behind `runtime.images.decoders`, which decodes the images that it is sent."""

from __future__ import annotations

import socket
import struct

from runtime.processes.child import READY, SOCKET, limit_memory, received, set_alarms

REQUEST = struct.Struct(">QIIqddQ")
"""Bytes of the file, width, height, page (-1: none), seconds of CPU time and of the clock,
additional address space in bytes."""

REPLY = struct.Struct(">?II")
"""True, height and width of the decoded image; or False, length of the reason in bytes and 0."""


def main() -> None:
    """Answer requests until the socket closes."""
    connection = socket.socket(fileno=SOCKET)
    import cv2

    import runtime.images.decoding  # noqa: F401  now, not within the time of the first image

    cv2.setNumThreads(1)
    connection.sendall(READY)
    while request := received(connection, REQUEST.size):
        num_bytes, width, height, page, cpu_seconds, seconds, memory = REQUEST.unpack(request)
        set_alarms(cpu_seconds, seconds)
        data = received(connection, num_bytes)
        if len(data) < num_bytes:
            return
        reply = _reply(bytes(data), (width, height), None if page < 0 else page, memory)
        set_alarms(0, 0)
        for part in reply:
            connection.sendall(part)


def _reply(
    data: bytes, size: tuple[int, int], page: int | None, memory: int
) -> tuple[bytes, bytes | memoryview]:
    """Decode an image; return a `REPLY` and the pixels or the reason."""
    from runtime.errors import ImageError
    from runtime.images.decoding import decode_image

    try:
        limit_memory(memory)
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


if __name__ == "__main__":
    main()
