"""Pages in, boxes of text out: read, resize, run, trace the boxes, in input order."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from runtime.batching import WidthBatch
from runtime.detection.boxes import BoxOptions
from runtime.detection.budget import PixelBudget
from runtime.detection.model.default import default_detector
from runtime.detection.pages import PreparedPage, detection_of, failed, prepare_page
from runtime.detection.preprocess import MOST_SIDE_PX, STRIDE_PX, Image, SizePolicy
from runtime.detection.result import Detection as Detection
from runtime.detection.session import DetectionSession, open_session
from runtime.detection.sizes import SizesWithin
from runtime.detection.spec import CHANNELS, DetectorSpec
from runtime.errors import EngineError, ImageError, OcrError
from runtime.images.loading import load_image, num_bytes_of
from runtime.images.read import ImageSource, source_name
from runtime.pipeline import Pipeline, Prepared, done_ahead
from runtime.stream_reader import StreamReader

DEFAULT_BATCH_SIZE = 4
DEFAULT_MAX_PIXELS = 2**27
"""A page of A0 at 300 dpi has 140 M pixels, one of A1 70 M, which are 0.2 GB."""

_AHEAD = 2
"""Pages that wait for each thread or place in a batch, so that none waits for the input."""
_PIXELS_AT_ONCE = 2**24
"""Of inputs on the CPU, at least, and 2^20 for each thread: a network takes some 150 bytes each."""
_SMALLEST = SizePolicy(image_shape=(STRIDE_PX, STRIDE_PX))
_LEAST, _MOST = -0.01, 1.01
"""Probabilities may lie beyond 0 and 1 by what FP16 rounds, and by no more."""


class Detector(StreamReader[DetectionSession, Detection]):
    """Finds the lines of text in pages and pictures with one model.

    Used as a context manager it closes the model at the end. Several threads may use it at once:
    they share the model and its CPU threads, and each finds what it would alone.

    Args:
        model: path of the model file, or an open session, which brings its own device and threads;
            None for the detector that comes with the project.
        device: `auto`, `cpu`, `openvino`, `cuda` or `tensorrt`.
        batch_size: N at most on a GPU, of pages of one input size.
        threads: of the CPU; as many as this process may use when None.
        device_id: number of the GPU, from 0.
        max_pixels: a larger image is refused before it is decoded.
        sizes: how the input size follows from an image's, instead of what the model says.
        boxes: how boxes are made, instead of what the model says.
        precision: on the CPU `auto`, `fp32`, `bf16` or `int8`, as `runtime.engines.open_engine`.

    Raises:
        OcrError: if an argument is impossible or the model of another type.
        ArtifactError: if the model is missing, damaged, contradictory, or no detector.
        EngineError: if the engine is not installed, or the device asked for is not to be had.
    """

    example = "detector([image])"

    def __init__(
        self,
        model: str | Path | DetectionSession | None = None,
        *,
        device: str = "auto",
        batch_size: int = DEFAULT_BATCH_SIZE,
        threads: int | None = None,
        device_id: int = 0,
        max_pixels: int = DEFAULT_MAX_PIXELS,
        sizes: SizePolicy | None = None,
        boxes: BoxOptions | None = None,
        precision: str = "auto",
    ) -> None:
        if batch_size < 1:
            raise OcrError(f"impossible batch size: expected at least 1, got {batch_size}")
        if model is None:
            model = default_detector()
        if not isinstance(model, str | Path | DetectionSession):
            raise OcrError(
                f"cannot find text with a model of type {type(model).__name__}: expected the path "
                "of a model file or a session of runtime.detection.session.open_session; write "
                "the model to a file and pass its path, as in Detector('detector.onnx')"
            )
        if isinstance(model, str | Path):
            model = open_session(
                model, device, threads, device_id, shared=True, precision=precision
            )
        self.batch_size = batch_size
        self.max_pixels = max_pixels
        self.sizes = sizes or model.spec.sizes
        self.boxes = boxes or model.spec.boxes
        super().__init__(model, threads)
        self._sizes = SizesWithin(self.sizes, model.size_ranges)
        self._images_at_once = min(batch_size, model.images_at_once or batch_size)
        self._budget = PixelBudget(max(_PIXELS_AT_ONCE, self._num_lanes * 2**20))

    @property
    def spec(self) -> DetectorSpec:
        """What the model expects and emits."""
        return self._session.spec

    def fitting_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width in px of the input that the network takes for a wanted one.

        It is smaller where the network's limits or the bound of memory ask for it, and larger
        where the network takes no input as small.

        Args:
            height, width: wanted, multiples of 32 px.
        """
        policy = SizePolicy(image_shape=(height, width))
        return SizesWithin(policy, self._session.size_ranges).input_size(height, width)

    def probabilities(self, pixels: Image) -> NDArray[np.float32]:
        """Tell how probable it is that each pixel lies inside a line of text, in this thread.

        It is what `find_boxes` makes boxes of; whoever calls this chooses the scale.

        Args:
            pixels: BGR uint8 [H, W, 3] of a size that `fitting_size` gives.

        Returns:
            float32 [H, W].

        Raises:
            ImageError: if the network fails on this input, but runs others.
            EngineError: if the engine fails.
        """
        if self.spec.color_order == "RGB":
            pixels = np.ascontiguousarray(pixels[:, :, ::-1])
        with self._budget.held(pixels.shape[0] * pixels.shape[1]), self._lane() as session:
            (found,) = self._maps(session, [pixels])
        if isinstance(found, EngineError):
            raise ImageError(str(found)) from found
        self._check(found)
        return found

    def _stream(self, images: Iterable[ImageSource]) -> Iterator[Detection]:
        if self._images_at_once == 1:
            # Nothing is batched: a page stays in one thread from file to boxes. On the CPU more
            # threads than lanes interrupt those that compute; a GPU waits for those that do not.
            threads = self._num_lanes
            if not self._session.is_on_cpu:
                threads += self._num_preparers
            yield from done_ahead(
                self._detect_alone, images, threads, _AHEAD * threads, self._threads, num_bytes_of
            )
            return
        # Tracing boxes takes longer than a GPU takes for a page, so that more threads do it.
        num_tracers = math.ceil(self._num_preparers / self._images_at_once)
        pipeline = Pipeline(
            self._prepare,
            self._detect_batch,
            self._images_at_once,
            self._num_preparers,
            self._num_lanes + num_tracers,
            look_ahead=_AHEAD * self._images_at_once,
            threads=self._threads,
            num_bytes=num_bytes_of,
        )
        yield from pipeline(images)

    def _prepare(self, source: ImageSource) -> Prepared[PreparedPage] | Detection:
        """Bring an image to the input size that follows from it alone."""
        try:
            image = load_image(source, self.max_pixels)
            page = prepare_page(image, self.spec.color_order, self._sizes, self.sizes)
        except ImageError as error:
            return failed(source_name(source), error)
        height, width = page.pixels.shape[:2]
        return Prepared(height * 2 * MOST_SIDE_PX + width, page)

    def _detect_alone(self, source: ImageSource) -> Detection:
        prepared = self._prepare(source)
        if isinstance(prepared, Detection):
            return prepared
        return self._detect([prepared.line])[0]

    def _detect_batch(self, batch: WidthBatch[PreparedPage]) -> list[Detection]:
        return self._detect(batch.lines)

    def _detect(self, pages: Sequence[PreparedPage]) -> list[Detection]:
        """Run pages of one input size through the network, and trace their boxes."""
        pixels = [page.pixels for page in pages]
        num_pixels = len(pages) * pixels[0].shape[0] * pixels[0].shape[1]
        with self._budget.held(num_pixels), self._lane() as session:
            maps = self._maps(session, pixels)
        return [
            failed(page.source, found)
            if isinstance(found, EngineError)
            else self._traced(page, found)
            for page, found in zip(pages, maps, strict=True)
        ]

    def _maps(
        self, session: DetectionSession, images: Sequence[Image]
    ) -> Sequence[NDArray[np.float32] | EngineError]:
        """Run images; one that an engine fails on which runs others is its own failure.

        A large page may take more memory than there is, on a GPU above all.
        """
        try:
            return list(session.maps(images))
        except EngineError as error:
            if len(images) > 1:
                return [found for image in images for found in self._maps(session, [image])]
            size = SizesWithin(_SMALLEST, session.size_ranges).input_size(STRIDE_PX, STRIDE_PX)
            session.maps([np.zeros((*size, CHANNELS), dtype=np.uint8)])
            return [error]

    def _traced(self, page: PreparedPage, probability: NDArray[np.float32]) -> Detection:
        """Trace the boxes of a map that is one."""
        try:
            self._check(probability)
        except ImageError as error:
            return failed(page.source, error)
        return detection_of(page, probability, self.boxes)

    def _check(self, probability: NDArray[np.float32]) -> None:
        """Refuse a map that holds no probabilities.

        Raises:
            ImageError: if it holds values that are not finite, which other inputs may not give.
            EngineError: if it holds values that are no probabilities.
        """
        low, high = float(probability.min()), float(probability.max())
        height, width = probability.shape
        if not np.isfinite(low + high):
            raise ImageError(
                "the network emitted values that are not finite for an input of "
                f"{width} x {height} px; use its FP32 form"
            )
        if low < _LEAST or high > _MOST:
            raise EngineError(
                f"{self.description}: the network emitted no probabilities: expected values from "
                f"0 to 1, got {low:.3g} to {high:.3g}; export the model again"
            )
