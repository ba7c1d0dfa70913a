"""Answers a request: admits it, reads its images in batches with others', keeps the time limit."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol, TypeVar

from runtime.errors import OcrError
from runtime.images.size import declared_size
from runtime.recognition.spec import RecognizerSpec
from runtime.serve.batcher import Batcher, Record
from runtime.serve.bounds.body import Body, NamedBytes, check_headers, collect
from runtime.serve.bounds.connections import Connections
from runtime.serve.bounds.gate import Gate, Pass
from runtime.serve.bounds.hosts import Hosts
from runtime.serve.bounds.refusal import Refusal
from runtime.serve.metrics import Metrics
from runtime.serve.settings import CALLS_PER_REPLICA, Limits

if TYPE_CHECKING:
    from starlette.requests import Request

Done = TypeVar("Done")

_HEADER_BYTES = 64 * 2**10
"""Bytes of an image in which its size is looked for; it is read even if none is found there."""

_PARSING_THREADS = 2
_LARGE_BYTES = 256 * 2**10
"""Bodies of this length and more are parsed in a thread of their own: short ones never wait."""

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
        key: API key that requests must carry, None if they need none.
        max_batch, max_wait_s: as `Batcher`.
        hosts: names by which requests may address it; only loopback and IP addresses when None.
    """

    def __init__(
        self,
        backend: Backend,
        name: str,
        limits: Limits | None = None,
        key: str | None = None,
        max_batch: int = 16,
        max_wait_s: float = 0.005,
        hosts: Hosts | None = None,
    ) -> None:
        self.backend, self.name, self.key = backend, name, key
        self.limits, self.hosts = limits or Limits(), hosts or Hosts()
        self.gate = Gate(self.limits)
        self.connections = Connections(self.limits)
        self.metrics = Metrics(self.gate, self.connections)
        self._batcher = Batcher(
            backend.read,
            max_batch=max_batch,
            max_wait_s=max_wait_s,
            calls_at_once=CALLS_PER_REPLICA * backend.num_replicas,
            on_call=self.metrics.count_call,
            on_lost=self.metrics.count_lost,
        )
        self._parsing = ThreadPoolExecutor(_PARSING_THREADS, "parse")
        self._parsing_large = ThreadPoolExecutor(1, "parse-large")
        self._readiness: asyncio.Task[bool] | None = None

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
        check_headers(request, self.limits)
        deadline = asyncio.get_running_loop().time() + self.limits.seconds
        with self.gate.enter() as held:
            body = await self._collect(request, held, deadline)
            late = self._late()
            images, buckets = await _within(deadline, self._parse(body, images_of), late)
            del body  # the images are copies of its parts
            held.hold(len(images), sum(len(data) for _, data in images))
            read = self._read([data for _, data in images], buckets)
            records = await _within(deadline, read, late)
        self.metrics.count_images(records)
        return [{"name": name, **record} for (name, _), record in zip(images, records, strict=True)]

    def _late(self) -> Refusal:
        """Return the refusal of a request whose time is over."""
        reason = (
            f"not read within {self.limits.seconds:g} s: there is much to do, or a replica that "
            "died is not back yet; try again later, or send fewer images at a time"
        )
        return Refusal(504, reason, self.gate.retry_after_s())

    def close(self) -> None:
        """End the threads; no request may follow."""
        for threads in (self._parsing, self._parsing_large):
            threads.shutdown(wait=False, cancel_futures=True)

    async def in_thread(self, work: Callable[[], Done], num_bytes: int = 0) -> Done:
        """Run `work` on a request of `num_bytes` bytes in a thread, beside the event loop."""
        threads = self._parsing_large if num_bytes >= _LARGE_BYTES else self._parsing
        return await asyncio.get_running_loop().run_in_executor(threads, work)

    async def is_ready(self) -> bool:
        """Tell whether images can be read; concurrent callers share a call of the backend."""
        if self._readiness is None or self._readiness.done():
            self._readiness = asyncio.create_task(self._ask_backend())
        return await asyncio.shield(self._readiness)

    async def _ask_backend(self) -> bool:
        """Ask the backend whether it is ready; a coroutine, as a task needs."""
        return await self.backend.is_ready()

    async def _collect(self, request: Request, held: Pass, deadline: float) -> Body:
        """Read the body as it arrives, until the deadline or until another request needs room."""
        try:
            async with asyncio.timeout_at(deadline) as timeout:
                held.on_pushed_out = lambda: timeout.reschedule(0)
                body = await collect(request, self.limits, held.hold_body)
            held.complete()
            return body
        except TimeoutError as error:
            late = Refusal(408, "the body did not come in time; send less at a time")
            raise held.refusal() or late from error

    async def _parse(
        self, body: Body, images_of: Callable[[Body, Limits], list[NamedBytes]]
    ) -> tuple[list[NamedBytes], list[int]]:
        """Find the images of a body, and the width bucket of each, in a thread."""

        def parse() -> tuple[list[NamedBytes], list[int]]:
            images = images_of(body, self.limits)
            return images, [self._bucket_of(data) for _, data in images]

        num_bytes = self.limits.body_bytes if body.is_packed else len(body.data)
        return await self.in_thread(parse, num_bytes)

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


async def _within(deadline: float, work: Awaitable[Done], otherwise: Refusal) -> Done:
    """Wait for `work` until the deadline on the loop's clock, then raise `otherwise`."""
    try:
        async with asyncio.timeout_at(deadline):
            return await work
    except TimeoutError as error:
        raise otherwise from error
