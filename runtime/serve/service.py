"""Answers a request: admits it, reads its images in batches with others', keeps the time limit."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from runtime.errors import OcrError
from runtime.images.size import declared_size
from runtime.recognition.spec import RecognizerSpec
from runtime.serve.batcher import Batcher, Record
from runtime.serve.bounds.access_log import AccessLog
from runtime.serve.bounds.body import Body, NamedBytes
from runtime.serve.bounds.connections import Connections
from runtime.serve.bounds.gate import Pass
from runtime.serve.bounds.hosts import Hosts
from runtime.serve.intake import Intake
from runtime.serve.metrics import Metrics
from runtime.serve.pages.service import PageBackend, PageService
from runtime.serve.settings import CALLS_PER_REPLICA, Limits

if TYPE_CHECKING:
    from starlette.requests import Request

Done = TypeVar("Done")

_HEADER_BYTES = 64 * 2**10
"""Bytes of an image in which its size is looked for; it is read even if none is found there."""

_log = logging.getLogger(__name__)


class Backend(Protocol):
    """Reads images: replicas on a cluster, or a recogniser in this process."""

    @property
    def spec(self) -> RecognizerSpec:
        """Input and output of the model."""

    @property
    def description(self) -> str:
        """Engine, version, device and threads of a replica."""

    @property
    def num_replicas(self) -> int:
        """Number of replicas that the backend was started with."""

    async def read(self, images: Sequence[bytes]) -> Sequence[Record]:
        """Read images and return a record for each.

        Raises:
            ReplicaLost: if the replica died; the images may be read again.
            EngineError: if the engine fails.
        """

    async def is_ready(self) -> bool:
        """Tell whether at least one replica can read."""


class Service:
    """A model behind HTTP, used by a single event loop.

    Args:
        backend: reads the images.
        name: of the model, in paths and answers.
        limits: bounds of each request and of all together.
        key: API key that requests must carry, or several of which they must carry one; None if
            they need none.
        max_batch, max_wait_s: as `Batcher`.
        hosts: names by which requests may address it; only loopback and IP addresses when None.
        page_backend: reads pages; None where no detector is there.
        page_limits: bounds of the requests for pages, which have a queue of their own.
        access_log: is told of every request; None for none.
    """

    def __init__(
        self,
        backend: Backend,
        name: str,
        limits: Limits | None = None,
        key: str | Sequence[str] | None = None,
        max_batch: int = 16,
        max_wait_s: float = 0.005,
        hosts: Hosts | None = None,
        page_backend: PageBackend | None = None,
        page_limits: Limits | None = None,
        access_log: AccessLog | None = None,
    ) -> None:
        self.backend, self.name, self.access_log = backend, name, access_log
        self.keys = (key,) if isinstance(key, str) else tuple(key or ())
        self.is_draining = False
        self.limits, self.hosts = limits or Limits(), hosts or Hosts()
        self._intake = Intake(self.limits)
        self.gate = self._intake.gate
        self.connections = Connections(self.limits)
        self.pages: PageService | None = None
        if page_backend is None:
            self.metrics = Metrics(self.gate, self.connections)
        else:
            page_intake = Intake(page_limits or self.limits.for_pages())
            self.metrics = Metrics(self.gate, self.connections, page_intake.gate)
            self.pages = PageService(page_backend, page_intake, self.metrics)
        self._batcher = Batcher(
            backend.read,
            max_batch=max_batch,
            max_wait_s=max_wait_s,
            calls_at_once=CALLS_PER_REPLICA * backend.num_replicas,
            on_call=self.metrics.count_call,
            on_lost=self.metrics.count_lost,
        )
        self._readiness: asyncio.Task[bool] | None = None

    @property
    def most_seconds(self) -> float:
        """The longest that a request may take, of whatever kind."""
        pages = self.pages
        return max(self.limits.seconds, pages.limits.seconds if pages is not None else 0.0)

    async def answer(
        self,
        request: Request,
        images_of: Callable[[Body, Limits], list[NamedBytes]],
    ) -> list[Record]:
        """Read the images of a request.

        Args:
            request: its body has not been read yet.
            images_of: finds the images in the body; called in a thread.

        Returns:
            a record for each image, with the name that the client gave it.

        Raises:
            Refusal: if the request cannot be served, or not in time.
            EngineError: if the engine fails.
        """

        def parse(body: Body) -> tuple[list[NamedBytes], list[int]]:
            images = images_of(body, self.limits)
            return images, [self._bucket_of(data) for _, data in images]

        async def read(
            parsed: tuple[list[NamedBytes], list[int]], held: Pass
        ) -> tuple[list[NamedBytes], list[Record]]:
            images, buckets = parsed
            held.hold(len(images), sum(len(data) for _, data in images))
            return images, await self._read([data for _, data in images], buckets)

        images, records = await self._intake.answer(request, parse, read)
        self.metrics.count_images(records)
        return [{"name": name, **record} for (name, _), record in zip(images, records, strict=True)]

    def close(self) -> None:
        """End the threads; no request may follow."""
        self._intake.close()
        if self.pages is not None:
            self.pages.close()

    async def in_thread(self, work: Callable[[], Done], num_bytes: int = 0) -> Done:
        """Run `work` on a request of `num_bytes` bytes in a thread, beside the event loop."""
        return await self._intake.in_thread(work, num_bytes)

    async def is_ready(self) -> bool:
        """Tell whether images can be read; concurrent callers share a call of the backend."""
        if self.is_draining:
            return False
        if self._readiness is None or self._readiness.done():
            self._readiness = asyncio.create_task(self._ask_backend())
        return await asyncio.shield(self._readiness)

    async def _ask_backend(self) -> bool:
        """Ask the backend whether it is ready; a coroutine, as a task needs."""
        return await self.backend.is_ready()

    async def _read(self, images: Sequence[bytes], buckets: Sequence[int]) -> list[Record]:
        """Read images; an unexpected error is logged and becomes an `OcrError`."""
        try:
            return await self._batcher.read(images, buckets)
        except OcrError:
            raise
        except Exception as error:
            _log.exception("a replica failed")
            raise OcrError("a replica failed; the service's log says how") from error

    def _bucket_of(self, image: bytes) -> int:
        """Return the network's input width in px by the image's header, 0 without a size there."""
        width, height = declared_size(image[:_HEADER_BYTES]) or (0, 0)
        if width <= 0 or height <= 0:
            return 0
        policy = self.backend.spec.width
        return policy.input_width(policy.content_width(height, width, self.backend.spec.height))
