"""Resizing and joining of lines, held against PaddleOCR's own numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from runtime.recognition.preprocess import batch_from_lines
from runtime.recognition.spec import WidthPolicy
from training.data.sample import Draw, Sample
from training.recognition.augment import RecConAug
from training.recognition.transforms import RecResizeImg

GOLDEN: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "golden" / "rec_transforms.json").read_text()
)
DRAW = Draw(np.random.default_rng(0), lambda: Sample(b"", "", ""))


def pattern(size: tuple[int, int]) -> NDArray[np.uint8]:
    """The image that the numbers were made from."""
    y, x = np.mgrid[: size[0], : size[1]]
    return ((5 * y + 3 * x)[..., None] + np.array([0, 60, 120])).astype(np.int64).astype(np.uint8)


@pytest.mark.parametrize(
    "case",
    [case for case in GOLDEN["RecResizeImg"] if set(case["config"]) == {"image_shape"}],
    ids=lambda case: str(case["size"]),
)
def test_a_fixed_width_is_paddleocrs(case: dict[str, Any]) -> None:
    shape = case["config"]["image_shape"]
    policy = WidthPolicy(shape[2], shape[2], shape[2])  # what width_step 0 means
    sample = RecResizeImg(policy, shape)(Sample(pattern(case["size"]), "", ""), DRAW)
    image = batch_from_lines([sample.image], shape[2])[0]
    assert list(image.shape) == case["shape"]
    assert sample.image.shape[1] / shape[2] == pytest.approx(case["valid_ratio"], abs=0)
    assert float(image.astype(np.float64).sum()) == pytest.approx(case["sum"], abs=1e-2)
    assert float(np.abs(image.astype(np.float64)).sum()) == pytest.approx(case["abs_sum"], rel=1e-6)


def draw_from(lines: list[Any]) -> Draw:
    rest: Iterator[Any] = iter(lines)

    def following() -> Sample:
        size, label = next(rest)
        return Sample(pattern(size), label, "other")

    return Draw(np.random.default_rng(0), following)


@pytest.mark.parametrize("case", GOLDEN["RecConAug"], ids=lambda case: case["out_label"])
def test_joined_lines_are_paddleocrs(case: dict[str, Any]) -> None:
    join = RecConAug(1.0, (48, 320, 3), 25, len(case["extra"]))
    joined = join(Sample(pattern(case["size"]), case["label"], "one"), draw_from(case["extra"]))
    assert joined.text == case["out_label"] and list(joined.image.shape) == case["out_shape"]
    assert int(joined.image.astype(np.int64).sum()) == case["sum"]


def test_no_joint_text_is_longer_than_its_label_can_be() -> None:
    for longest, text in ((5, "abcde"), (4, "abc")):
        join = RecConAug(1.0, (48, 320, 3), 25, 1, longest)
        joined = join(Sample(pattern((48, 60)), "abc", "one"), draw_from([((48, 60), "de")]))
        assert joined.text == text
