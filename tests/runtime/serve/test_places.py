"""What all connections may take together, and how each ends."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from runtime.serve.bounds.connections import Phase
from tests.runtime.serve.conftest import Serve, Served, png
from tests.runtime.serve.raw import (
    CHUNKED,
    GET,
    HANG_S,
    MIB,
    POST,
    answers,
    connected,
    is_served,
    status,
)


def heavy(served: Served) -> None:
    """Let every answer be larger than what sockets hold on their way."""
    read = served.backend.read

    async def long(images: Any) -> Any:
        return [{**record, "warnings": ["x" * 16 * MIB]} for record in await read(images)]

    served.service._batcher._read_batch = long


@contextmanager
def connected_to_take_nothing(served: Served) -> Iterator[socket.socket]:
    body = png()
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(served.socket.getsockname())
        connection.sendall(POST + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        yield connection


def until(is_so: Any) -> None:
    end = time.monotonic() + HANG_S
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_connections_beyond_the_limit_are_503_and_the_oldest_unfinished_makes_room(
    serve: Serve,
) -> None:
    served = serve({"connections": 20, "connections_per_client": 0})
    with ExitStack() as stack:
        held = [stack.enter_context(connected(served, GET)) for _ in range(20)]
        while served.service.connections.num_open < 20:
            time.sleep(0.01)
        with connected(served) as one_more:
            assert status(answers(one_more)) == 503
        time.sleep(1.2)
        assert is_served(served)
        assert status(answers(held[0])) == 503
        assert served.service.connections.num_open < 20


def test_a_share_of_one_address(serve: Serve) -> None:
    served = serve({"connections": 20, "connections_per_client": 5})
    with ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(connected(served, GET))
        while served.service.connections.num_open < 5:
            time.sleep(0.01)
        with connected(served) as one_more:
            assert status(answers(one_more)) == 503
        elsewhere = stack.enter_context(socket.socket())
        elsewhere.bind(("127.0.0.2", 0))
        elsewhere.connect(served.socket.getsockname())
        elsewhere.sendall(GET + b"Connection: close\r\n\r\n")
        assert status(answers(elsewhere)) == 200


def test_more_connections_than_descriptors_leave_it_reachable(serve: Serve) -> None:
    """Each beyond the limit is told so or closed, and takes no descriptor for long."""
    served = serve({"connections": 32, "connections_per_client": 0})
    num_before = len(list(Path("/proc/self/fd").iterdir()))
    with ExitStack() as stack:
        held = [stack.enter_context(connected(served, GET)) for _ in range(300)]
        assert served.service.connections.num_open <= 32
        end = time.monotonic() + HANG_S
        while len(list(Path("/proc/self/fd").iterdir())) > num_before + len(held) + 32 + 8:
            assert time.monotonic() < end
            time.sleep(0.05)
        time.sleep(1.2)
        assert is_served(served)


def test_an_answer_that_nobody_takes_is_given_up(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.serve.bounds.http._SENT_WITHIN_S", 0.5)
    served = serve({"idle_seconds": 0.5})
    heavy(served)
    with connected_to_take_nothing(served):
        until(lambda: served.service.metrics.exposition()[0].count(b'outcome="read"} 1.0'))
        assert served.service.connections.num_open == 1
        until(lambda: served.service.connections.num_open == 0)


def test_answers_that_nobody_takes_hold_no_place(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    ages = ((Phase.IDLE, 0.0), (Phase.SENDING, 0.5))
    monkeypatch.setattr("runtime.serve.bounds.connections._MAKES_ROOM", ages)
    served = serve({"connections": 4, "connections_per_client": 0, "idle_seconds": HANG_S})
    heavy(served)
    num_before = len(list(Path("/proc/self/fd").iterdir()))
    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(connected_to_take_nothing(served))
        until(lambda: served.service.metrics.exposition()[0].count(b'outcome="read"} 4.0'))

        def is_let_in() -> bool:
            with connected(served, GET + b"Connection: close\r\n\r\n") as connection:
                return status(answers(connection)) == 200

        until(is_let_in)
        assert served.service.connections.num_open < 4
        # And none lives on without a place.
        until(lambda: len(list(Path("/proc/self/fd").iterdir())) < num_before + 4 + 4)


def test_a_stop_waits_for_no_one_who_stalls(serve: Serve) -> None:
    served = serve({"seconds": HANG_S, "header_seconds": HANG_S, "stall_seconds": HANG_S})
    with ExitStack() as stack:
        for begin in (b"", GET, POST + b"Content-Length: 9\r\n\r\nabc", CHUNKED, GET + b"\r\n"):
            stack.enter_context(connected(served, begin))
        while served.service.connections.num_open < 5:
            time.sleep(0.01)
        served.server.should_exit = True
        served._thread.join(HANG_S / 2)
        assert not served._thread.is_alive()


def test_the_phases_of_a_request_leave_the_connection_idle(serve: Serve) -> None:
    served = serve()
    in_phase: Any = served.service.connections._in_phase
    body = png()
    with connected(served) as connection:
        for _ in range(3):
            connection.sendall(POST + b"Content-Length: %d\r\n\r\n" % len(body))
            connection.sendall(body)
            assert status(connection.recv(65536)) == 200
            end = time.monotonic() + HANG_S
            while not in_phase[Phase.IDLE]:
                assert time.monotonic() < end
                time.sleep(0.01)
    end = time.monotonic() + HANG_S
    while any(in_phase.values()):
        assert time.monotonic() < end
        time.sleep(0.01)
