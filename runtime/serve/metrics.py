"""Metrics for Prometheus, in a registry of the service's own."""

from __future__ import annotations

from collections.abc import Sequence

from runtime.serve.batcher import Record
from runtime.serve.bounds.connections import Connections
from runtime.serve.bounds.gate import Gate

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_IMAGES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Counts requests, images and calls.

    Args:
        gate: asked for the accepted images and bytes whenever the metrics are read.
        connections: asked for their number then.
    """

    def __init__(self, gate: Gate, connections: Connections) -> None:
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
        ):
            gauge = Gauge(f"distilrec_{name}", what, registry=registry)
            gauge.set_function(figure)

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

    def exposition(self) -> tuple[bytes, str]:
        """Return all metrics in Prometheus's text format, and its content type."""
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

        return generate_latest(self._registry), CONTENT_TYPE_LATEST
