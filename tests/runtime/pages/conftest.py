"""A detector of bright bars, a recogniser of columns, and pages of bars."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.detection.boxes import BoxOptions
from runtime.detection.detector import Detector
from runtime.detection.spec import DetectorSpec
from runtime.recognition.recognizer import Recognizer
from tests.runtime.conftest import toy_spec, write_toy_model
from tests.runtime.detection.conftest import write_toy_detector


@pytest.fixture
def detector_path(tmp_path: Path) -> Path:
    """A detector that takes bright pixels for text, with PaddleOCR's sizes."""
    pytest.importorskip("onnxruntime", reason="the toy models run in it")
    boxes = BoxOptions(box_thresh=0.6, unclip_ratio=0.5)
    return write_toy_detector(tmp_path / "detector.onnx", spec=DetectorSpec(boxes=boxes))


@pytest.fixture
def recognizer_path(tmp_path: Path) -> Path:
    """A recogniser whose reading depends on the colours of columns."""
    pytest.importorskip("onnxruntime", reason="the toy models run in it")
    return write_toy_model(tmp_path / "recognizer.onnx", spec=toy_spec())


@pytest.fixture
def detector(detector_path: Path) -> Iterator[Detector]:
    """The toy detector, open."""
    with Detector(detector_path, device="cpu", threads=1) as opened:
        yield opened


@pytest.fixture
def recognizer(recognizer_path: Path) -> Iterator[Recognizer]:
    """The toy recogniser, open."""
    with Recognizer(recognizer_path, device="cpu", threads=1) as opened:
        yield opened


class FakeDetector:
    """Takes the mean brightness for the probability of text, and notes what it is fed.

    Args:
        most: the longest side that it takes.
        fixed: the only size that it takes.
    """

    def __init__(self, most: int = 16_384, fixed: tuple[int, int] | None = None) -> None:
        self.most, self.fixed = most, fixed
        self.fed: list[Any] = []

    def fitting_size(self, height: int, width: int) -> tuple[int, int]:
        """As `Detector.fitting_size`."""
        return self.fixed or (min(height, self.most), min(width, self.most))

    def probabilities(self, pixels: Any) -> Any:
        """As `Detector.probabilities`."""
        assert pixels.shape[0] % 32 == 0 and pixels.shape[1] % 32 == 0
        self.fed.append(pixels)
        return pixels.mean(axis=2, dtype="float32") / 255
