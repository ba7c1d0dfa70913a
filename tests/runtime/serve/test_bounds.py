"""What one request may take: raw sockets on loopback against a server in this process."""

from __future__ import annotations

import select
import socket
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.runtime.serve.conftest import Serve, png
from tests.runtime.serve.raw import (
    CHUNKED,
    GET,
    HANG_S,
    MIB,
    POST,
    answers,
    connected,
    is_served,
    reason,
    status,
)


def resident_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / MIB


@pytest.mark.parametrize(
    ("begin", "piece", "expected"),
    [
        (GET, b"x: y\r\n" * 10_000, 431),
        (GET, b"a:\r\n" * 10_000, 431),
        (GET + b"x: ", b"a" * 65536, 431),
        (GET, b"a" * 65536, 431),
        (b"GET /", b"a" * 65536, 414),
        (b"G", b"E" * 65536, 400),
        (CHUNKED + b"1\r\na\r\n0\r\n", b"x: y\r\n" * 10_000, 400),
        (CHUNKED + b"1\r\na\r\n0\r\nx: ", b"y" * 65536, 400),
        (CHUNKED + b"1;", b"e" * 65536, 400),
        (CHUNKED, b"1\r\na\r\n" * 10_000, 400),
        (CHUNKED, b"0" * 65536, 400),
    ],
)
def test_what_has_no_end_is_refused_and_held_nowhere(
    serve: Serve, begin: bytes, piece: bytes, expected: int
) -> None:
    served = serve()
    assert is_served(served)
    before = resident_mib()
    with connected(served, begin) as connection:
        try:
            for _ in range(64 * MIB // len(piece)):
                connection.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass
        else:
            connection.shutdown(socket.SHUT_WR)
        assert resident_mib() - before < 24
    assert is_served(served)
    with connected(served, begin + piece) as connection:
        answer = answers(connection)
    assert status(answer) == expected and reason(answer)


def test_a_header_within_its_limits_is_taken(serve: Serve) -> None:
    served = serve({"header_bytes": 4096, "headers": 20, "url_bytes": 1000})
    lines = b"".join(b"X-%d: y\r\n" % place for place in range(18))
    with connected(served, GET + lines + b"Connection: close\r\n\r\n") as connection:
        assert status(answers(connection)) == 200
    with connected(served, GET + lines + b"X: y\r\nConnection: close\r\n\r\n") as connection:
        assert status(answers(connection)) == 431
    for num_bytes, expected in ((3900, 200), (4096, 431)):
        header = b"X: %s\r\nConnection: close\r\n\r\n" % (b"y" * num_bytes)
        with connected(served, GET + header) as connection:
            assert status(answers(connection)) == expected
    for num_bytes, expected in ((999, 404), (1001, 414)):
        asked = b"GET /%s HTTP/1.1\r\n" % (b"a" * (num_bytes - 1))
        rest = b"Host: localhost\r\nConnection: close\r\n\r\n"
        with connected(served, asked + rest) as connection:
            assert status(answers(connection)) == expected


@pytest.mark.parametrize("begin", [b"", b"\r\n", GET, GET + b"x: "])
def test_a_header_that_is_never_complete_is_408(serve: Serve, begin: bytes) -> None:
    served = serve({"header_seconds": 0.6})
    with connected(served, begin) as connection:
        stop = threading.Event()

        def drip() -> None:
            while begin and not stop.wait(0.1):
                try:
                    connection.sendall(b"\r\n" if begin == b"\r\n" else b"a")
                except OSError:
                    return

        dripping = threading.Thread(target=drip)
        dripping.start()
        answer = answers(connection)
        stop.set()
        dripping.join()
    assert status(answer) == 408 if begin else answer == b""
    assert served.service.connections.num_open == 0


def test_a_connection_kept_for_nothing_is_closed(serve: Serve) -> None:
    served = serve({"idle_seconds": 0.5})
    with connected(served, GET + b"\r\n") as connection:
        answer = answers(connection)
    assert status(answer) == 200 and answer.count(b"HTTP/1.1") == 1


def test_empty_lines_do_not_keep_a_connection(serve: Serve) -> None:
    served = serve({"header_seconds": 0.5})
    with connected(served, GET + b"\r\n") as connection:
        assert status(connection.recv(65536)) == 200
        connection.sendall(b"\r\n")
        assert status(answers(connection)) == 408


@pytest.mark.parametrize(
    "request_of", [POST + b"Content-Length: 100\r\n\r\nab", CHUNKED + b"1\r\na\r\n"]
)
def test_a_body_that_stalls_is_408_and_takes_nothing(serve: Serve, request_of: bytes) -> None:
    served = serve({"stall_seconds": 0.5})
    with connected(served, request_of) as connection:
        answer = answers(connection)
    assert status(answer) == 408 and "body" in reason(answer)
    # The answer leaves before the request lets go of what it held.
    end = time.monotonic() + HANG_S
    while served.service.gate.num_bytes or served.service.connections.num_open:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_body_that_drips_is_408(serve: Serve) -> None:
    served = serve({"stall_seconds": 0.5, "seconds": HANG_S})
    with connected(served, POST + b"Content-Length: 100000\r\n\r\n") as connection:
        stop = threading.Event()

        def drip() -> None:
            while not stop.wait(0.05):
                try:
                    connection.sendall(b"a")
                except OSError:
                    return

        dripping = threading.Thread(target=drip)
        dripping.start()
        answer = answers(connection)
        stop.set()
        dripping.join()
    assert status(answer) == 408


def test_idle_uploads_leave_room_for_others(serve: Serve) -> None:
    """Each may become as long as all that fits."""
    served = serve({"queued_images": 4, "images_per_request": 4, "queued_bytes": 16 * MIB})
    with ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(connected(served, CHUNKED + b"1\r\na\r\n"))
        while served.service.gate.num_bytes < 40:
            time.sleep(0.01)
        body = png()
        length = b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
        with connected(served, POST + length + body) as connection:
            assert status(answers(connection)) == 200


def test_parked_bodies_make_room_for_others(serve: Serve) -> None:
    served = serve({"body_bytes": MIB, "queued_bytes": 2 * MIB, "stall_seconds": HANG_S})
    body = png()
    length = b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
    parked = b"Content-Length: %d\r\n\r\n" % MIB + b"\0" * (MIB - 8)
    with ExitStack() as stack:
        held = [stack.enter_context(connected(served, POST + parked)) for _ in range(2)]
        end = time.monotonic() + HANG_S
        got = 0
        while got != 200 and time.monotonic() < end:
            with connected(served, POST + length + body) as connection:
                got = status(answers(connection))
        assert got == 200
        pushed_out, _, _ = select.select(held, [], [], HANG_S)
        assert [status(listener.recv(65536)) for listener in pushed_out] == [429]
