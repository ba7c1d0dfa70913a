"""PaddleOCR's batches and widths: by its formulas written anew, and against RapidOCR itself."""

from __future__ import annotations

import importlib.util
import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from runtime import OcrError, Recognizer, RecognizerSpec, find_images, read_image
from runtime.recognition.compat import COMPATS, paddleocr_batches
from tests.runtime.recognition.test_recognizer import EchoSession

pytest.importorskip("onnxruntime", reason="models are read with it")

Lines = list[NDArray[np.uint8]]
IMAGES = Path(__file__).parents[3] / "images"


def inputs_of_version_3(images: Lines, height: int) -> list[NDArray[np.float32]]:
    """Each image resized and padded alone, then padded to the widest of its six."""
    order = sorted(range(len(images)), key=lambda i: images[i].shape[1] / images[i].shape[0])
    batches = []
    for start in range(0, len(order), 6):
        alone = []
        for index in order[start : start + 6]:
            high, wide = images[index].shape[:2]
            width = min(int(height * max(320 / height, wide / high)), 3200)
            content = min(math.ceil(height * (wide / high)), width)
            padded = np.zeros((3, height, width), np.float32)
            resized = cv2.resize(images[index], (content, height)).astype(np.float32)
            padded[:, :, :content] = (resized.transpose(2, 0, 1) / 255 - 0.5) / 0.5
            alone.append(padded)
        widest = max(result.shape[2] for result in alone)
        batches.append(
            np.stack(
                [
                    np.pad(result, ((0, 0), (0, 0), (0, widest - result.shape[2])))
                    for result in alone
                ]
            )
        )
    return batches


class Recording(EchoSession):
    """Remembers the batches that it is given, padded."""

    def __init__(self, spec: RecognizerSpec) -> None:
        super().__init__(spec)
        self.batches: list[NDArray[np.float32]] = []

    def read(self, lines: Lines, width_px: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        from runtime.recognition.preprocess import batch_from_lines

        self.batches.append(batch_from_lines(lines, width_px))
        return super().read(lines, width_px)


@pytest.mark.parametrize("height", [32, 48])
def test_version_3_pads_to_the_widest_of_six(
    make_spec: Callable[..., RecognizerSpec], line_images: Lines, height: int
) -> None:
    long = np.zeros((10, 3000, 3), np.uint8)
    images = [*line_images, long]
    session = Recording(make_spec(height=height))
    results = Recognizer(session, compat="paddleocr3", threads=1)(images)
    expected = inputs_of_version_3(images, height)
    assert len(session.batches) == len(expected) == 7
    for wanted in expected:  # two threads take turns with the session, in any order
        assert any(
            got.shape == wanted.shape and np.allclose(got, wanted, atol=1e-6)
            for got in session.batches
        )
    assert results[-1].input_width_px == 3200
    assert "the model takes 3200 px" in results[-1].warnings[0]


def test_version_2_gives_the_widest_floor_and_the_others_ceil() -> None:
    sizes = {0: (30, 301), 1: (7, 90), 2: (10, 40), 5: (7, 89)}
    (batch,) = paddleocr_batches("paddleocr2", sizes, 48)
    assert batch.positions == (2, 0, 5, 1)
    assert batch.width == int(48 * (90 / 7)) == 617
    assert batch.content_widths == (192, 482, 611, 617)


@pytest.mark.parametrize("compat", COMPATS)
def test_no_batch_is_narrower_than_320_px(compat: str) -> None:
    (batch,) = paddleocr_batches(compat, {3: (48, 20)}, 48)
    assert (batch.positions, batch.content_widths, batch.width) == ((3,), (20,), 320)


def test_only_version_3_has_a_limit() -> None:
    sizes = {0: (10, 3000)}
    assert paddleocr_batches("paddleocr2", sizes, 32)[0].width == 9600
    assert paddleocr_batches("paddleocr3", sizes, 32)[0].width == 3200


@pytest.mark.parametrize("compat", COMPATS)
def test_bad_images_are_no_neighbours_and_order_is_kept(
    spec: RecognizerSpec, line_images: Lines, compat: str
) -> None:
    light, dark = np.full((9, 30), 255, np.uint8), np.zeros((9, 90), np.uint8)
    recognizer = Recognizer(EchoSession(spec), compat=compat)
    results = recognizer([light, b"", dark, "none.png", light])
    assert [result.text for result in results] == ["b", "", "a", "", "b"]
    assert [result.error is None for result in results] == [True, False, True, False, True]
    assert recognizer([]) == []


def test_an_unknown_compat_is_refused(spec: RecognizerSpec) -> None:
    with pytest.raises(OcrError, match="paddleocr2, paddleocr3, got 'paddleocr4'"):
        Recognizer(EchoSession(spec), compat="paddleocr4")


def rapidocrs_recogniser() -> tuple[Any, Path]:
    """RapidOCR's recogniser, and the model that comes with it."""
    rapidocr = pytest.importorskip("rapidocr", reason="it is compared with")
    logging.getLogger("RapidOCR").setLevel(logging.ERROR)
    found = importlib.util.find_spec("rapidocr")
    assert found is not None and found.origin is not None
    model = Path(found.origin).parent / "models" / "PP-OCRv6_rec_small.onnx"
    return rapidocr.RapidOCR(params={"Global.log_level": "error"})._load_rec_model(), model


def test_version_2_reads_what_rapidocr_reads() -> None:
    theirs, model = rapidocrs_recogniser()
    from rapidocr.ch_ppocr_rec import TextRecInput

    images = [read_image(path) for path in find_images([IMAGES])][:20]
    images += [
        cv2.resize(image, None, fx=fx, fy=1) for image, fx in zip(images[:2], (0.4, 3), strict=True)
    ]
    expected = theirs(TextRecInput(img=images))
    with Recognizer(model, compat="paddleocr2", device="cpu") as recognizer:
        got = recognizer(images)
    assert [result.text for result in got] == list(expected.txts)
    # RapidOCR rounds to five digits.
    np.testing.assert_allclose([result.confidence for result in got], expected.scores, atol=2e-5)
    assert len({result.text for result in got}) > 15
