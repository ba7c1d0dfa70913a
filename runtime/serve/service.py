"""What every route does: lets a request in, reads its images with others', answers in time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from runtime.errors import OcrError
from runtime.image_size import declared_size
from runtime.serve.batcher import Batcher, Record
from runtime.serve.body import NamedBytes, declared_length
from runtime.serve.gate import Gate
from runtime.serve.metrics import Metrics
from runtime.serve.refusal import Refusal
from runtime.serve.settings import CALLS_PER_REPLICA, Limits
from runtime.spec import RecognizerSpec

if TYPE_CHECKING:
    from starlette.requests import Request

Done = TypeVar("Done")

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
    """

    def __init__(
        self,
        backend: Backend,
        name: str,
        limits: Limits | None = None,
        key: str | None = None,
        max_batch: int = 16,
        max_wait_s: float = 0.005,
    ) -> None:
        self.backend, self.name, self.key = backend, name, key
        self.limits = limits or Limits()
        self.gate = Gate(self.limits)
        self.metrics = Metrics(self.gate)
        self._batcher = Batcher(
            backend.read,
            bucket_of=self._bucket_of,
            max_batch=max_batch,
            max_wait_s=max_wait_s,
            calls_at_once=CALLS_PER_REPLICA * backend.num_replicas,
            on_call=self.metrics.count_call,
            on_lost=self.metrics.count_lost,
        )

    async def answer(
        self,
        request: Request,
        images_of: Callable[[Request, Limits], Awaitable[list[NamedBytes]]],
    ) -> list[Record]:
        """Read the images of one request.

        Args:
            request: whose body was not read yet.
            images_of: finds the images in it.

        Returns:
            a record for each, with the name that the client gave it.

        Raises:
            Refusal: if the request is not to be served, or not in time.
            EngineError: if the engine fails.
        """
        deadline = asyncio.get_running_loop().time() + self.limits.seconds
        with self.gate.enter(declared_length(request, self.limits)) as held:
            images = await _by(
                deadline,
                images_of(request, self.limits),
                Refusal(408, "the body did not come in time; send less at a time"),
            )
            held.hold(len(images), sum(len(data) for _, data in images))
            records = await _by(
                deadline,
                self._read([data for _, data in images]),
                Refusal(504, f"not read within {self.limits.seconds:g} s; send fewer at a time"),
            )
        self.metrics.count_images(records)
        return [{"name": name, **record} for (name, _), record in zip(images, records, strict=True)]

    async def _read(self, images: Sequence[bytes]) -> list[Record]:
        try:
            return await self._batcher.read(images)
        except OcrError:
            raise
        except Exception as error:
            _log.exception("a replica failed")
            raise OcrError("a replica failed; the service's log says how") from error

    def _bucket_of(self, image: bytes) -> int:
        """The input width in px as the header tells it, 0 where it does not."""
        width, height = declared_size(image) or (0, 0)
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
