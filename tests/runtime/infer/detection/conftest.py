"""The toy detector, and a folder of pages."""

from pathlib import Path

import cv2
import pytest

from tests.runtime.detection.conftest import (
    Page,
    detector_path,
    page_of,
    pages,
    toy_detector,
)

__all__ = ["detector_path", "pages", "toy_detector"]

BAR = page_of(64, 96, [(10, 20, 60, 40)])
OUTLINE = [[0, 10], [69, 10], [69, 49], [0, 49]]
"""Where the bar is found."""


@pytest.fixture
def folder(tmp_path: Path, pages: list[Page]) -> Path:
    """Five pages, the first of them with one bar, and a file that is no image."""
    place = tmp_path / "pages"
    place.mkdir()
    for number, page in enumerate([BAR, *pages[:4]]):
        cv2.imwrite(str(place / f"page{number}.png"), page)
    (place / "cut.png").write_bytes((place / "page0.png").read_bytes()[:60])
    return place
