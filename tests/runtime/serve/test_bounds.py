"""What a client may take: raw sockets on loopback against a server in this process."""

from __future__ import annotations

import json
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from runtime.serve.connections import Phase
from tests.runtime.serve.conftest import Serve, Served, png

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
    try:
        while piece := connection.recv(65536):
            pieces.append(piece)
    except ConnectionResetError:
        pass  # What it still was sent was thrown away, and in the end refused.
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
    assert served.service.gate.num_bytes == 0 and served.service.connections.num_open == 0


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
        assert [status(one.recv(65536)) for one in pushed_out] == [429]


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


def test_requests_far_ahead_of_their_answers_are_not_taken(serve: Serve) -> None:
    served = serve()
    with connected(served, (GET + b"\r\n") * 5) as connection:
        got = b""
        while got.count(b'{"status":"alive"}') < 5:
            got += connection.recv(65536)
    with connected(served) as connection:
        with suppress(OSError):
            connection.sendall((GET + b"\r\n") * 20_000)
        got = answers(connection)
    assert got.count(b"HTTP/1.1 200") <= 10
    assert is_served(served)


@pytest.mark.parametrize(
    "request_of",
    [
        POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        POST + b"Content-Length: +3\r\n\r\nabc",
        POST + b"Content-Length: -3\r\n\r\nabc",
        POST + b"Content-Length: 3, 3\r\n\r\nabc",
        POST + b"Content-Length: 99999999999999999999999\r\n\r\nabc",
        POST + b"Content-Length : 3\r\n\r\nabc",
        POST + b" folded: 3\r\n\r\n",
        POST + b"Content-Length: 0\n\n",
        CHUNKED + b"xyz\r\n",
        CHUNKED + b"fffffffffffffffffff\r\n",
        CHUNKED + b"1\r\nabc\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        b"GET /health HTTP/1.1\r\n\r\n",
        b"GET /health HTTP/9.9\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
)
def test_what_two_servers_may_understand_differently_is_refused(
    serve: Serve, request_of: bytes
) -> None:
    """And what stands behind it is no request of its own."""
    served = serve({"header_seconds": 0.5, "stall_seconds": 0.5, "idle_seconds": 0.5})
    with connected(served, request_of + GET + b"\r\n") as connection:
        got = answers(connection)
    assert 400 <= status(got) < 500
    if b"Host: localhost\r\nHost" not in request_of and b"1.1\r\n\r\n" not in request_of:
        assert got.count(b"HTTP/1.1 ") == 1
    assert is_served(served)


def test_another_protocol_is_not_spoken(serve: Serve) -> None:
    served = serve()
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    key = b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    with connected(served, GET + upgrade + key + b"\x82\x7f" + b"\xff" * 100) as connection:
        got = answers(connection)
    assert status(got) == 200 and got.count(b"HTTP/1.1 ") == 1


def test_an_answer_that_nobody_takes_is_given_up(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.serve.bounded_http._SENT_WITHIN_S", 0.5)
    served = serve({"seconds": 0.5})
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(served.socket.getsockname())
        description = GET.replace(b"/health", b"/openapi.json") + b"\r\n"
        try:
            for _ in range(200):
                connection.sendall(description * 8)
                time.sleep(0.01)
        except OSError:
            pass
        end = time.monotonic() + HANG_S
        while served.service.connections.num_open:
            assert time.monotonic() < end
            time.sleep(0.05)


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
