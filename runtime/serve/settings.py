"""What a service is asked to do, and how much it takes at a time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from runtime.errors import OcrError

SERVED_PIXELS = 8 * 2**20
"""Of one image: a line has well below 1 M; four images of 64 M in 64 kB each, sent again and again,
left honest clients 28 to 40 % of their rate."""
CALLS_PER_REPLICA = 2
"""One that a replica reads and one that waits there, so that it never waits for the next."""


@dataclass(frozen=True)
class Limits:
    """How much one request, and all together, may ask for.

    Args:
        images_per_request: images in one request at most.
        body_bytes: length of a request's body at most, unpacked.
        pixels: of one image at most; a larger one is refused from its header.
        queued_images: images accepted and not yet answered at most, of all requests.
        queued_bytes: the same in bytes, counted as they arrive.
        seconds: from a request's header to its answer at most.
        connections: open at once at most; one more is told 503.
        connections_per_client: the same of one client address (of one /64 in IPv6); 0 for no
            bound but that of all.
        header_bytes, headers: of one request's header and trailer at most; beyond them 431.
        url_bytes: length of a request's address at most; beyond it 414.
        header_seconds: until a request's header is complete; beyond them 408.
        stall_seconds: between two pieces of a body at most, and the head start that the least
            rate of a body gives; beyond them 408.
        idle_seconds: that a connection may stay without a request.
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

    def __post_init__(self) -> None:
        for name, inner, outer in (
            ("images", self.images_per_request, self.queued_images),
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
        dictionary, device: as `Recognizer`.
        max_pixels: as `Recognizer`.
        max_batch: images in one call of a replica at most, and N at most.
    """

    model: Path
    dictionary: Path | None = None
    device: str = "auto"
    max_pixels: int = SERVED_PIXELS
    max_batch: int = 16
