"""What a replica runs: one recogniser, several calls at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from runtime.recognition.recognizer import Recognizer
from runtime.recognition.record import record_from_recognition
from runtime.serve.allocator import give_back_large_blocks
from runtime.serve.batcher import Record
from runtime.serve.settings import CALLS_PER_REPLICA, ReaderOptions
from runtime.silence import silence_opencv

SPARE_CALLS = 1
"""One more than is ever made at once, for a call whose caller went away."""


class Reader:
    """Reads the bytes of image files with one model.

    Args:
        options: the model and how to read with it.
        threads: of the CPU.

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
        )
        self._threads = ThreadPoolExecutor(CALLS_PER_REPLICA + SPARE_CALLS, "read")

    async def __call__(self, images: Sequence[bytes]) -> list[Record]:
        """One record for each image; a bad one has its `error` set.

        Raises:
            EngineError: if the engine fails.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._read, images)

    def _read(self, images: Sequence[bytes]) -> list[Record]:
        # Bytes and nothing else: a text would be taken for a path.
        if not all(isinstance(image, bytes) for image in images):
            raise TypeError("expected the bytes of image files")
        records = [record_from_recognition(one) for one in self.recognizer.stream(images)]
        for record in records:
            del record["file"]
        return records
