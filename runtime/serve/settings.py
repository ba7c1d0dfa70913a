"""Settings of a service: its limits, and how its replicas read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from runtime.errors import OcrError

SERVED_PIXELS = 8 * 2**20
"""Bound of the pixels of an image: a line has well below 1 M. A client that kept sending four
images of 64 M pixels in 64 kB each left other clients 28 to 40 % of their rate."""
SERVED_PAGE_PIXELS = 40 * 2**20
"""Bound of the pixels of a page: A4 at 600 px per inch has 35 M, A3 at 300 px per inch 17 M."""
PDF_CPU_SECONDS = 5.0
"""Of opening a PDF file or one of its pages, which take 0.2 s where nobody made them to take long;
each pixel adds time."""
PAGES_PER_REPLICA = 2
"""A page is read by all CPUs of its replica; another one is decoded and begun meanwhile. There are
no more, so that lines find room beside giant pages."""
CALLS_PER_REPLICA = 2
"""A replica reads one call while the next waits there, so that it is never idle between them."""


@dataclass(frozen=True)
class Limits:
    """Upper bounds of a request and of all requests together.

    Args:
        images_per_request: images in a request.
        body_bytes: length of a request's body, decompressed.
        pixels: of an image; a larger one is refused from its header.
        queued_images: images of all requests that are accepted and not yet answered.
        queued_bytes: the same in bytes, counted as they arrive.
        seconds: from a request's header to its answer.
        connections: open at once; a further one is refused with 503.
        connections_per_client: the same for a client address (for a /64 in IPv6); 0 for no bound
            but that of all.
        header_bytes, headers: of a request's header and trailer; beyond them 431.
        url_bytes: length of a request's address; beyond it 414.
        header_seconds: until a request's header is complete; beyond them 408.
        stall_seconds: between two pieces of a body, and by which a body may fall behind the least
            rate; beyond them 408.
        idle_seconds: for which a connection may stay without a request.
        unit: what is counted in the queue, for messages.
    """

    images_per_request: int = 64
    body_bytes: int = 16 * 2**20
    pixels: int = SERVED_PIXELS
    queued_images: int = 128
    queued_bytes: int = 256 * 2**20
    seconds: float = 30.0
    connections: int = 512
    connections_per_client: int = 384
    header_bytes: int = 32 * 2**10
    headers: int = 100
    url_bytes: int = 8 * 2**10
    header_seconds: float = 10.0
    stall_seconds: float = 5.0
    idle_seconds: float = 30.0
    unit: str = "image"

    def for_pages(
        self,
        pages_per_request: int = 64,
        queued_pages: int = 128,
        pixels: int = SERVED_PAGE_PIXELS,
        seconds: float = 120.0,
    ) -> Limits:
        """Return the bounds of requests for pages: those of connections and bodies stay."""
        return replace(
            self,
            images_per_request=min(pages_per_request, queued_pages),
            queued_images=queued_pages,
            pixels=pixels,
            seconds=seconds,
            unit="page",
        )

    def __post_init__(self) -> None:
        for name, inner, outer in (
            (f"{self.unit}s", self.images_per_request, self.queued_images),
            ("bytes", self.body_bytes, self.queued_bytes),
        ):
            if inner > outer:
                raise OcrError(
                    f"a request may be larger than the queue: expected at most {outer} {name} in "
                    f"a request, got {inner}; lower the one limit or raise the other"
                )


@dataclass(frozen=True)
class ReaderOptions:
    """The model and how replicas read with it.

    Args:
        model: path of the ONNX file or plan, on every machine that has a replica.
        dictionary, device, max_pixels: as `Recognizer`.
        max_batch: images in a call of a replica at most, and N at most.
        detector: path of the detector of pages, None where only lines are read.
        page_pixels: of a page at most.
        precision: as `Recognizer`.
    """

    model: Path
    dictionary: Path | None = None
    device: str = "auto"
    max_pixels: int = SERVED_PIXELS
    max_batch: int = 16
    detector: Path | None = None
    page_pixels: int = SERVED_PAGE_PIXELS
    precision: str = "auto"
