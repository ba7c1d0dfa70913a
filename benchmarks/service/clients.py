"""Concurrent clients that check every answer against what a recogniser reads offline."""

from __future__ import annotations

import http.client
import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

_BOUNDARY = "distilrec-benchmark"
_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Work:
    """What clients ask for, over and over.

    Args:
        host, port: of the service.
        images: bytes of image files.
        texts: what stands in each offline, None if it cannot be read.
        per_request: images in one request.
    """

    host: str
    port: int
    images: Sequence[bytes]
    texts: Sequence[str | None]
    per_request: int = 1

    def request(self, begin: int) -> tuple[bytes, list[str | None], dict[str, str]]:
        """Return a body with the images from `begin` on, the texts expected, and its headers."""
        places = [(begin + number) % len(self.images) for number in range(self.per_request)]
        texts = [self.texts[place] for place in places]
        if self.per_request == 1:
            headers = {"Content-Type": "application/octet-stream"}
            return self.images[places[0]], texts, headers
        pieces = []
        for place in places:
            head = (
                f"--{_BOUNDARY}\r\nContent-Disposition: form-data; name=image; "
                f'filename="{place}"\r\n\r\n'
            )
            pieces += [head.encode(), self.images[place], b"\r\n"]
        pieces.append(f"--{_BOUNDARY}--\r\n".encode())
        headers = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
        return b"".join(pieces), texts, headers


@dataclass
class Tally:
    """What came of the requests.

    Args:
        statuses: how many of each; `lost` where no answer came.
        num_right: images whose text is that read offline.
        wrong: other answers, the first few.
        latencies_s: of each request that was answered with 200.
        seconds: from the first request to the last answer.
    """

    statuses: Counter[str] = field(default_factory=Counter)
    num_right: int = 0
    num_wrong: int = 0
    wrong: list[str] = field(default_factory=list)
    latencies_s: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def images_per_s(self) -> float:
        """Images answered rightly, per second."""
        return self.num_right / self.seconds

    @property
    def is_faultless(self) -> bool:
        """Tell whether every request was answered, and with the right texts."""
        return set(self.statuses) <= {"200"} and not self.num_wrong

    def percentile_ms(self, percent: float) -> float:
        """Return the latency in ms that `percent` of the requests stay within."""
        ordered = sorted(self.latencies_s)
        place = min(len(ordered) - 1, int(len(ordered) * percent / 100))
        return 1000 * ordered[place] if ordered else float("nan")

    def count(self, status: str, seconds: float) -> None:
        """Count a request that was answered, or was not."""
        self.statuses[status] += 1
        if status == "200":
            self.latencies_s.append(seconds)

    def compare(self, expected: Sequence[str | None], body: bytes) -> None:
        """Hold the texts of an answer against those expected."""
        results = json.loads(body)["results"]
        read = [None if result["error"] else result["text"] for result in results]
        if len(read) != len(expected):
            self.num_wrong += len(expected)
            self.wrong.append(f"{len(read)} answers for {len(expected)} images")
            return
        for got, wanted in zip(read, expected, strict=True):
            if got == wanted:
                self.num_right += 1
            else:
                self.num_wrong += 1
                if len(self.wrong) < 5:
                    self.wrong.append(f"{got!r} instead of {wanted!r}")


def run_clients(work: Work, num_clients: int, seconds: float, tally: Tally | None = None) -> Tally:
    """Run clients at once, each of which asks again as soon as it was answered.

    Args:
        work: what they ask for.
        num_clients: how many.
        seconds: after which no new request is made; those under way are waited for.
        tally: counted in, for who wants to look on.
    """
    tally = Tally() if tally is None else tally
    lock, turn = threading.Lock(), itertools.count()
    begin = time.perf_counter()

    def client() -> None:
        connection = http.client.HTTPConnection(work.host, work.port, timeout=_TIMEOUT_S)
        while time.perf_counter() - begin < seconds:
            _ask_and_count(work, next(turn), connection, tally, lock)
        connection.close()

    _all_at_once([threading.Thread(target=client) for _ in range(num_clients)])
    tally.seconds = time.perf_counter() - begin
    return tally


def run_flood(
    work: Work,
    images_per_s: float,
    seconds: float,
    num_clients: int = 256,
    tally: Tally | None = None,
    timeout_s: float = _TIMEOUT_S,
    are_newcomers: bool = False,
) -> Tally:
    """Send requests at a given rate, whether or not those before were answered.

    Args:
        work: what is asked for.
        images_per_s: the rate aimed at; clients that still wait make it less.
        seconds: how long.
        num_clients: who share the rate.
        tally: counted in.
        timeout_s: after which a client gives a request up.
        are_newcomers: whether each request takes a connection of its own.
    """
    tally = Tally() if tally is None else tally
    lock, turn = threading.Lock(), itertools.count()
    pause_s = work.per_request / images_per_s
    begin = time.perf_counter()

    def client() -> None:
        connection = http.client.HTTPConnection(work.host, work.port, timeout=timeout_s)
        while True:
            number = next(turn)
            due = begin + number * pause_s
            time.sleep(max(0.0, due - time.perf_counter()))
            if max(due, time.perf_counter()) > begin + seconds:
                break
            _ask_and_count(work, number, connection, tally, lock)
            if are_newcomers:
                connection.close()
        connection.close()

    _all_at_once([threading.Thread(target=client) for _ in range(num_clients)])
    tally.seconds = time.perf_counter() - begin
    return tally


def _ask_and_count(
    work: Work,
    number: int,
    connection: http.client.HTTPConnection,
    tally: Tally,
    lock: threading.Lock,
) -> None:
    """Make the request of this number and check its answer."""
    body, texts, headers = work.request(number * work.per_request)
    asked = time.perf_counter()
    status, answer = ask(connection, body, headers)
    took = time.perf_counter() - asked
    with lock:
        tally.count(status, took)
        if status == "200":
            tally.compare(texts, answer)


def ask(
    connection: http.client.HTTPConnection, body: bytes, headers: dict[str, str]
) -> tuple[str, bytes]:
    """Send one request; return status and body of the answer, `lost` when none came."""
    try:
        connection.request("POST", "/recognize", body, headers)
        response = connection.getresponse()
        return str(response.status), response.read()
    except (OSError, http.client.HTTPException):
        connection.close()
        return "lost", b""


def _all_at_once(threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
