"""Runs the web server of a service until a signal ends it."""

from __future__ import annotations

import math
import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from types import FrameType
from typing import TYPE_CHECKING, Any

from runtime.errors import OcrError
from runtime.serve.app import build_app
from runtime.serve.bounds.http import bounded_protocol
from runtime.serve.service import Service
from runtime.serve.settings import Limits

if TYPE_CHECKING:
    import uvicorn

BACKLOG = 512
_SPARE_DESCRIPTORS = BACKLOG + 128
"""Descriptors for connections that are accepted before those beyond the limit are closed, and for
other files."""


def listen(host: str, port: int) -> socket.socket:
    """Bind a socket to the address before anything costly is started; it does not listen yet.

    Args:
        host: an address or name of this machine.
        port: 0 for any that is free.

    Raises:
        OcrError: if the address is unknown or taken.
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


def limits_within_descriptors(limits: Limits) -> Limits:
    """Lower the limit of connections to the descriptors that this process may open.

    The process's own limit of open files is raised first, as far as it may be. The limit of a
    single client shrinks too, so that room stays for others.

    Raises:
        OcrError: if hardly any file may be opened.
    """
    import resource

    num_open = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 256
    kept = num_open + _SPARE_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.connections + kept
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return limits
    if soft <= kept:
        raise OcrError(
            f"too few open files are allowed: expected more than {kept}, got {soft}; raise the "
            f"limit (ulimit -n {wanted})"
        )
    num_connections = soft - kept
    share = min(limits.connections_per_client, max(1, 3 * num_connections // 4))
    return replace(limits, connections=num_connections, connections_per_client=share)


def server_of(service: Service, drain_s: float = 0.0) -> uvicorn.Server:
    """Return the web server of a service, not started yet.

    Args:
        service: answers requests.
        drain_s: for so long after a first SIGTERM it goes on, but is not ready, so that whoever
            sends requests sends them elsewhere; a second signal ends that.
    """
    import uvicorn

    class Server(uvicorn.Server):
        """A server that is not ready for a while before it ends."""

        ends_at = math.inf

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            """Begin to end, or end."""
            if sig == signal.SIGTERM and drain_s and not service.is_draining:
                service.is_draining = True
                self.ends_at = time.monotonic() + drain_s
            else:
                service.is_draining = True
                super().handle_exit(sig, frame)

        async def on_tick(self, counter: int) -> bool:
            """Tell whether to end; called ten times a second."""
            if time.monotonic() >= self.ends_at:
                self.should_exit = True
            return await super().on_tick(counter)

    limits = replace(service.limits, seconds=service.most_seconds)
    protocol: Any = bounded_protocol(limits, service.connections)
    config = uvicorn.Config(
        build_app(service),
        http=protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=math.ceil(limits.idle_seconds) + 1,  # `Connections` ends them sooner
        timeout_graceful_shutdown=math.ceil(limits.seconds) + 1,
    )
    return Server(config)


def run(
    service: Service,
    listener: socket.socket,
    drain_s: float = 0.0,
    reload: Callable[[], None] | None = None,
) -> None:
    """Serve until a signal, then answer the accepted requests and return.

    Args:
        service: answers requests.
        listener: socket on which they arrive.
        drain_s: as `server_of`.
        reload: called on SIGHUP; without it SIGHUP ends the service as SIGTERM does.
    """
    server = server_of(service, drain_s)

    def hang_up(number: int, frame: FrameType | None) -> None:
        if reload is not None:
            reload()
        else:
            server.handle_exit(signal.SIGTERM, frame)

    signal.signal(signal.SIGHUP, hang_up)
    for number in (signal.SIGINT, signal.SIGTERM):
        # uvicorn handles them while it runs and raises them again when it has ended.
        signal.signal(number, _ignore)
    server.run(sockets=[listener])
    service.close()


def _ignore(number: int, frame: FrameType | None) -> None:
    """Do nothing: the server has ended normally already."""
