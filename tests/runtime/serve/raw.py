"""Raw connections to a server in this process, for what no client library would send."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.runtime.serve.conftest import Served

HANG_S = 60
MIB = 2**20
GET = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /recognize HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


@contextmanager
def connected(served: Served, sent: bytes = b"") -> Iterator[socket.socket]:
    with socket.create_connection(served.socket.getsockname(), timeout=HANG_S) as connection:
        connection.sendall(sent)
        yield connection


def answers(connection: socket.socket) -> bytes:
    """Everything until the server closes."""
    pieces = []
    with suppress(ConnectionResetError):  # What it still was sent was thrown away first.
        while piece := connection.recv(65536):
            pieces.append(piece)
    return b"".join(pieces)


def status(answer: bytes) -> int:
    assert answer.startswith(b"HTTP/1.1 "), answer[:100]
    return int(answer[9:12])


def reason(answer: bytes) -> str:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"connection: close" in head
    said: str = json.loads(body)["error"]
    return said


def is_served(served: Served) -> bool:
    with connected(served, GET + b"Connection: close\r\n\r\n") as connection:
        return status(answers(connection)) == 200
