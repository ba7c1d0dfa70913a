"""Metrics for Prometheus, in a registry of the service's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from runtime.serve.batcher import Record
from runtime.serve.bounds.connections import Connections
from runtime.serve.bounds.gate import Gate

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_IMAGES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Counts requests, images and calls.

    Args:
        gate: asked for the accepted images and bytes whenever the metrics are read.
        connections: asked for their number then.
        page_gate: as `gate`, of pages; None where none are read.
    """

    def __init__(self, gate: Gate, connections: Connections, page_gate: Gate | None = None) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "distilrec_requests", "Requests answered", ("route", "status"), registry=registry
        )
        self._seconds = Histogram(
            "distilrec_request_seconds",
            "Time from a request to its answer",
            ("route",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._images = Counter(
            "distilrec_images", "Images answered", ("outcome",), registry=registry
        )
        self._call_images = Histogram(
            "distilrec_call_images",
            "Images in one call of a replica",
            buckets=_IMAGES,
            registry=registry,
        )
        self._read_again = Counter(
            "distilrec_images_read_again", "Images whose replica died", registry=registry
        )
        for name, what, figure in (
            ("in_hand_images", "Images in hand", lambda: gate.num_images),
            ("in_hand_bytes", "Bytes of requests in hand", lambda: gate.num_bytes),
            ("connections", "Connections open", lambda: connections.num_open),
            *_page_figures(page_gate),
        ):
            gauge = Gauge(f"distilrec_{name}", what, registry=registry)
            gauge.set_function(figure)
        if page_gate is not None:
            self._pages = Counter(
                "distilrec_pages", "Pages answered", ("outcome",), registry=registry
            )
            self._page_seconds = Histogram(
                "distilrec_page_seconds",
                "Time of a page in a replica",
                buckets=_SECONDS,
                registry=registry,
            )
            self._pages_read_again = Counter(
                "distilrec_pages_read_again", "Pages whose replica died", registry=registry
            )

    def count_request(self, route: str, status: int, seconds: float) -> None:
        """Count an answered request and its time."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def count_images(self, records: Sequence[Record]) -> None:
        """Count the answered images, unreadable ones separately."""
        num_failed = sum(record["error"] is not None for record in records)
        self._images.labels("read").inc(len(records) - num_failed)
        self._images.labels("error").inc(num_failed)

    def count_call(self, num_images: int) -> None:
        """Count a call of a replica by the number of its images."""
        self._call_images.observe(num_images)

    def count_lost(self, num_images: int) -> None:
        """Count images that are read again because their replica died."""
        self._read_again.inc(num_images)

    def count_pages(self, num_read: int, num_failed: int) -> None:
        """Count the answered pages, unreadable ones separately."""
        self._pages.labels("read").inc(num_read)
        self._pages.labels("error").inc(num_failed)

    def count_page_call(self, seconds: float) -> None:
        """Count a page that a replica was asked for."""
        self._page_seconds.observe(seconds)

    def count_lost_page(self, num_pages: int) -> None:
        """Count pages that are read again because their replica died."""
        self._pages_read_again.inc(num_pages)

    def exposition(self) -> tuple[bytes, str]:
        """Return all metrics in Prometheus's text format, and its content type."""
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

        return generate_latest(self._registry), CONTENT_TYPE_LATEST


def _page_figures(gate: Gate | None) -> Iterator[tuple[str, str, Callable[[], int]]]:
    """Yield the figures of the pages' queue, where there is one."""
    if gate is not None:
        yield "in_hand_pages", "Pages in hand", lambda: gate.num_images
        yield "in_hand_page_bytes", "Bytes of requests for pages in hand", lambda: gate.num_bytes
