"""The command with a page reader that reads bars: a line for each row of dark pixels."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType, TracebackType

import cv2
import numpy as np
import pytest

from runtime.errors import ImageError
from runtime.images.loading import load_image
from runtime.images.read import ImageSource, source_name
from runtime.pages.result import PageColumn, PageLine, PageText, PageWord

WIDTH, HEIGHT = 300, 200


class BarReader:
    """Reads a line `bar N` of each dark bar, with a confidence that falls from line to line."""

    opened: dict[str, object]

    def __init__(self, **options: object) -> None:
        BarReader.opened = options
        self._max_pixels = options.get("max_pixels", 2**24)

    def __enter__(self) -> BarReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass

    def stream(self, images: Iterable[ImageSource]) -> Iterator[PageText]:
        for source in images:
            try:
                yield self._read(source)
            except ImageError as error:
                yield PageText(source=source_name(source), error=str(error))

    def _read(self, source: ImageSource) -> PageText:
        pixels = load_image(source, self._max_pixels).pixels  # type: ignore[arg-type]
        height, width = pixels.shape[:2]
        dark = np.r_[False, (pixels[:, :, 0] < 128).any(axis=1), False]
        edges = np.flatnonzero(dark[1:] != dark[:-1])
        lines = []
        for row, (top, bottom) in enumerate(zip(edges[::2], edges[1::2], strict=True)):
            (columns,) = np.nonzero((pixels[top:bottom, :, 0] < 128).any(axis=0))
            left, right = float(columns.min()), float(columns.max() + 1)
            middle = (left + right) / 2
            spans = ((left, middle), (middle + 1, right))
            corners = [
                ((a, float(top)), (b, float(top)), (b, float(bottom)), (a, float(bottom)))
                for a, b in (*spans, (left, right))
            ]
            score = 0.9 - 0.3 * row
            words = tuple(
                PageWord(text, score, place)
                for text, place in zip(("bar", str(row + 1)), corners, strict=False)
            )
            lines.append(
                PageLine(f"bar {row + 1}", score, corners[2], 0.8, words, score < 0.5, row=row)
            )
        around = (
            (0.0, 0.0),
            (float(width), 0.0),
            (float(width), float(height)),
            (0.0, float(height)),
        )
        columns_ = (PageColumn(around, tuple(range(len(lines)))),) if lines else ()
        return PageText(
            tuple(lines), columns_, source_name(source), width_px=width, height_px=height
        )


@pytest.fixture
def _bar_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("runtime.pages.reader")
    module.PageReader = BarReader  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "runtime.pages.reader", module)


def bars(number: int) -> np.ndarray:
    """A page of bars."""
    pixels = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    for row in range(number):
        pixels[20 + 50 * row : 45 + 50 * row, 30 : 200 + 20 * row] = 0
    return pixels


def write_pages(folder: Path) -> Path:
    """A folder of pages: two images, one that is none, and a TIFF of two pages."""
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), bars(2))
    cv2.imwrite(str(folder / "b.png"), bars(0))
    (folder / "c.png").write_bytes(b"no image")
    cv2.imwritemulti(str(folder / "d.tif"), [bars(1), bars(3)])
    return folder
