"""A page reader as plain as can be: boxes from above, cut out, read; for what stands around one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from runtime.detection.detector import DEFAULT_MAX_PIXELS, Detector
from runtime.errors import ImageError
from runtime.images.loading import load_image
from runtime.images.read import ImageSource, source_name
from runtime.pages.result import PageColumn, PageLine, PageText, PageWord
from runtime.recognition.recognizer import Recognizer


class PageReader:
    def __init__(
        self,
        *,
        detector: str | Path,
        recognizer: str | Path,
        max_pixels: int = DEFAULT_MAX_PIXELS,
        min_confidence: float = 0.5,
        **options: object,
    ) -> None:
        engine = {name: options[name] for name in ("device", "threads") if name in options}
        self._detector = Detector(detector, **engine)  # type: ignore[arg-type]
        self._recognizer = Recognizer(recognizer, **engine)  # type: ignore[arg-type]
        self._max_pixels, self._least = max_pixels, min_confidence

    def __enter__(self) -> PageReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._detector.close()
        self._recognizer.close()

    def stream(self, images: Iterable[ImageSource]) -> Iterator[PageText]:
        for source in images:
            try:
                yield self._read(source)
            except ImageError as error:
                yield PageText(source=source_name(source), error=str(error))

    def _read(self, source: ImageSource) -> PageText:
        pixels = load_image(source, self._max_pixels).pixels
        height, width = pixels.shape[:2]
        (found,) = self._detector([pixels])
        if found.error is not None:
            raise ImageError(found.error)
        boxes = sorted(found.boxes, key=lambda box: (round(box.points[0][1] / 10), box.points[0]))
        corners = [np.array(box.points, dtype=np.float32) for box in boxes]
        crops = []
        for points in corners:
            wide = max(1, round(float(np.linalg.norm(points[1] - points[0]))))
            high = max(1, round(float(np.linalg.norm(points[3] - points[0]))))
            ends = np.array([[0, 0], [wide, 0], [wide, high], [0, high]], dtype=np.float32)
            matrix = cv2.getPerspectiveTransform(points, ends)
            crops.append(cv2.warpPerspective(pixels, matrix, (wide, high)))
        lines = []
        for row, (box, points, read) in enumerate(
            zip(boxes, corners, self._recognizer(crops), strict=True)
        ):
            words = tuple(
                PageWord(text, read.confidence, _part(points, left, right))
                for text, left, right in _spans(read.text)
            )
            is_unsure = read.confidence < self._least
            lines.append(
                PageLine(
                    read.text, read.confidence, box.points, box.score, words, is_unsure, row=row
                )
            )
        around = ((0.0, 0.0), (float(width), 0.0), (float(width), float(height)), (0.0, height))
        columns = (PageColumn(around, tuple(range(len(lines)))),) if lines else ()
        name = source_name(source)
        return PageText(tuple(lines), columns, name, width_px=width, height_px=height)


def _spans(text: str) -> Iterator[tuple[str, float, float]]:
    """Words with the share of the line at which they begin and end."""
    place = 0
    for word in text.split(" "):
        if word:
            yield word, place / len(text), (place + len(word)) / len(text)
        place += len(word) + 1


def _part(corners: np.ndarray, left: float, right: float) -> tuple[tuple[float, float], ...]:
    """Corners of the part of a line between two shares of it."""
    top, bottom = corners[1] - corners[0], corners[2] - corners[3]
    ends = [
        corners[0] + left * top,
        corners[0] + right * top,
        corners[3] + right * bottom,
        corners[3] + left * bottom,
    ]
    return tuple((float(x), float(y)) for x, y in ends)
