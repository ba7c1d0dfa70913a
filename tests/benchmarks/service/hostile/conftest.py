"""A server that notes what it is sent, for attacks and honest clients to try themselves on."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from benchmarks.service.hostile.attack import Target

TEXT = "read"


class NotingServer:
    """Answers every request whose body it has, or nobody, from entering to leaving the block.

    Args:
        status: of its answers; None to answer nobody.
    """

    def __init__(self, status: int | None) -> None:
        self._status = status
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.received: list[bytearray] = []
        self.sources: set[str] = set()
        self._connections: list[socket.socket] = []

    @property
    def target(self) -> Target:
        """This server, attacked from another address."""
        return Target("127.0.0.1", self.port, "toy", b"an image", ("127.0.0.2",))

    def __enter__(self) -> NotingServer:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes who accepts
        self._listener.close()
        for connection in self._connections:
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, address = self._listener.accept()
            except OSError:
                return  # closed
            connection.settimeout(20)
            self.sources.add(address[0])
            self._connections.append(connection)
            noted = bytearray()
            self.received.append(noted)
            threading.Thread(target=self._serve, args=(connection, noted), daemon=True).start()

    def _serve(self, connection: socket.socket, noted: bytearray) -> None:
        try:
            while data := connection.recv(2**16):
                noted += data
                if self._status is not None and is_whole(bytes(noted)):
                    body = json.dumps({"results": [{"text": TEXT, "error": None}]}).encode()
                    head = f"HTTP/1.1 {self._status} So\r\nContent-Length: {len(body)}\r\n\r\n"
                    connection.sendall(head.encode() + body)
                    return
        except OSError:
            return  # the client has gone
        finally:
            connection.close()


def is_whole(request: bytes) -> bool:
    """Whether a request's body is as long as its header says."""
    head, end, body = request.partition(b"\r\n\r\n")
    length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
    return bool(end) and len(body) == int(length or 0)


StartServer = Callable[..., NotingServer]


@pytest.fixture
def start_server() -> Iterator[StartServer]:
    """Starts a `NotingServer` with the status given."""
    with ExitStack() as stack:
        yield lambda status=200: stack.enter_context(NotingServer(status))
