"""The web server around a service, and how it ends."""

from __future__ import annotations

import math
import signal
import socket
from types import FrameType

from runtime.errors import OcrError
from runtime.serve.app import build_app
from runtime.serve.service import Service

BACKLOG = 512
_IDLE_CONNECTION_S = 30


def listen(host: str, port: int) -> socket.socket:
    """Take the address, before anything costly is started; it does not listen yet.

    Args:
        host: an address or name of this machine.
        port: 0 for any that is free.

    Raises:
        OcrError: if it cannot be had.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except (OSError, OverflowError) as error:
        raise OcrError(
            f"cannot listen on {host}, port {port}: {error}; name another --host or --port"
        ) from error
    return listener


def run(service: Service, listener: socket.socket) -> None:
    """Serve until a signal asks to end; what was accepted is answered first.

    Args:
        service: answers.
        listener: where requests come in.
    """
    import uvicorn

    config = uvicorn.Config(
        build_app(service),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=_IDLE_CONNECTION_S,
        timeout_graceful_shutdown=math.ceil(service.limits.seconds) + 1,
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        # uvicorn handles them while it runs and raises them once more when it has ended.
        signal.signal(number, _noted)
    uvicorn.Server(config).run(sockets=[listener])


def _noted(number: int, frame: FrameType | None) -> None:
    """The server has ended in good order already."""
