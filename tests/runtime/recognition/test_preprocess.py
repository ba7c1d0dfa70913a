import math
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from runtime.recognition.preprocess import (
    batch_from_lines,
    prepare_line,
    resize_line,
    resize_to,
)
from runtime.recognition.spec import RecognizerSpec, WidthPolicy


def paddleocr_input(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.float32]:
    """The arithmetic of PaddleOCR's `resize_norm_img`, written anew: the golden reference."""
    resized_width = min(math.ceil(height * (image.shape[1] / float(image.shape[0]))), width)
    resized = cv2.resize(image, (resized_width, height)).astype("float32")
    normalised = resized.transpose((2, 0, 1)) / 255
    normalised -= 0.5
    normalised /= 0.5
    padded = np.zeros((3, height, width), dtype=np.float32)
    padded[:, :, :resized_width] = normalised
    return padded


@pytest.mark.parametrize("height", [32, 48])
def test_input_equals_paddleocrs_bit_for_bit(
    make_spec: Callable[..., RecognizerSpec], line_images: list[NDArray[np.uint8]], height: int
) -> None:
    spec = make_spec(height=height)
    for image in line_images:
        line = prepare_line(image, spec)
        width = spec.width.input_width(line.shape[1])
        batch = batch_from_lines([line], width)
        assert batch.dtype == np.float32
        np.testing.assert_array_equal(batch[0], paddleocr_input(image, height, width))


def test_all_levels_are_normalised_as_paddleocr_does() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(1, 256, 1)
    expected = (levels.reshape(-1).astype("float32") / 255 - np.float32(0.5)) / np.float32(0.5)
    np.testing.assert_array_equal(batch_from_lines([levels], 256)[0, 0, 0], expected)


def test_other_normalisation_is_used() -> None:
    line = np.full((2, 2, 3), 255, dtype=np.uint8)
    np.testing.assert_allclose(batch_from_lines([line], 2, mean=0.25, std=0.5), 1.5, rtol=1e-6)


def test_lines_of_one_batch_do_not_touch_each_other(spec: RecognizerSpec) -> None:
    rng = np.random.default_rng(0)
    lines = [rng.integers(0, 256, (32, width, 3), dtype=np.uint8) for width in (1, 40, 64)]
    together = batch_from_lines(lines, 64)
    for row, line in zip(together, lines, strict=True):
        np.testing.assert_array_equal(row, batch_from_lines([line], 64)[0])
        assert not row[:, :, line.shape[1] :].any()


def test_a_line_beyond_the_limit_is_squeezed() -> None:
    line = resize_line(np.zeros((10, 20_000, 3), dtype=np.uint8), 32, WidthPolicy(32, 32, 320))
    assert line.shape == (32, 320, 3)


def test_one_pixel_and_extreme_shapes_are_resized(spec: RecognizerSpec) -> None:
    for height, width in ((1, 1), (20_000, 10), (10, 20_000)):
        line = prepare_line(np.full((height, width, 3), 9, dtype=np.uint8), spec)
        assert line.shape[0] == 32 and 1 <= line.shape[1] <= spec.width.max_px
        assert (line == 9).all()


def test_colour_order_and_grey_follow_the_spec(make_spec: Callable[..., RecognizerSpec]) -> None:
    image = np.zeros((32, 8, 3), dtype=np.uint8)
    image[:, :, 0] = 200  # blue
    assert prepare_line(image, make_spec())[0, 0].tolist() == [200, 0, 0]
    assert prepare_line(image, make_spec(color_order="RGB"))[0, 0].tolist() == [0, 0, 200]
    grey = prepare_line(image, make_spec(channels=1))
    assert grey.shape == (32, 8, 1) and grey[0, 0, 0] == round(200 * 0.114)
    assert batch_from_lines([grey], 32).shape == (1, 1, 32, 32)


def stripes(height: int) -> NDArray[np.uint8]:
    """Rows that are black and white in turn, which four pixels alone show as black or white."""
    image = np.zeros((height, 2 * height, 3), dtype=np.uint8)
    image[1::2] = 255
    return image


def test_area_averages_every_pixel_of_a_tall_line() -> None:
    image = stripes(128)
    averaged = resize_to(image, 32, 64, "area")
    assert averaged.shape == (32, 64, 3) and averaged.dtype == np.uint8
    np.testing.assert_allclose(averaged, 127.5, atol=1)
    expected = image.reshape(32, 4, 64, 4, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(averaged, expected, atol=0.5)
    noise = np.random.default_rng(0).integers(0, 256, (128, 256, 3), dtype=np.uint8)
    assert (resize_to(noise, 32, 64) != resize_to(noise, 32, 64, "area")).any()


@pytest.mark.parametrize("height", [16, 32, 39])
def test_area_changes_nothing_below_a_quarter_above_the_height(height: int) -> None:
    image = stripes(height)
    np.testing.assert_array_equal(resize_to(image, 32, 64, "area"), resize_to(image, 32, 64))
    assert (resize_to(stripes(40), 32, 64, "area") != resize_to(stripes(40), 32, 64)).any()


def test_the_spec_says_how_a_line_is_resized(make_spec: Callable[..., RecognizerSpec]) -> None:
    image = stripes(128)
    line = prepare_line(image, make_spec(resize="area"))
    np.testing.assert_array_equal(line, resize_to(image, 32, 64, "area"))
    np.testing.assert_array_equal(prepare_line(image, make_spec()), resize_to(image, 32, 64))


def test_paddleocrs_widths_come_with_its_resize(make_spec: Callable[..., RecognizerSpec]) -> None:
    image = stripes(128)
    line = prepare_line(image, make_spec(resize="area"), content_width=64)
    np.testing.assert_array_equal(line, resize_to(image, 32, 64))
