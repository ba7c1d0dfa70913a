"""Readers in processes on many machines, used as one; results come in input order."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self

import runtime
from runtime.cluster.actor import ReaderActor
from runtime.cluster.connection import connected, is_client
from runtime.cluster.contents import Contents
from runtime.cluster.dispatch import Dispatch
from runtime.cluster.opening import Opening
from runtime.cluster.results import Failed, Result
from runtime.cluster.shards import Travelling, shards_of, travelling
from runtime.cluster.sizing import Readers, readers_on
from runtime.errors import OcrError
from runtime.images.read import ImageSource, most_bytes
from runtime.pipeline import done_ahead

logger = logging.getLogger(__name__)

FILES = ("auto", "shared", "ship")
"""How readers get files: `shared` under the same paths on every machine, `ship` sent as bytes."""

_SHARDS_AHEAD_PER_READER = 8
_FILES_AT_ONCE = 8


class ClusterReader(Generic[Result]):
    """Reads with readers that Ray starts on a cluster; a context manager.

    A reader that dies is replaced, and its shards are read by another. An image that ends every
    process that reads it is found, and its result holds an error.

    Args:
        opening: of each reader; its files are sent to machines that share none.
        failed: makes the result of an image that ends its readers.
        shard_sizes: GPUs of a reader, 0 and 1 -> images that it is given at a time.
        address: of a Ray cluster, as `connected` takes it; None for this machine alone.
        files: one of `FILES`; `auto` sends bytes as soon as another machine may read.
        threads: CPUs of each reader; None divides those of the cluster.

    Raises:
        OcrError: if `files` is unknown; on entering, as `connected` and `readers_on`.
    """

    def __init__(
        self,
        opening: Opening,
        failed: Failed[Result],
        shard_sizes: Mapping[int, int],
        *,
        address: str | None = None,
        files: str = "auto",
        threads: int | None = None,
    ) -> None:
        if files not in FILES:
            raise OcrError(f"unknown kind of files: expected {', '.join(FILES)}, got {files!r}")
        self._opening, self._failed, self._shard_sizes = opening, failed, shard_sizes
        self._address, self._files, self._threads = address, files, threads
        self._stack = ExitStack()

    @property
    def readers(self) -> Readers:
        """Number and size of the readers."""
        return self._readers

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            modules = [str(Path(runtime.__file__).parent)]
            self._ray = stack.enter_context(connected(self._address, modules))
            self._plan()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def stream(
        self, images: Iterable[ImageSource], is_over: Callable[[], bool] = lambda: False
    ) -> Iterator[Result]:
        """Read images as they come and yield results in their order; see `StreamReader.stream`.

        Args:
            images: as `read_image` takes them, and addresses such as `s3://bucket/line.png`.
            is_over: polled at least twice a second; True ends the results early.

        Raises:
            OcrError: as what is opened, from a reader.
        """
        size = self._shard_sizes[self._readers.gpus]
        max_pixels = self._opening.max_pixels
        contents = Contents(self._ray.put, most_bytes(max_pixels))

        def prepared(source: ImageSource) -> Travelling:
            return travelling(source, self._ships, max_pixels, contents)

        items: Iterable[Travelling] = map(prepared, images)
        if self._ships:
            items = done_ahead(prepared, images, _FILES_AT_ONCE, 2 * _FILES_AT_ONCE)
        most_ahead = _SHARDS_AHEAD_PER_READER * self._readers.count * size
        dispatch: Dispatch[Result] = Dispatch(
            self._ray,
            self._start,
            self._readers.count,
            shards_of(items, size),
            most_ahead,
            is_over,
            self._failed,
        )
        yield from dispatch.results()

    def _plan(self) -> None:
        """Decide on readers and files, and log the decision in a line."""
        machines = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        opening = self._opening
        self._readers = readers_on(machines, opening.needs_gpu, opening.may_use_gpu, self._threads)
        is_elsewhere = is_client(self._address) or len(machines) > 1
        self._ships = self._files == "ship" or (self._files == "auto" and is_elsewhere)
        sent = opening.with_contents() if self._ships else opening.absolute()
        # Put once: every reader is given it, those too that take the place of one that died.
        self._open_arguments = self._ray.put(sent), self._readers.cpus, opening.max_pixels
        where = f"{len(machines)} machines" if is_elsewhere else "this machine"
        files = "sent to them" if self._ships else "read where they are"
        logger.info("ray: %s on %s, files are %s", self._readers.description, where, files)

    def _start(self) -> tuple[Any, Any]:
        """Start a reader; return its handle and a reference that is ready once it is open."""
        actor_class = self._ray.remote(ReaderActor).options(
            num_cpus=self._readers.cpus,
            num_gpus=self._readers.gpus,
            max_concurrency=2,
            scheduling_strategy="SPREAD",
        )
        reader = actor_class.remote()
        return reader, reader.open.remote(*self._open_arguments)
