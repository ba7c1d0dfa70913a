"""Bounds uvicorn's HTTP: limits that hold before a request is admitted.

uvicorn's own protocol accepts headers, addresses and waiting connections without limit. Its parser
is compiled, and counting its events keeps its speed; h11, which has some such limits of its own,
takes a third more CPU time for each request.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from http import HTTPStatus

from runtime.serve.bounds.connections import Connections, Phase, Place, client_of
from runtime.serve.settings import Limits

_PIECE_BYTES = 16 * 2**10
"""Bytes given to the parser at a time, by which a limit may be exceeded."""

_MOST_AHEAD = 8
_LEAST_BYTES_PER_S = 1000
_LEAST_CONTENT = 16
"""Least ratio of the bytes in chunks to those that frame them: a chunk of 1 byte costs as much as
a chunk of 1,000."""

_SEEN_WITHIN_S = 1.0
_SENT_WITHIN_S = 30.0


def bounded_protocol(limits: Limits, connections: Connections) -> Callable[..., asyncio.Protocol]:
    """Return the class of protocol that uvicorn instantiates for each connection.

    Args:
        limits: of a request and of all connections.
        connections: counts each connection.
    """
    import httptools
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    class Refused(Exception):
        """A request beyond a limit; raised while it is parsed."""

    class Bounded(HttpToolsProtocol):
        """A connection.

        `_reading` is the part of a request that the parser is in, and None between two requests.
        It may be ahead of the request that is being answered, and of the connection's phase.
        """

        _place: Place
        _reading: Phase | None = None
        _refusal: tuple[int, str] | None = None
        _is_deaf = False  # whether the rest of the input is ignored
        _has_come = False  # whether any byte was received
        _num_headers = _header_bytes = _framing_bytes = _body_bytes = 0

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._place = Place(self, client_of(self.client[0] if self.client else ""))
            if not connections.admit(self._place):
                self._refuse(503, "too many connections; try again later")

        def connection_lost(self, exc: Exception | None) -> None:
            connections.remove(self._place)
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            self._unset_keepalive_if_required()
            self._has_come = True
            if self._place.phase is Phase.IDLE:
                self._enter(Phase.HEADER, limits.header_seconds)
            if len(data) <= _PIECE_BYTES:
                self._feed(data)
                return
            for begin in range(0, len(data), _PIECE_BYTES):
                self._feed(data[begin : begin + _PIECE_BYTES])

        def _feed(self, piece: bytes) -> None:
            """Parse a piece of the input, and refuse the request if a limit is exceeded."""
            if self._is_deaf:
                return
            reading, body_bytes = self._reading, self._body_bytes
            try:
                self.parser.feed_data(piece)
            except httptools.HttpParserUpgrade:
                # Other protocols are not supported, so the rest of the input is ignored.
                self._ignore_input()
            except httptools.HttpParserError as error:
                status, reason = self._refusal or (400, f"this is no HTTP request: {error}"[:200])
                self._refuse(status, reason)
            if reading is None or self._reading is not reading:
                return
            # Bytes of a header that does not end, or the framing of a body's chunks.
            content_bytes = self._body_bytes - body_bytes
            self._framing_bytes += len(piece) - content_bytes
            if self._framing_bytes > limits.header_bytes + self._body_bytes // _LEAST_CONTENT:
                self._refuse(*self._too_long())
            elif content_bytes and self._place.phase is Phase.BODY:
                self._put_off()

        def on_message_begin(self) -> None:
            if len(self.pipeline) >= _MOST_AHEAD:
                self._stop(400, f"expected at most {_MOST_AHEAD} requests ahead of their answers")
            self._reading = Phase.HEADER
            self._num_headers = self._header_bytes = self._framing_bytes = self._body_bytes = 0
            super().on_message_begin()

        def on_url(self, url: bytes) -> None:
            super().on_url(url)
            if len(self.url) > limits.url_bytes:
                self._stop(
                    414, f"the address is too long: expected at most {limits.url_bytes} bytes"
                )

        def on_header(self, name: bytes, value: bytes) -> None:
            self._num_headers += 1
            self._header_bytes += len(name) + len(value) + 4
            if self._num_headers > limits.headers or self._header_bytes > limits.header_bytes:
                self._stop(*self._too_long())
            if self._reading is Phase.HEADER:  # trailers are ignored
                super().on_header(name, value)

        def on_headers_complete(self) -> None:
            self._reading = Phase.BODY
            super().on_headers_complete()
            if not self.pipeline:
                self._enter(Phase.BODY, limits.stall_seconds)

        def on_body(self, body: bytes) -> None:
            self._body_bytes += len(body)
            super().on_body(body)

        def on_message_complete(self) -> None:
            self._reading = None
            super().on_message_complete()
            if self._place.phase is Phase.BODY:
                self._enter_waiting()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            if self._place.phase is Phase.LEAVING:
                return
            is_last = self.cycle.response_complete
            if self.transport.is_closing() or (self._is_deaf and is_last):
                self.transport.close()
                self._enter(Phase.SENDING, _SENT_WITHIN_S)
            elif self._reading is Phase.HEADER and is_last:
                self._enter(Phase.HEADER, limits.header_seconds)
            elif self._reading is Phase.BODY:
                # The rest of the answered request, read to keep the connection, or the next one.
                self._enter(Phase.BODY, limits.stall_seconds)
            else:
                self._enter_waiting()

        def pause_writing(self) -> None:
            super().pause_writing()
            if self._place.phase is Phase.ANSWER:
                self._enter(Phase.SENDING, _SENT_WITHIN_S)

        def resume_writing(self) -> None:
            super().resume_writing()
            if self._place.phase is Phase.SENDING and not self.transport.is_closing():
                self._enter_waiting()

        def shutdown(self) -> None:
            """Shorten the time of an unfinished body, as the service is to end."""
            super().shutdown()
            if self._place.phase is Phase.BODY:
                self._enter(Phase.BODY, min(limits.stall_seconds, _SEEN_WITHIN_S))

        def make_room(self) -> None:
            """End the connection in favour of another."""
            phase, is_sent = self._place.phase, not self.transport.get_write_buffer_size()
            if phase is Phase.SENDING or (phase is Phase.IDLE and not is_sent):
                self.transport.abort()
            elif phase is Phase.IDLE:
                self.transport.close()
            else:
                self._refuse(503, "too many connections, and this one was slow; try again later")

        def end_in_time(self, phase: Phase) -> None:
            """End the connection, as the time of this phase is over."""
            if phase is Phase.IDLE:
                self.transport.close()
                self._enter(Phase.SENDING, _SENT_WITHIN_S)
            elif phase is Phase.HEADER and self._has_come:
                self._refuse(408, "the header did not come in time")
            elif phase is Phase.BODY and self.flow.read_paused:
                self._enter(Phase.BODY, limits.stall_seconds)  # the service itself is slow
            elif phase is Phase.BODY and not self.cycle.response_complete:
                self._refuse(408, "the body did not come in time; send it without pauses")
            else:
                self.abort()

        def abort(self) -> None:
            """End the connection at once."""
            connections.remove(self._place)
            self.transport.abort()

        def _enter(self, phase: Phase, seconds: float) -> None:
            connections.enter(self._place, phase, seconds)

        def _enter_waiting(self) -> None:
            """Enter the phase of waiting for the next request, or for an answer that is due."""
            if self.cycle.response_complete:
                self._enter(Phase.IDLE, limits.idle_seconds)
            else:
                self._enter(Phase.ANSWER, limits.seconds + _SENT_WITHIN_S)

        def _put_off(self) -> None:
            """Extend the deadline of a body, but not of a body whose mean rate is too low."""
            if self.cycle.response_complete:
                return
            place = self._place
            at_least = place.since + self._body_bytes / _LEAST_BYTES_PER_S
            place.deadline = min(connections.now(), at_least) + limits.stall_seconds

        def _stop(self, status: int, reason: str) -> None:
            """Stop parsing within a callback of the parser; the request is refused after it."""
            self._refusal = status, reason
            raise Refused(reason)

        def _too_long(self) -> tuple[int, str]:
            """Return status and reason for a header, or a framing of chunks, that is too long."""
            if self._reading is Phase.BODY:
                return 400, "the chunks hold too little: expected 100 bytes or more in each"
            most, lines = limits.header_bytes, limits.headers
            return 431, f"the header is too long: expected at most {lines} lines and {most} bytes"

        def _ignore_input(self) -> None:
            """Ignore the rest of the input, and close the connection after the answers due."""
            self._is_deaf = True
            if self.cycle is not None:
                self.cycle.keep_alive = False

        def _refuse(self, status: int, reason: str) -> None:
            """Answer the request that is being read with a status and a reason, then close."""
            if self._is_deaf or self.transport.is_closing():
                return
            cycle = self.cycle
            is_answer_due = cycle is not None and not cycle.response_complete
            if is_answer_due and self._reading is not Phase.BODY:
                self._ignore_input()  # the requests before it were valid and are answered
                return
            if is_answer_due and (cycle.response_started or self.pipeline):
                self.abort()
                return
            self._ignore_input()
            if is_answer_due:
                cycle.disconnected = True
                cycle.message_event.set()
            self.transport.write(_answer(status, reason))
            # Closing at once might discard the answer unread: further input is read and dropped.
            self.transport.write_eof()
            self.flow.resume_reading()
            self._enter(Phase.LEAVING, _SEEN_WITHIN_S)

    return Bounded


def _answer(status: int, reason: str) -> bytes:
    """Return a complete HTTP answer with a JSON error, after which the connection closes."""
    body = json.dumps({"error": reason}).encode()
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body
