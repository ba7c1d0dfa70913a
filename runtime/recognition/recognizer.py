"""Line images in, text out: read, prepare, batch by width, run, decode, in input order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from runtime.batching import LOOK_AHEAD_BATCHES, WidthBatch, batches_by_width
from runtime.errors import EngineError, ImageError, OcrError
from runtime.images.loading import LoadedImage, load_image, num_bytes_of
from runtime.images.read import DEFAULT_MAX_PIXELS, ImageSource, source_name
from runtime.pipeline import Pipeline, Prepared, done_ahead
from runtime.recognition.ctc import decode_best_path
from runtime.recognition.lines import Line, failed, line_of, recognition_of
from runtime.recognition.model.default import default_model
from runtime.recognition.result import Recognition as Recognition
from runtime.recognition.session import ProbabilitySession, Session, open_session
from runtime.recognition.spec import RecognizerSpec
from runtime.shared_work import Apply, one_after_another
from runtime.stream_reader import StreamReader

if TYPE_CHECKING:  # What only some runs need is imported in these.
    from runtime.recognition.alternatives import Alternative
    from runtime.recognition.compat import PaddleOcrBatch

DEFAULT_BATCH_SIZE = 32


class Recognizer(StreamReader[Session, Recognition]):
    """Reads line images with one model.

    Used as a context manager it closes the model at the end. Several threads may use it at once:
    they share the model and its CPU threads, and each reads what it would alone.

    Args:
        model: path of the model file, or an open session, which brings its own dictionary,
            device and threads; None for the Latin-script model that comes with the project.
        dictionary: one character per line; only for a model that carries none.
        device: `auto`, `cpu`, `openvino`, `cuda` or `tensorrt`.
        batch_size: N at most; the text read does not depend on it.
        threads: of the CPU; as many as this process may use when None.
        device_id: number of the GPU, from 0.
        max_pixels: a larger image is refused before it is decoded.
        compat: `paddleocr2` or `paddleocr3` for the batches and widths of PaddleOCR itself,
            whatever `batch_size` says; what is read then depends on the neighbours, and all
            images are held in memory before the first is read.
        alternatives: how many of the most probable texts each result brings along; with 0 they
            are not looked for. The text itself stays the greedy reading.
        precision: on the CPU `auto`, `fp32`, `bf16` or `int8`, as `runtime.engines.open_engine`.

    Raises:
        OcrError: if an argument is impossible or the model of another type.
        ArtifactError: if the model or the dictionary is missing, damaged or contradictory.
        EngineError: if the engine is not installed, the device asked for is not to be had, or the
            model does not hand out the probabilities that alternatives need.
    """

    example = "recognizer([image])"

    def __init__(
        self,
        model: str | Path | Session | None = None,
        *,
        dictionary: str | Path | None = None,
        device: str = "auto",
        batch_size: int = DEFAULT_BATCH_SIZE,
        threads: int | None = None,
        device_id: int = 0,
        max_pixels: int = DEFAULT_MAX_PIXELS,
        compat: str | None = None,
        alternatives: int = 0,
        precision: str = "auto",
    ) -> None:
        if batch_size < 1:
            raise OcrError(f"impossible batch size: expected at least 1, got {batch_size}")
        if alternatives < 0:
            raise OcrError(
                f"impossible number of alternatives: expected at least 0, got {alternatives}"
            )
        if compat is not None:
            from runtime.recognition.compat import check_compat

            check_compat(compat)
        self.batch_size = batch_size
        self.max_pixels = max_pixels
        self.compat = compat
        self.alternatives = alternatives
        if model is None:
            model = default_model()
        if not isinstance(model, str | Path | Session):
            raise OcrError(
                f"cannot read with a model of type {type(model).__name__}: expected the path of a "
                "model file or a session of runtime.recognition.session.open_session; write the "
                "model to a file and pass its path, as in Recognizer('model.onnx')"
            )
        if isinstance(model, str | Path):
            model = open_session(
                model, dictionary, device, threads, device_id, shared=True, precision=precision
            )
        if alternatives and not isinstance(model, ProbabilitySession):
            raise EngineError(
                f"no alternatives from {model.description}: expected a model that hands out the "
                "probability of every class, got one that gives the best class alone; read with "
                "the .onnx file that it was made from, or leave alternatives out"
            )
        super().__init__(model, threads)
        self._charset = model.spec.charset
        self._lines_at_once = min(batch_size, model.lines_at_once or batch_size)

    @property
    def spec(self) -> RecognizerSpec:
        """What the model expects and emits."""
        return self._session.spec

    def read_here(
        self, images: Sequence[ImageSource], apply: Apply = one_after_another
    ) -> list[Recognition]:
        """Read a few images in the calling thread, without threads that prepare ahead.

        It is for whoever cuts lines out of pages in threads of their own. The text is that of
        `__call__`; a mode of PaddleOCR's batches does not count here.

        Args:
            images: as `__call__` takes them.
            apply: applies a function to each item of a list, in other threads as well if it likes.

        Returns:
            a result per image, in their order.

        Raises:
            EngineError: if the engine fails.
        """
        lines: dict[int, Prepared[Line]] = {}
        found: dict[int, Recognition] = {}
        for place, prepared in enumerate(apply(self._prepare, images)):
            if isinstance(prepared, Prepared):
                lines[place] = prepared
            else:
                found[place] = prepared
        places = list(lines)
        batches = list(batches_by_width(lines.values(), self._lines_at_once, len(lines)))
        for batch, recognitions in zip(batches, apply(self._read, batches), strict=True):
            for position, recognition in zip(batch.positions, recognitions, strict=True):
                found[places[position]] = recognition
        return [found[place] for place in range(len(images))]

    def _stream(self, images: Iterable[ImageSource]) -> Iterator[Recognition]:
        if self.compat is not None:
            yield from self._read_as_paddleocr(list(images), self.compat)
            return
        if self._lines_at_once == 1:
            # Nothing is batched: a line stays in one thread from file to text. With more threads
            # than lanes those that prepare interrupt those that compute, which costs more.
            threads = self._num_lanes
            ahead = LOOK_AHEAD_BATCHES + threads
            yield from done_ahead(
                self._read_alone, images, threads, ahead, self._threads, num_bytes_of
            )
            return
        pipeline = Pipeline(
            self._prepare,
            self._read,
            self._lines_at_once,
            self._num_preparers,
            self._num_lanes,
            threads=self._threads,
            num_bytes=num_bytes_of,
        )
        yield from pipeline(images)

    def _read_as_paddleocr(
        self, images: Sequence[ImageSource], compat: str
    ) -> Iterator[Recognition]:
        """Read all images in PaddleOCR's batches; the results come in input order."""
        from runtime.recognition.compat import paddleocr_batches

        results: dict[int, Recognition] = {}
        loaded: dict[int, LoadedImage] = {}
        threads = self._num_preparers
        loading = done_ahead(self._load, images, threads, 2 * threads, self._threads)
        for position, image in enumerate(loading):
            if isinstance(image, Recognition):
                results[position] = image
            else:
                loaded[position] = image
        sizes = {position: image.pixels.shape[:2] for position, image in loaded.items()}

        def prepare(batch: PaddleOcrBatch) -> Prepared[dict[int, Line]]:
            lines = {}
            for position, width in zip(batch.positions, batch.content_widths, strict=True):
                try:
                    lines[position] = line_of(loaded[position], self.spec, width)
                except ImageError as error:
                    results[position] = failed(loaded[position].source, error)
            return Prepared(batch.width, lines)

        def read(batch: WidthBatch[dict[int, Line]]) -> list[dict[int, Recognition]]:
            return [
                dict(zip(lines, self._read_lines(list(lines.values()), batch.width), strict=True))
                for lines in batch.lines
            ]

        batches = paddleocr_batches(compat, sizes, self.spec.height)
        reading = Pipeline(prepare, read, 1, threads, self._num_lanes, threads=self._threads)
        for read_lines in reading(batches):
            results.update(read_lines)
        for position in range(len(images)):
            yield results.pop(position)

    def _load(self, source: ImageSource) -> LoadedImage | Recognition:
        try:
            return load_image(source, self.max_pixels)
        except ImageError as error:
            return failed(source_name(source), error)

    def _prepare(self, source: ImageSource) -> Prepared[Line] | Recognition:
        """Bring an image to the network's height, at the width that follows from it alone."""
        try:
            line = line_of(load_image(source, self.max_pixels), self.spec)
        except ImageError as error:
            return failed(source_name(source), error)
        return Prepared(self.spec.width.input_width(line.pixels.shape[1]), line)

    def _read_alone(self, source: ImageSource) -> Recognition:
        prepared = self._prepare(source)
        if isinstance(prepared, Recognition):
            return prepared
        return self._read_lines([prepared.line], prepared.width)[0]

    def _read(self, batch: WidthBatch[Line]) -> list[Recognition]:
        return self._read_lines(batch.lines, batch.width)

    def _read_lines(self, lines: Sequence[Line], width: int) -> list[Recognition]:
        """Run lines through the network, padded to one width, and decode what it says."""
        if not lines:
            return []
        pixels = [line.pixels for line in lines]
        probabilities: NDArray[np.float32] | None = None
        with self._lane() as session:
            if self.alternatives and isinstance(session, ProbabilitySession):
                indices, values, probabilities = session.read_with_probabilities(pixels, width)
            else:
                indices, values = session.read(pixels, width)
        decoded = decode_best_path(indices, values, self._charset)
        alternatives = self._alternatives(probabilities, len(lines))
        return [
            recognition_of(line, width, self._charset, path, text, others)
            for line, path, text, others in zip(lines, indices, decoded, alternatives, strict=True)
        ]

    def _alternatives(
        self, probabilities: NDArray[np.float32] | None, num_lines: int
    ) -> Iterable[tuple[Alternative, ...]]:
        """Find other texts of each line, where they are asked for."""
        if probabilities is None:
            return [()] * num_lines
        from runtime.recognition.alternatives import most_probable_texts

        return (
            most_probable_texts(scores, self._charset, self.alternatives)
            for scores in probabilities
        )
