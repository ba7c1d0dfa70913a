"""Pages in, text out: look, cut the lines out, read them, and put them in the order of reading."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from runtime.detection.budget import PixelBudget
from runtime.detection.detector import DEFAULT_MAX_PIXELS, Detector
from runtime.detection.session import DetectionSession
from runtime.errors import EngineError, ImageError, OcrError
from runtime.images.loading import LoadedImage, load_image, num_bytes_of, unforeseen
from runtime.images.read import ImageSource, source_name
from runtime.images.sources import Page
from runtime.pages.finding import find_lines
from runtime.pages.lines import LineReader
from runtime.pages.order import in_order
from runtime.pages.result import PageText as PageText
from runtime.pipeline import done_ahead
from runtime.recognition.recognizer import DEFAULT_BATCH_SIZE, Recognizer
from runtime.recognition.session import Session
from runtime.shared_work import SharedWork
from runtime.stream_reader import StreamReader

DEFAULT_MIN_CONFIDENCE = 0.5

_AHEAD = 2
"""Pages that wait for each thread, so that none waits for the input."""
_PIXELS_AT_ONCE = 2**28
"""Of pages in memory, 0.8 GB; a larger one is read alone."""


class _Models:
    """A detector and a recogniser, open; what was given open stays so.

    Args:
        detector, recognizer: to read with.
        owned: those to close.
    """

    def __init__(
        self,
        detector: Detector,
        recognizer: Recognizer,
        owned: Iterable[Detector | Recognizer],
    ) -> None:
        self.detector, self.recognizer, self._owned = detector, recognizer, tuple(owned)

    @property
    def description(self) -> str:
        """Engines, versions, devices and threads of both."""
        return f"detector: {self.detector.description}; recognizer: {self.recognizer.description}"

    @property
    def num_lanes(self) -> int:
        """How many pages at once keep the device busy."""
        return max(self.detector.num_lanes, self.recognizer.num_lanes)

    def close(self) -> None:
        """Let go of what is owned."""
        for reader in self._owned:
            reader.close()


class PageReader(StreamReader[_Models, PageText]):
    """Reads whole pages: finds their lines, reads them, and puts them in the order of reading.

    Used as a context manager it closes the models at the end. Several threads may use it at once:
    they share the models and their CPU threads, and each reads what it would alone. Several pages
    are read at once, and the lines of a single one as well.

    Args:
        detector: path of a detector's file, an open session, or a `Detector`, which stays open;
            None for the one that comes with the project.
        recognizer: path of a recogniser's file, an open session, or a `Recognizer`, which stays
            open; None for the Latin-script model that comes with the project.
        dictionary: one character per line; only for a recogniser's file that carries none.
        device: `auto`, `cpu`, `openvino`, `cuda` or `tensorrt`.
        batch_size: lines of one width at most that a GPU reads at once.
        threads: of the CPU; as many as this process may use when None.
        device_id: number of the GPU, from 0.
        max_pixels: a larger page is refused before it is decoded.
        min_confidence: a line that was read less surely is kept, and marked as unsure.
        precision: of both on the CPU, `auto`, `fp32`, `bf16` or `int8`, as
            `runtime.engines.open_engine`.

    Raises:
        OcrError: if an argument is impossible or a model of another type.
        ArtifactError: if a model is missing, damaged, contradictory, or of another kind.
        EngineError: if the engine is not installed, or the device asked for is not to be had.
    """

    example = "reader([image])"

    def __init__(
        self,
        detector: str | Path | DetectionSession | Detector | None = None,
        recognizer: str | Path | Session | Recognizer | None = None,
        *,
        dictionary: str | Path | None = None,
        device: str = "auto",
        batch_size: int = DEFAULT_BATCH_SIZE,
        threads: int | None = None,
        device_id: int = 0,
        max_pixels: int = DEFAULT_MAX_PIXELS,
        min_confidence: float = DEFAULT_MIN_CONFIDENCE,
        precision: str = "auto",
    ) -> None:
        if not 0 <= min_confidence <= 1:
            raise OcrError(
                f"impossible least confidence: expected 0 to 1, got {min_confidence}; a line "
                "below it is marked as unsure"
            )
        self.max_pixels = max_pixels
        self.min_confidence = min_confidence
        owned: list[Detector | Recognizer] = []
        if not isinstance(detector, Detector):
            detector = Detector(
                detector,
                device=device,
                threads=threads,
                device_id=device_id,
                precision=precision,
            )
            owned.append(detector)
        try:
            if not isinstance(recognizer, Recognizer):
                recognizer = Recognizer(
                    recognizer,
                    dictionary=dictionary,
                    device=device,
                    batch_size=batch_size,
                    threads=threads,
                    device_id=device_id,
                    precision=precision,
                )
                owned.append(recognizer)
            super().__init__(_Models(detector, recognizer, owned), threads)
        except BaseException:
            for reader in owned:
                reader.close()
            raise
        self._work = SharedWork(self._num_lanes)
        self._budget = PixelBudget(_PIXELS_AT_ONCE)

    def close(self) -> None:
        """Let go of the models that were opened here and of the threads."""
        self._work.close()
        super().close()

    def _stream(self, images: Iterable[ImageSource]) -> Iterator[PageText]:
        threads = self._num_lanes
        yield from done_ahead(
            self._read, images, threads, _AHEAD * threads, self._threads, num_bytes_of
        )

    def _read(self, source: ImageSource) -> PageText:
        """Read a page in this thread, with help where threads have nothing to do."""
        number = source.number + 1 if isinstance(source, Page) else None
        with self._work.working():
            try:
                image = load_image(source, self.max_pixels)
                height, width = image.pixels.shape[:2]
                with self._budget.held(height * width):
                    return self._text_of(image, number)
            except EngineError:
                raise
            except ImageError as error:
                reason = error
            except Exception as error:
                reason = unforeseen(error)
        return PageText(source=source_name(source), page=number, error=str(reason))

    def _text_of(self, image: LoadedImage, number: int | None) -> PageText:
        models, page = self._session, image.pixels
        outlines, direction = find_lines(page, models.detector, self._work.apply)
        reader = LineReader(page, models.recognizer, self._work.apply, self.min_confidence)
        found = reader(outlines, direction)
        angle = 180 - (found.direction + 180) % 360
        lines, columns = in_order(found.lines, angle)
        return PageText(
            lines,
            columns,
            source=image.source,
            page=number,
            width_px=page.shape[1],
            height_px=page.shape[0],
            angle=angle,
            warnings=(*image.warnings, *found.warnings),
        )
