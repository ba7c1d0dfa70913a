"""Images of many requests, read together: batched across callers, read again when a replica dies.

A call is made as soon as a replica is idle. While all are at work, images wait for others, those
of one width bucket together, and never longer than `max_wait_s` once a replica could take them.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from runtime.errors import OcrError
from runtime.serve.bounds.refusal import Refusal

Record = dict[str, Any]
"""What `record_from_recognition` says of one image."""

Read = Callable[[Sequence[bytes]], Awaitable[Sequence[Record]]]

_MOST_LOST = 6
_FIRST_PAUSE_S = 0.1

_log = logging.getLogger(__name__)


class ReplicaLost(OcrError):
    """The replica died before it answered; the images may be read again elsewhere."""


@dataclass(eq=False)
class _Waiting:
    """An image that waits for its answer.

    Args:
        image: bytes of its file.
        bucket: input width in px, a guess: it decides on neighbours alone.
        answer: set once.
        since: on the loop's clock.
        num_lost: how many replicas died over it.
        is_alone: whether its call holds no other, as one that held others went wrong.
    """

    image: bytes
    bucket: int
    answer: asyncio.Future[Record]
    since: float
    num_lost: int = 0
    is_alone: bool = False


class Batcher:
    """Collects images from all requests and hands them to replicas; one event loop uses it.

    Args:
        read: reads images in a replica, one record each; raises `ReplicaLost` if it dies.
        max_batch: images in one call at most.
        max_wait_s: how long a call that is not full waits for more images while others run.
        calls_at_once: calls under way at most.
        on_call: told the number of images of every call.
    """

    def __init__(
        self,
        read: Read,
        *,
        max_batch: int = 16,
        max_wait_s: float = 0.005,
        calls_at_once: int = 2,
        on_call: Callable[[int], None] = lambda num_images: None,
        on_lost: Callable[[int], None] = lambda num_images: None,
    ) -> None:
        self._read_batch = read
        self._max_batch, self._max_wait_s = max_batch, max_wait_s
        self._calls_at_once = calls_at_once
        self._on_call, self._on_lost = on_call, on_lost
        self._queue: deque[_Waiting] = deque()
        self._calls: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def read(
        self, images: Sequence[bytes], buckets: Sequence[int] | None = None
    ) -> list[Record]:
        """One record for each image, in their order.

        Cancelled, it withdraws what no replica has taken yet.

        Args:
            images: bytes of their files.
            buckets: width bucket of each; one for all when None.

        Raises:
            OcrError: if the engine fails, or replicas keep dying.
        """
        loop = asyncio.get_running_loop()
        waiting = [
            _Waiting(image, bucket, loop.create_future(), loop.time())
            for image, bucket in zip(images, buckets or [0] * len(images), strict=True)
        ]
        self._queue.extend(waiting)
        self._dispatch()
        return list(await asyncio.gather(*(one.answer for one in waiting)))

    def _dispatch(self) -> None:
        """Make the calls that are due and see to it that the next is made in time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        loop = asyncio.get_running_loop()
        while self._queue and len(self._calls) < self._calls_at_once:
            due_s = self._queue[0].since + self._max_wait_s - loop.time()
            if self._calls and len(self._queue) < self._max_batch and due_s > 0:
                self._timer = loop.call_later(due_s, self._dispatch)
                return
            batch = self._take()
            if batch:
                call = loop.create_task(self._call(batch))
                self._calls.add(call)
                call.add_done_callback(self._end)

    def _end(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        self._dispatch()

    def _take(self) -> list[_Waiting]:
        """The oldest image with others, of its bucket first, then of the next oldest's.

        An image whose call went wrong goes alone, so that one that kills takes none with it.
        """
        waiting = [one for one in self._queue if not one.answer.done()]
        if not waiting or waiting[0].is_alone:
            chosen = waiting[:1]
        else:
            buckets: dict[int, list[_Waiting]] = {}
            for one in waiting:
                if not one.is_alone:
                    buckets.setdefault(one.bucket, []).append(one)
            by_age = itertools.chain.from_iterable(buckets.values())
            chosen = list(itertools.islice(by_age, self._max_batch))
        taken = set(map(id, chosen))
        self._queue = deque(one for one in waiting if id(one) not in taken)
        return chosen

    async def _call(self, batch: Sequence[_Waiting]) -> None:
        self._on_call(len(batch))
        try:
            records = await self._read_batch([one.image for one in batch])
            if len(records) != len(batch):
                raise OcrError(f"expected {len(batch)} answers of a replica, got {len(records)}")
        except ReplicaLost as error:
            _log.warning("%s; %d images are read again", error, len(batch))
            self._on_lost(len(batch))
            await self._read_again(batch)
        except Exception as error:
            if len(batch) == 1:
                _fail(batch, error)
            else:  # Whoever is not to blame shall not suffer.
                self._put_back(batch)
        else:
            for one, record in zip(batch, records, strict=True):
                if not one.answer.done():
                    one.answer.set_result(record)

    async def _read_again(self, batch: Sequence[_Waiting]) -> None:
        """Queue the images of a lost replica again, once another may be found."""
        for one in batch:
            one.num_lost += 1
            if one.num_lost == _MOST_LOST:
                reason = f"{one.num_lost} replicas died reading an image; leave it out"
                _fail([one], Refusal(500, reason))
        await asyncio.sleep(_FIRST_PAUSE_S * 2 ** (batch[0].num_lost - 1))
        self._put_back(batch)

    def _put_back(self, batch: Sequence[_Waiting]) -> None:
        """Queue images before all others, each to be read alone."""
        for one in batch:
            one.is_alone = True
        self._queue.extendleft(reversed(batch))


def _fail(batch: Iterable[_Waiting], error: Exception) -> None:
    for one in batch:
        if not one.answer.done():
            one.answer.set_exception(error)
