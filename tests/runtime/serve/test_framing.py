"""Where a request ends and the next begins: nothing is taken that could be read in two ways."""

from __future__ import annotations

from contextlib import suppress

import pytest

from tests.runtime.serve.conftest import Serve
from tests.runtime.serve.raw import (
    CHUNKED,
    GET,
    POST,
    answers,
    connected,
    is_served,
    status,
)


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
