"""A recogniser whose readers are processes on many machines; results come in input order."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import runtime
from runtime.cluster.connection import connected, is_client
from runtime.cluster.dispatch import Dispatch
from runtime.cluster.reader import ModelFiles, Reader
from runtime.cluster.shards import Travelling, shards_of, travelling
from runtime.cluster.sizing import Readers, readers_on
from runtime.engines import ENGINE_SUFFIXES
from runtime.errors import OcrError
from runtime.images.read import DEFAULT_MAX_PIXELS, ImageSource
from runtime.pipeline import done_ahead
from runtime.recognition.result import Recognition

logger = logging.getLogger(__name__)

FILES = ("auto", "shared", "ship")
"""How readers get files: `shared` under the same paths on every machine, `ship` sent as bytes."""

_IMAGES_PER_SHARD = {0: 64, 1: 1024}
"""GPUs of a reader -> images: on a CPU every line runs alone, a GPU needs full batches."""

_SHARDS_AHEAD_PER_READER = 8
_FILES_AT_ONCE = 8


class ClusterRecognizer:
    """Reads like `Recognizer`, with readers that Ray starts on a cluster; a context manager.

    A reader that dies is replaced, and its shards are read by another. An image that ends every
    process that reads it is found, and its result holds an error.

    Args:
        model: path of the model file, which is sent to machines that share no files.
        address: of a Ray cluster, as `connected` takes it; None for this machine alone.
        files: one of `FILES`; `auto` sends bytes as soon as another machine may read.
        threads: CPUs of each reader; None divides those of the cluster.
        options: other arguments of `Recognizer`.

    Raises:
        OcrError: if `files` is unknown, or `compat` is given, whose batches depend on all images;
            on entering, as `connected` and `readers_on`.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        address: str | None = None,
        files: str = "auto",
        threads: int | None = None,
        **options: Any,
    ) -> None:
        if files not in FILES:
            raise OcrError(f"unknown kind of files: expected {', '.join(FILES)}, got {files!r}")
        if options.get("compat") is not None:
            raise OcrError(
                "PaddleOCR's batches need all images at once: expected no compat with readers on "
                f"a cluster, got {options['compat']!r}; leave one of them out"
            )
        self._model, self._address, self._files = Path(model), address, files
        self._threads, self._options = threads, options
        self._max_pixels: int = options.get("max_pixels") or DEFAULT_MAX_PIXELS
        self._stack = ExitStack()

    @property
    def readers(self) -> Readers:
        """Number and size of the readers."""
        return self._readers

    def __enter__(self) -> ClusterRecognizer:
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
    ) -> Iterator[Recognition]:
        """Read images as they come and yield results in their order; see `Recognizer.stream`.

        Args:
            images: as `Recognizer` takes them, and addresses such as `s3://bucket/line.png`.
            is_over: polled at least twice a second; True ends the results early.

        Raises:
            OcrError: as `Recognizer`, from a reader.
        """
        size = _IMAGES_PER_SHARD[self._readers.gpus]
        items: Iterable[Travelling] = map(self._travelling, images)
        if self._ships:
            items = done_ahead(self._travelling, images, _FILES_AT_ONCE, 2 * _FILES_AT_ONCE)
        most_ahead = _SHARDS_AHEAD_PER_READER * self._readers.count * size
        shards = shards_of(items, size)
        dispatch = Dispatch(
            self._ray, self._start, self._readers.count, shards, most_ahead, is_over
        )
        yield from dispatch.results()

    def _travelling(self, source: ImageSource) -> Travelling:
        return travelling(source, self._ships, self._max_pixels)

    def _plan(self) -> None:
        """Decide on readers and files, and log the decision in a line."""
        machines = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        device = self._options.get("device", "auto")
        is_engine = self._model.suffix.lower() in ENGINE_SUFFIXES
        needs_gpu = is_engine or device in ("cuda", "tensorrt")
        self._readers = readers_on(machines, needs_gpu, device != "cpu", self._threads)
        is_elsewhere = is_client(self._address) or len(machines) > 1
        self._ships = self._files == "ship" or (self._files == "auto" and is_elsewhere)
        model = self._ray.put(self._model_for_readers())
        self._open_arguments = model, {**self._options, "threads": self._readers.cpus}
        where = f"{len(machines)} machines" if is_elsewhere else "this machine"
        files = "sent to them" if self._ships else "read where they are"
        logger.info("ray: %s on %s, files are %s", self._readers.description, where, files)

    def _model_for_readers(self) -> ModelFiles | str:
        """Return the model's files to send, or its path on every machine."""
        dictionary = self._options.get("dictionary")
        if self._ships:
            return ModelFiles.of(self._model, dictionary)
        if dictionary is not None:
            self._options["dictionary"] = str(Path(dictionary).absolute())
        return str(self._model.absolute())

    def _start(self) -> tuple[Any, Any]:
        """Start a reader; return its handle and a reference that is ready once it is open."""
        actor_class = self._ray.remote(Reader).options(
            num_cpus=self._readers.cpus,
            num_gpus=self._readers.gpus,
            max_concurrency=2,
            scheduling_strategy="SPREAD",
        )
        reader = actor_class.remote()
        return reader, reader.open.remote(*self._open_arguments)
