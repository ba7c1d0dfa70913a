"""What reads images with one open network that several threads share, whatever it makes of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from types import TracebackType
from typing import ClassVar, Generic, Protocol, Self, TypeVar

from runtime.cpu import available_cpus
from runtime.images.decoders import end_idle_decoders
from runtime.images.loading import require_several
from runtime.images.read import ImageSource
from runtime.threads import Threads


class _Session(Protocol):
    """An open network."""

    @property
    def description(self) -> str:
        """Engine, version, device and threads obtained."""

    @property
    def num_lanes(self) -> int:
        """How many calls at once keep its device busy."""

    def close(self) -> None:
        """Let go of the network."""


Session = TypeVar("Session", bound=_Session)
Result = TypeVar("Result")


class StreamReader(ABC, Generic[Session, Result]):
    """Gives a result for each image. Used as a context manager it closes the network at the end.

    Args:
        session: open; closed with the reader.
        threads: of the CPU; as many as this process may use when None.
    """

    example: ClassVar[str]
    """How to call it with a single image, for messages."""

    def __init__(self, session: Session, threads: int | None) -> None:
        self._session = session
        self._num_preparers = available_cpus() if threads is None else threads
        self._threads = Threads()
        self._num_lanes = session.num_lanes
        # Whoever runs the network takes a lane, so that streams of several threads take turns.
        self._lanes: SimpleQueue[Session] = SimpleQueue()
        for _ in range(self._num_lanes):
            self._lanes.put(session)

    @property
    def description(self) -> str:
        """Engine, version, device and threads obtained."""
        return self._session.description

    @property
    def num_lanes(self) -> int:
        """How many images at once keep the device busy."""
        return self._num_lanes

    def __call__(self, images: Iterable[ImageSource]) -> list[Result]:
        """Read all images; one result for each, in their order.

        Args:
            images: paths, bytes of image files, or arrays as `read_image` takes them.

        Returns:
            a result per image; one that cannot be read has its `error` set.

        Raises:
            OcrError: if a single image is given instead of several.
            EngineError: if the engine fails.
        """
        return list(self.stream(images))

    def stream(self, images: Iterable[ImageSource]) -> Iterator[Result]:
        """Read images like `__call__`, but give results while images are still being taken.

        The input is taken only so far ahead of the results as fills batches and threads, so that
        memory does not grow with the number of images. It is taken in the thread that takes the
        results. An iterator closed early stops the threads.
        """
        require_several(images, self.example)
        return self._stream(images)

    def close(self) -> None:
        """Let go of the network and of the threads, once what is under way has ended."""
        self._threads.close()
        end_idle_decoders()
        lanes = [self._lanes.get() for _ in range(self._num_lanes)]
        self._session.close()
        for lane in lanes:
            self._lanes.put(lane)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @abstractmethod
    def _stream(self, images: Iterable[ImageSource]) -> Iterator[Result]:
        """Yield a result for each image, in their order."""

    @contextmanager
    def _lane(self) -> Iterator[Session]:
        """Lend the session to a block, to as many at once as it has lanes."""
        session = self._lanes.get()
        try:
            yield session
        finally:
            self._lanes.put(session)
