"""Line images in, text out: read, prepare, batch by width, run, decode, in input order."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from runtime.batching import InputOrder, WidthBatch, WidthBatcher
from runtime.ctc import decode_best_path
from runtime.errors import ImageError, OcrError
from runtime.images import DEFAULT_MAX_PIXELS, ImageSource, read_image, source_name
from runtime.preprocess import Image, prepare_line
from runtime.reading_order import in_reading_order
from runtime.recognition import Recognition as Recognition
from runtime.sessions import Session, open_session
from runtime.spec import RecognizerSpec

DEFAULT_BATCH_SIZE = 32


@dataclass(frozen=True)
class _Line:
    """A prepared line on its way to the network."""

    pixels: Image
    source: str | None
    width_px: int
    height_px: int
    warnings: tuple[str, ...]


class Recognizer:
    """Reads line images with one model.

    Used as a context manager it closes the model at the end. One thread at a time uses it.

    Args:
        model: path of the model file, or an open session, which brings its own dictionary,
            device and threads.
        dictionary: one character per line; only for a model that carries none.
        device: `auto`, `cpu` or `cuda`.
        batch_size: N at most; the text read does not depend on it.
        threads: of the CPU; as many as this process may use when None.
        device_id: number of the GPU, from 0.
        max_pixels: a larger image is refused before it is decoded.

    Raises:
        ArtifactError: if the model or the dictionary is missing, damaged or contradictory.
        EngineError: if the engine is not installed, or the device asked for is not to be had.
    """

    def __init__(
        self,
        model: str | Path | Session,
        *,
        dictionary: str | Path | None = None,
        device: str = "auto",
        batch_size: int = DEFAULT_BATCH_SIZE,
        threads: int | None = None,
        device_id: int = 0,
        max_pixels: int = DEFAULT_MAX_PIXELS,
    ) -> None:
        if batch_size < 1:
            raise OcrError(f"impossible batch size: expected at least 1, got {batch_size}")
        self.batch_size = batch_size
        self.max_pixels = max_pixels
        if isinstance(model, str | Path):
            model = open_session(model, dictionary, device, threads, device_id)
        self._session = model
        self._charset = model.spec.charset

    @property
    def spec(self) -> RecognizerSpec:
        """What the model expects and emits."""
        return self._session.spec

    @property
    def description(self) -> str:
        """Engine, version, device and threads obtained."""
        return self._session.description

    def __call__(self, images: Iterable[ImageSource]) -> list[Recognition]:
        """Read all images; one result for each, in their order.

        Args:
            images: paths, bytes of image files, or arrays as `read_image` takes them.

        Returns:
            a `Recognition` per image; one that cannot be read has its `error` set.

        Raises:
            OcrError: if a single image is given instead of several.
            EngineError: if the engine fails.
        """
        return list(self.stream(images))

    def stream(self, images: Iterable[ImageSource]) -> Iterator[Recognition]:
        """As calling, but results come while images are still being taken.

        The input is taken at most `LOOK_AHEAD_BATCHES` batches ahead of the results, so memory
        does not grow with the number of images.
        """
        if isinstance(images, str | Path | bytes | bytearray | memoryview | np.ndarray):
            raise OcrError(
                f"expected several images, got a single {type(images).__name__}; "
                "write recognizer([image])"
            )
        return self._stream(images)

    def close(self) -> None:
        """Let go of the model."""
        self._session.close()

    def __enter__(self) -> Recognizer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _stream(self, images: Iterable[ImageSource]) -> Iterator[Recognition]:
        batcher: WidthBatcher[_Line] = WidthBatcher(self.batch_size)
        order: InputOrder[Recognition] = InputOrder()
        for position, source in enumerate(images):
            try:
                line = self._prepare(source)
            except ImageError as error:
                order.put(position, _unread(source, error))
                due = batcher.skip(position)
            else:
                width = self.spec.width.input_width(line.pixels.shape[1])
                due = batcher.add(position, width, line)
            for batch in due:
                self._read(batch, order)
            yield from order.ready()
        for batch in batcher.flush():
            self._read(batch, order)
            yield from order.ready()

    def _prepare(self, source: ImageSource) -> _Line:
        image = read_image(source, self.max_pixels)
        height_px, width_px = image.shape[:2]
        try:
            pixels = prepare_line(image, self.spec)
        except cv2.error as error:
            raise ImageError(
                f"OpenCV cannot resize an image of {width_px} x {height_px} px: {error}"
            ) from error
        return _Line(
            pixels, source_name(source), width_px, height_px, self._warnings(width_px, height_px)
        )

    def _warnings(self, width_px: int, height_px: int) -> tuple[str, ...]:
        """Whether the line is squeezed beyond the width policy."""
        height, limit = self.spec.height, self.spec.width.max_px
        full_width = math.ceil(height * width_px / height_px)
        if full_width <= limit:
            return ()
        return (
            f"squeezed: {full_width} px wide at a height of {height} px, the model takes "
            f"{limit} px; cut the line into shorter ones",
        )

    def _read(self, batch: WidthBatch[_Line], order: InputOrder[Recognition]) -> None:
        """Run one batch and put its results in order."""
        pixels = [line.pixels for line in batch.lines]
        indices, values = self._session.read(pixels, batch.width)
        decoded = decode_best_path(indices, values, self._charset)
        for position, line, path, one in zip(
            batch.positions, batch.lines, indices, decoded, strict=True
        ):
            classes = path[list(one.time_steps)].tolist()
            recognition = Recognition(
                text=one.text,
                confidence=one.confidence,
                characters=tuple(self._charset.characters[index - 1] for index in classes),
                character_confidences=one.character_confidences,
                time_steps=one.time_steps,
                source=line.source,
                width_px=line.width_px,
                height_px=line.height_px,
                input_width_px=batch.width,
                content_width_px=line.pixels.shape[1],
                num_time_steps=len(path),
                warnings=line.warnings,
            )
            order.put(position, in_reading_order(recognition))


def _unread(source: ImageSource, error: ImageError) -> Recognition:
    name = source_name(source)
    # The source has its own field, so that the reason need not name it again.
    reason = str(error).removeprefix(f"{name}: ")
    return Recognition(text="", confidence=0.0, source=name, error=reason)
