"""The load test itself: what it calls right, wrong and lost."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from benchmarks.service.clients import Tally, Work, run_clients, run_flood

Answer = Callable[[bytes], tuple[int, list[str | None]]]
IMAGES = [b"first", b"second", b"third"]
TEXTS = ["FIRST", "SECOND", None]


@pytest.fixture
def start() -> Iterator[Callable[[Answer], tuple[str, int]]]:
    """Starts a server that answers as it is told."""
    servers: list[ThreadingHTTPServer] = []

    def started(answer: Answer) -> tuple[str, int]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, texts = answer(body)
                if status == 0:
                    self.close_connection = True
                    return
                results = [{"text": text or "", "error": None if text else "bad"} for text in texts]
                content = json.dumps({"results": results}).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *arguments: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return "127.0.0.1", server.server_port

    yield started
    for server in servers:
        server.shutdown()
        server.server_close()


def read_right(body: bytes) -> tuple[int, list[str | None]]:
    found = [(body.find(image), text) for image, text in zip(IMAGES, TEXTS, strict=True)]
    return 200, [text for place, text in sorted(found, key=lambda one: one[0]) if place >= 0]


@pytest.mark.parametrize("per_request", [1, 2, 3])
def test_right_answers_are_counted(start: Any, per_request: int) -> None:
    work = Work(*start(read_right), IMAGES, TEXTS, per_request)
    tally = run_clients(work, 3, 0.3)
    assert tally.is_faultless
    assert tally.num_right == per_request * tally.statuses["200"] > 3
    assert 0 < tally.percentile_ms(50) <= tally.percentile_ms(99)
    assert tally.images_per_s > 0


@pytest.mark.parametrize(
    "wrong",
    [
        lambda body: (200, ["SECOND"] * len(read_right(body)[1])),
        lambda body: (200, read_right(body)[1][::-1]),
        lambda body: (200, read_right(body)[1][:-1]),
        lambda body: (200, [None] * len(read_right(body)[1])),
    ],
)
def test_swapped_missing_and_invented_answers_are_found(start: Any, wrong: Answer) -> None:
    tally = run_clients(Work(*start(wrong), IMAGES, TEXTS, 2), 2, 0.2)
    assert tally.num_wrong and tally.wrong and not tally.is_faultless


def test_no_answer_is_lost_and_another_status_is_a_fault(start: Any) -> None:
    lost = run_clients(Work(*start(lambda body: (0, [])), IMAGES, TEXTS), 2, 0.2)
    assert set(lost.statuses) == {"lost"} and not lost.is_faultless
    busy = run_clients(Work(*start(lambda body: (429, [])), IMAGES, TEXTS), 2, 0.2)
    assert set(busy.statuses) == {"429"} and not busy.is_faultless and not busy.latencies_s


def test_a_flood_keeps_its_rate_and_its_end(start: Any) -> None:
    tally = run_flood(Work(*start(read_right), IMAGES, TEXTS), 50.0, 0.6, num_clients=4)
    assert 0 < sum(tally.statuses.values()) <= 31
    assert not tally.num_wrong


def test_percentiles_of_nothing_are_not_a_number() -> None:
    assert Tally().percentile_ms(50) != Tally().percentile_ms(50)
