"""Runs in a replica: a recogniser that takes several calls at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from runtime.recognition.recognizer import Recognizer
from runtime.recognition.record import record_from_recognition
from runtime.serve.allocator import give_back_large_blocks
from runtime.serve.batcher import Record
from runtime.serve.pages.documents import PageAsk
from runtime.serve.pages.replica import PageDesk, PageReply
from runtime.serve.settings import CALLS_PER_REPLICA, ReaderOptions
from runtime.silence import silence_opencv

SPARE_CALLS = 1
"""Calls beyond those made at once, for a call whose caller went away."""


class Replica:
    """A `Recognizer` of the bytes of image files, which takes several calls at once.

    Args:
        options: the model and how to read with it.
        threads: CPU threads of the engine.

    Raises:
        OcrError: as `Recognizer`.
    """

    def __init__(self, options: ReaderOptions, threads: int | None = None) -> None:
        silence_opencv()
        give_back_large_blocks()
        self.recognizer = Recognizer(
            options.model,
            dictionary=options.dictionary,
            device=options.device,
            batch_size=options.max_batch,
            max_pixels=options.max_pixels,
            threads=threads,
            precision=options.precision,
        )
        self.description = self.recognizer.description
        self._threads = ThreadPoolExecutor(CALLS_PER_REPLICA + SPARE_CALLS, "read")
        self._pages: PageDesk | None = None
        if options.detector is not None:
            self._pages = PageDesk(options, self.recognizer, threads)

    async def __call__(self, images: Sequence[bytes]) -> list[Record]:
        """Read images and return a record for each; `error` is set for unreadable ones.

        Raises:
            EngineError: if the engine fails.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._read, images)

    async def read_page(self, ask: PageAsk) -> PageReply:
        """Read a page and return it as it is wanted; `error` is set if it cannot be read.

        Raises:
            EngineError: if the engine fails.
        """
        if self._pages is None:
            raise TypeError("expected a replica with a detector")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pages.threads, self._pages.read, ask)

    def _read(self, images: Sequence[bytes]) -> list[Record]:
        """Read images in a thread."""
        # Only bytes: a string would be opened as a path.
        if not all(isinstance(image, bytes) for image in images):
            raise TypeError("expected the bytes of image files")
        records = [record_from_recognition(result) for result in self.recognizer(images)]
        for record in records:
            del record["file"]
        return records
