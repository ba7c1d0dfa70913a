"""Detectors of many makers are opened, and what is none is refused with a reason."""

from __future__ import annotations

import logging
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto

from runtime.detection.boxes import BoxOptions
from runtime.detection.detector import Detector
from runtime.detection.model.spec_of_model import DEFAULT_BOXES, DEFAULT_SIZES
from runtime.detection.preprocess import normalize_image
from runtime.detection.session import DetectionSession, open_session
from runtime.detection.spec import IMAGENET_MEAN, IMAGENET_STD
from runtime.errors import ArtifactError, EngineError
from tests.runtime.detection.conftest import STEEPNESS, ToyDetector, page_of, toy_spec

pytest.importorskip("onnxruntime", reason="the toy detector runs in it")

BAR = page_of(64, 96, [(10, 20, 60, 40)])


def maps_of(model: Path, *images: NDArray[np.uint8]) -> NDArray[np.float32]:
    with closing(open_session(model, "cpu")) as session:
        assert isinstance(session, DetectionSession)
        return session.maps(images)


def test_maps_are_those_of_the_network(toy_detector: ToyDetector) -> None:
    page = np.random.default_rng(3).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    maps = maps_of(toy_detector(spec=toy_spec()), page, BAR)
    assert maps.shape == (2, 64, 96) and maps.dtype == np.float32
    normalized = normalize_image(page, 1 / 255, IMAGENET_MEAN, IMAGENET_STD)
    bright = (normalized * np.array(IMAGENET_STD) + np.array(IMAGENET_MEAN)).mean(axis=2)
    expected = 1 / (1 + np.exp(-STEEPNESS * (bright - 0.5)))
    assert np.abs(maps[0] - expected).max() < 1e-4
    # Every page by itself: no bit depends on the neighbour.
    assert np.array_equal(maps[0], maps_of(toy_detector(spec=toy_spec()), page)[0])


@pytest.mark.parametrize(
    "options",
    [
        {"output_rank": 3},
        {"sigmoid": False},
        {"dtype": TensorProto.FLOAT16},
        {"input_shape": (2, 3, "H", "W")},
        {"input_shape": (1, 3, 64, 96)},
        {"input_shape": (4, 3, 64, "W")},
    ],
    ids=lambda one: str(one),
)
def test_other_forms_find_the_same(toy_detector: ToyDetector, options: dict[str, Any]) -> None:
    expected = maps_of(toy_detector(), BAR, BAR, BAR)
    found = maps_of(toy_detector(**options), BAR, BAR, BAR)
    assert found.shape == expected.shape and found.dtype == np.float32
    assert np.abs(found - expected).max() < 0.02


def test_fixed_sizes_are_kept_to(toy_detector: ToyDetector) -> None:
    model = toy_detector(spec=toy_spec(), input_shape=("N", 3, 64, 96))
    with Detector(model, device="cpu") as detector:
        small, large = detector([BAR, np.repeat(np.repeat(BAR, 4, axis=0), 4, axis=1)])
    assert (large.input_height_px, large.input_width_px) == (64, 96)
    assert "shrunk: 384 x 256 px wanted" in large.warnings[0] and small.warnings == ()
    assert large.boxes[0].points == tuple((4 * x, 4 * y) for x, y in small.boxes[0].points)


def test_a_model_without_a_spec_is_read_as_paddleocrs(
    toy_detector: ToyDetector, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO), closing(open_session(toy_detector(), "cpu")) as session:
        assert session.spec.sizes == DEFAULT_SIZES and session.spec.boxes == DEFAULT_BOXES
        session.maps([BAR])
    told = [message for message in caplog.messages if "carries no spec" in message]
    assert len(told) == 1 and "as PaddleOCR 3 reads pages" in told[0] and "0.485" in told[0]


YML = """
Global:
  model_name: PP-OCRv5_mobile_det
PreProcess:
  transform_ops:
  - DecodeImage: {channel_first: false, img_mode: RGB}
  - DetLabelEncode: null
  - DetResizeForTest: {resize_long: 960}
  - NormalizeImage: {mean: [0.5, 0.4, 0.3], order: hwc, scale: 1./255., std: [0.2, 0.2, 0.1]}
PostProcess:
  name: DBPostProcess
  box_thresh: 0.45
  max_candidates: 3000
  thresh: 0.2
  unclip_ratio: 1.4
"""


def test_what_stands_beside_it_counts(toy_detector: ToyDetector) -> None:
    model = toy_detector()
    beside = model.with_name("inference.yml")
    beside.write_text(YML)
    with closing(open_session(model, "cpu")) as session:
        spec = session.spec
    assert (spec.color_order, spec.scale, spec.mean) == ("RGB", 1 / 255, (0.5, 0.4, 0.3))
    assert (spec.sizes.limit_side_len, spec.sizes.limit_type) == (960, "max")
    assert spec.boxes == BoxOptions(0.2, 0.45, 3000, 1.4)
    beside.write_text(YML.replace("PP-OCRv5_mobile_det", "PP-OCRv4_mobile_seal_det"))
    with closing(open_session(model, "cpu")) as session:
        assert session.spec.sizes.limit_type == "min"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("DBPostProcess", "CTCLabelDecode"), "describes no text detector"),
        (("thresh: 0.2", "thresh: 2"), "thresh: expected a number from 0 to 1, got 2"),
        (("1./255.", "import os"), "describes no text detector"),
        (("[0.5, 0.4, 0.3]", "[0.5]"), "mean: expected for each of 3 channels"),
        (("img_mode: RGB", "img_mode: CMYK"), "color_order: expected 'BGR' or 'RGB'"),
        (("resize_long: 960", "limit_side_len: -1"), "limit_side_len: expected"),
    ],
)
def test_what_is_wrong_beside_it_is_named(
    toy_detector: ToyDetector, change: tuple[str, str], message: str
) -> None:
    model = toy_detector()
    model.with_name("inference.yml").write_text(YML.replace(*change))
    with pytest.raises(ArtifactError, match=message) as error:
        open_session(model, "cpu")
    assert "inference.yml" in str(error.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shrinks": True}, r"is no detector: .*expected an output \[1, 1, 64, 96\]"),
        ({"input_shape": ("N", 3, "H", 20_000)}, "W = 20000; export it with W open"),
        ({"input_shape": (2000, 3, "H", "W")}, "N = 2000"),
        ({"input_shape": (1000, 3, 1000, 1000)}, "its fixed input takes 12000000000 bytes"),
        ({"spec": toy_spec(), "sigmoid": False}, "no map of probabilities: .* got -"),
        ({"spec": toy_spec(input_name="y")}, "disagree: expected an input y, got x"),
        ({"spec": toy_spec(output_name="y")}, "no output of the name expected, y"),
        ({"metadata": {"detector_spec": "{"}}, "is damaged: expected JSON"),
    ],
    ids=lambda one: str(one)[:40],
)
def test_what_is_no_detector_is_refused(
    toy_detector: ToyDetector, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ArtifactError, match=message):
        open_session(toy_detector(**options), "cpu")


def test_a_spec_whose_network_emits_no_probabilities_is_found_out(
    toy_detector: ToyDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = open_session(toy_detector(), "cpu")
    monkeypatch.setattr(session, "maps", lambda pages: np.full((len(pages), 64, 96), 3, np.float32))
    with Detector(session) as detector, pytest.raises(EngineError, match="no probabilities"):
        detector([BAR])


def test_lines_are_no_pages(toy_path: Path) -> None:
    with pytest.raises(ArtifactError, match="give a detector"):
        open_session(toy_path, "cpu")
