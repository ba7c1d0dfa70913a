"""A service with a toy detector, and pages of bright bars for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.runtime.detection.conftest import page_of, write_toy_detector
from tests.runtime.detection.conftest import toy_spec as toy_detector_spec
from tests.runtime.serve.conftest import Serve, Served

SHADES = np.array([(255, 255, 60), (255, 70, 255), (80, 255, 255), (255, 255, 255)], np.uint8)
BARS = ((30, 30, 260, 54), (30, 80, 200, 104), (30, 130, 280, 154))

ServePages = Callable[..., Served]


@pytest.fixture(scope="session")
def toy_detector_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector that takes bright pixels for text."""
    pytest.importorskip("onnxruntime")
    path = tmp_path_factory.mktemp("detector") / "detector.onnx"
    return write_toy_detector(path, spec=toy_detector_spec())


@pytest.fixture
def serve_pages(serve: Serve, toy_detector_file: Path) -> ServePages:
    """Starts a service that reads pages; takes the arguments of `serve`."""

    def start(limits: dict[str, Any] | None = None, **options: Any) -> Served:
        return serve(limits, detector=toy_detector_file, **options)

    return start


def bar_page(num_bars: int = 3, kind: str = ".png") -> bytes:
    """A picture of a page with coloured bars, which the toy model reads as letters."""
    page = page_of(200, 300, BARS[:num_bars])
    rng = np.random.default_rng(5)
    for left, top, right, bottom in BARS[:num_bars]:
        blocks = SHADES[rng.integers(0, len(SHADES), (1, (right - left) // 24 + 1))]
        shades = np.repeat(np.repeat(blocks, bottom - top, axis=0), 24, axis=1)
        page[top:bottom, left:right] = shades[:, : right - left]
    return bytes(cv2.imencode(kind, page)[1])


def tiff_of(*numbers: int) -> bytes:
    """A TIFF file with a page for each number of bars."""
    pages = [cv2.imdecode(np.frombuffer(bar_page(number), np.uint8), 1) for number in numbers]
    return bytes(cv2.imencodemulti(".tif", pages)[1])
