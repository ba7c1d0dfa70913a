"""What every route does: lets a request in, reads its images with others', answers in time."""

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
"""Of an image, in which its size is looked for; an image without one there is read all the same."""

_PARSING_THREADS = 2
_LARGE_BYTES = 256 * 2**10
"""A body from here on is parsed in a thread of its own, so that small ones never wait for it."""

_log = logging.getLogger(__name__)


class Backend(Protocol):
    """Whatever reads images: replicas on a cluster, or a recogniser in this process."""

    @property
    def spec(self) -> RecognizerSpec:
        """What the model expects and emits."""

    @property
    def description(self) -> str:
        """Engine, version, device and threads of a replica."""

    @property
    def num_replicas(self) -> int:
        """How many there shall be."""

    async def read(self, images: Sequence[bytes]) -> Sequence[Record]:
        """One record for each image.

        Raises:
            ReplicaLost: if the replica died; the images may be read again.
            EngineError: if the engine fails.
        """

    async def is_ready(self) -> bool:
        """Whether at least one replica can read."""


class Service:
    """One model behind HTTP; one event loop uses it.

    Args:
        backend: reads the images.
        name: of the model, in paths and answers.
        limits: how much a request, and all together, may ask for.
        key: that requests must show, None if they need none.
        max_batch, max_wait_s: as `Batcher`.
        hosts: names by which requests may call it; those of loopback alone when None.
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
        """Read the images of one request.

        Args:
            request: whose body was not read yet.
            images_of: finds the images in its body, in a thread.

        Returns:
            a record for each, with the name that the client gave it.

        Raises:
            Refusal: if the request is not to be served, or not in time.
            EngineError: if the engine fails.
        """
        check_headers(request, self.limits)
        deadline = asyncio.get_running_loop().time() + self.limits.seconds
        with self.gate.enter() as held:
            body = await self._collected(request, held, deadline)
            late = self._late()
            images, buckets = await _by(deadline, self._parsed(body, images_of), late)
            del body
            held.hold(len(images), sum(len(data) for _, data in images))
            records = await _by(deadline, self._read([data for _, data in images], buckets), late)
        self.metrics.count_images(records)
        return [{"name": name, **record} for (name, _), record in zip(images, records, strict=True)]

    def _late(self) -> Refusal:
        reason = (
            f"not read within {self.limits.seconds:g} s: there is much to do, or a replica that "
            "died is not back yet; try again later, or send fewer images at a time"
        )
        return Refusal(504, reason, self.gate.retry_after_s())

    def close(self) -> None:
        """End the threads; nothing is asked any more."""
        for threads in (self._parsing, self._parsing_large):
            threads.shutdown(wait=False, cancel_futures=True)

    async def in_thread(self, work: Callable[[], Done], num_bytes: int = 0) -> Done:
        """What takes longer for a longer request, of so many bytes, beside the event loop."""
        threads = self._parsing_large if num_bytes >= _LARGE_BYTES else self._parsing
        return await asyncio.get_running_loop().run_in_executor(threads, work)

    async def is_ready(self) -> bool:
        """Whether images can be read; the backend is asked once for all who ask meanwhile."""
        if self._readiness is None or self._readiness.done():
            self._readiness = asyncio.create_task(self._asked_whether_ready())
        return await asyncio.shield(self._readiness)

    async def _asked_whether_ready(self) -> bool:
        return await self.backend.is_ready()

    async def _collected(self, request: Request, held: Pass, deadline: float) -> Body:
        try:
            async with asyncio.timeout_at(deadline) as timeout:
                held.on_pushed_out = lambda: timeout.reschedule(0)
                body = await collect(request, self.limits, held.hold_body)
            held.complete()
            return body
        except TimeoutError as error:
            late = Refusal(408, "the body did not come in time; send less at a time")
            raise held.refusal() or late from error

    async def _parsed(
        self, body: Body, images_of: Callable[[Body, Limits], list[NamedBytes]]
    ) -> tuple[list[NamedBytes], list[int]]:
        """The images of a body, and the width bucket of each."""

        def parse() -> tuple[list[NamedBytes], list[int]]:
            images = images_of(body, self.limits)
            return images, [self._bucket_of(data) for _, data in images]

        num_bytes = self.limits.body_bytes if body.is_packed else len(body.data)
        return await self.in_thread(parse, num_bytes)

    async def _read(self, images: Sequence[bytes], buckets: Sequence[int]) -> list[Record]:
        try:
            return await self._batcher.read(images, buckets)
        except OcrError:
            raise
        except Exception as error:
            _log.exception("a replica failed")
            raise OcrError("a replica failed; the service's log says how") from error

    def _bucket_of(self, image: bytes) -> int:
        """The input width in px as the header tells it, 0 where it does not."""
        width, height = declared_size(image[:_HEADER_BYTES]) or (0, 0)
        if width <= 0 or height <= 0:
            return 0
        policy = self.backend.spec.width
        return policy.input_width(policy.content_width(height, width, self.backend.spec.height))


async def _by(deadline: float, work: Awaitable[Done], otherwise: Refusal) -> Done:
    try:
        async with asyncio.timeout_at(deadline):
            return await work
    except TimeoutError as error:
        raise otherwise from error
