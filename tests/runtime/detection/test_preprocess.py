"""Input sizes and normalising are PaddleOCR's, and no image makes a huge input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from runtime.detection.preprocess import (
    MOST_PIXELS,
    SizePolicy,
    normalize_image,
    normalize_into,
    resize_image,
)
from runtime.errors import ArtifactError
from tests.db_post import ARRAYS, EXPECTED, pattern

CASES = EXPECTED["transforms"]["DetResizeForTest"]


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case['size']}-{list(case['config'].values())}"
)
def test_inputs_are_paddleocrs(case: dict[str, Any]) -> None:
    image, shape = resize_image(pattern(case["size"]), SizePolicy(**case["config"]))
    if np.prod(case["resized"][:2]) > 2 * MOST_PIXELS:
        assert image.shape[0] * image.shape[1] <= 1.01 * MOST_PIXELS
        return
    assert list(image.shape) == case["resized"]
    assert shape.tolist() == case["shape"]
    assert int(image.sum(dtype=np.int64)) == case["sum"]
    assert image[:2, :3].tolist() == case["corner"]


@pytest.mark.parametrize("size", [(1, 50_000), (50_000, 1), (1, 1), (9000, 9000)])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"limit_side_len": 960, "limit_type": "max"},
        {"limit_side_len": 736, "limit_type": "min"},
        {"limit_side_len": 960, "limit_type": "resize_long"},
        {"resize_long": 960},
        {"image_shape": [640, 640], "keep_ratio": True},
    ],
)
def test_sizes_have_bounds(size: tuple[int, int], options: dict[str, Any]) -> None:
    height, width = SizePolicy(**options).input_size(*size)
    assert min(height, width) >= 32 and height % 32 == width % 32 == 0
    assert height * width <= 1.01 * MOST_PIXELS


def test_normalising_is_paddleocrs() -> None:
    means, deviations = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    normalized = normalize_image(ARRAYS["normalize/in"], 1.0 / 255.0, means, deviations)
    assert np.array_equal(normalized.transpose(2, 0, 1), ARRAYS["normalize/out"])


@pytest.mark.parametrize(
    "options",
    [{"limit_type": "none"}, {"image_shape": [640]}, {"image_shape": 7}, {"limit_side_len": 10**9}],
)
def test_impossible_sizes_are_named(options: dict[str, Any]) -> None:
    with pytest.raises(ArtifactError, match=f"impossible input sizes: {next(iter(options))}"):
        SizePolicy(**options)


def test_channels_first_are_the_same_bits() -> None:
    image = np.random.default_rng(4).integers(0, 256, (33, 47, 3), dtype=np.uint8)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    planes = np.full((2, 3, 33, 47), np.nan, dtype=np.float32)
    normalize_into(planes[1], image[:, ::-1], 1 / 255, mean, std)
    expected = normalize_image(np.ascontiguousarray(image[:, ::-1]), 1 / 255, mean, std)
    assert planes[1].tobytes() == expected.transpose(2, 0, 1).tobytes()
