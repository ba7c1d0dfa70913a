"""Batches the images of many requests, and reads them again when a replica dies.

A call is made as soon as a replica is idle. While all are at work, images wait for others of their
width bucket, and never longer than `max_wait_s` once a replica could take them.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from runtime.errors import OcrError
from runtime.serve.bounds.refusal import Refusal

Record = dict[str, Any]
"""The result of an image, as `record_from_recognition` writes it."""

Image = TypeVar("Image")
Answer = TypeVar("Answer")

_MOST_LOST = 6
_FIRST_PAUSE_S = 0.1

_log = logging.getLogger(__name__)


class ReplicaLost(OcrError):
    """The replica died before it answered; the images may be read again elsewhere."""


@dataclass(eq=False)
class _Waiting(Generic[Image, Answer]):
    """An image that waits for its answer.

    Args:
        image: bytes of its file, or what else is asked for.
        bucket: estimated input width in px, which decides only with which images it is batched.
        answer: set once.
        since: time of arrival on the loop's clock.
        num_lost: number of replicas that died reading it.
        is_alone: whether it must be read in a call of its own, as a call with others failed.
    """

    image: Image
    bucket: int
    answer: asyncio.Future[Answer]
    since: float
    num_lost: int = 0
    is_alone: bool = False


class Batcher(Generic[Image, Answer]):
    """Collects images of all requests and hands them to replicas; used by a single event loop.

    Args:
        read: reads images in a replica, a record each; raises `ReplicaLost` if it dies.
        max_batch: images in a call at most.
        max_wait_s: how long a call that is not full waits for more images while others run.
        calls_at_once: calls under way at most.
        on_call: called with the number of images of every call.
        on_lost: called with the number of images of every call whose replica died.
    """

    def __init__(
        self,
        read: Callable[[Sequence[Image]], Awaitable[Sequence[Answer]]],
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
        self._queue: deque[_Waiting[Image, Answer]] = deque()
        self._calls: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def read(
        self, images: Sequence[Image], buckets: Sequence[int] | None = None
    ) -> list[Answer]:
        """Read images and return a record for each, in their order.

        When it is cancelled, images that no replica has taken yet are withdrawn.

        Args:
            images: bytes of their files.
            buckets: width bucket of each; the same for all when None.

        Raises:
            OcrError: if the engine fails, or replicas keep dying.
        """
        loop = asyncio.get_running_loop()
        waiting: list[_Waiting[Image, Answer]] = [
            _Waiting(image, bucket, loop.create_future(), loop.time())
            for image, bucket in zip(images, buckets or [0] * len(images), strict=True)
        ]
        self._queue.extend(waiting)
        self._dispatch()
        return list(await asyncio.gather(*(entry.answer for entry in waiting)))

    def _dispatch(self) -> None:
        """Make the calls that are due, and set a timer for the next."""
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
        """Forget a finished call and make the next."""
        self._calls.discard(call)
        self._dispatch()

    def _take(self) -> list[_Waiting[Image, Answer]]:
        """Take a batch: the oldest image, others of its bucket, then those of the next oldest.

        An image whose call failed is read alone, so that an image that ends its replica affects
        no others.
        """
        waiting = [entry for entry in self._queue if not entry.answer.done()]
        if not waiting or waiting[0].is_alone:
            chosen = waiting[:1]
        else:
            buckets: dict[int, list[_Waiting[Image, Answer]]] = {}
            for entry in waiting:
                if not entry.is_alone:
                    buckets.setdefault(entry.bucket, []).append(entry)
            by_age = itertools.chain.from_iterable(buckets.values())
            chosen = list(itertools.islice(by_age, self._max_batch))
        taken = set(map(id, chosen))
        self._queue = deque(entry for entry in waiting if id(entry) not in taken)
        return chosen

    async def _call(self, batch: Sequence[_Waiting[Image, Answer]]) -> None:
        """Have a batch read; if that fails, queue its images again or fail the only one."""
        self._on_call(len(batch))
        try:
            records = await self._read_batch([entry.image for entry in batch])
            if len(records) != len(batch):
                raise OcrError(f"expected {len(batch)} answers of a replica, got {len(records)}")
        except ReplicaLost as error:
            _log.warning("%s; %d images are read again", error, len(batch))
            self._on_lost(len(batch))
            await self._read_again(batch)
        except Exception as error:
            if len(batch) == 1:
                _fail(batch, error)
            else:  # a single image may be the cause: each is read alone
                self._put_back(batch)
        else:
            for entry, record in zip(batch, records, strict=True):
                if not entry.answer.done():
                    entry.answer.set_result(record)

    async def _read_again(self, batch: Sequence[_Waiting[Image, Answer]]) -> None:
        """Queue the images of a lost replica again after a pause, in which it may be replaced."""
        for entry in batch:
            entry.num_lost += 1
            if entry.num_lost == _MOST_LOST:
                reason = f"{entry.num_lost} replicas died reading an image; leave it out"
                _fail([entry], Refusal(500, reason))
        await asyncio.sleep(_FIRST_PAUSE_S * 2 ** (batch[0].num_lost - 1))
        self._put_back(batch)

    def _put_back(self, batch: Sequence[_Waiting[Image, Answer]]) -> None:
        """Queue images before all others, each to be read alone."""
        for entry in batch:
            entry.is_alone = True
        self._queue.extendleft(reversed(batch))


def _fail(batch: Iterable[_Waiting[Any, Any]], error: Exception) -> None:
    """Answer each image of a batch with an error, unless it is answered or withdrawn."""
    for entry in batch:
        if not entry.answer.done():
            entry.answer.set_exception(error)
