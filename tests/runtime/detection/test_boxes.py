"""Boxes of text from maps of probabilities are PaddleOCR's, and their cost has bounds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from runtime.detection.boxes import BoxOptions, find_boxes
from runtime.errors import ArtifactError
from tests.db_post import EXPECTED, HAS_THEIR_OPENCV, probability_of

CASES = [(name, number) for name, rows in EXPECTED["maps"].items() for number in range(len(rows))]
BLOCK = np.zeros((60, 80), dtype=np.float32)
BLOCK[20:40, 10:60] = 0.9


@pytest.mark.parametrize(("name", "number"), CASES)
def test_boxes_are_paddleocrs(name: str, number: int) -> None:
    expected = EXPECTED["maps"][name][number]
    if expected["config"].get("box_type") == "poly":
        pytest.importorskip("pyclipper")
    boxes = find_boxes(probability_of(name), expected["dest"], BoxOptions(**expected["config"]))
    if HAS_THEIR_OPENCV:
        assert [points.tolist() for points in boxes.points] == expected["boxes"]
        assert boxes.scores == expected["scores"]
        return
    assert len(boxes.points) == len(expected["boxes"])
    for points, wanted in zip(boxes.points, expected["boxes"], strict=True):
        if points.shape == np.shape(wanted):
            assert np.abs(points - wanted).max() <= 4
    assert boxes.scores == pytest.approx(expected["scores"], abs=1e-2)


def test_a_box_has_the_corners_of_its_block_and_a_margin() -> None:
    options = BoxOptions(0.3, 0.6, unclip_ratio=1.5)
    (box,) = find_boxes(BLOCK, BLOCK.shape, options).points
    # 49 x 19 px between the outer pixels: 1.5 * 931 / 136 = 10.3 px further out.
    assert box.tolist() == [[0, 10], [69, 10], [69, 49], [0, 49]]
    assert box.dtype == np.int32
    (larger,) = find_boxes(BLOCK, (120.0, 240.0), options).points
    assert larger.tolist() == [[0, 20], [207, 20], [207, 98], [0, 98]]


def test_candidates_are_counted_from_below() -> None:
    probability = np.concatenate([BLOCK, BLOCK * 0.8])
    options = BoxOptions(0.3, 0.6, max_candidates=1)
    assert find_boxes(probability, probability.shape, options).scores == pytest.approx([0.72])


@pytest.mark.parametrize("box_type", ["quad", "poly"])
@pytest.mark.parametrize("value", [0.0, np.nan, -np.inf])
def test_a_map_without_text_has_no_boxes(value: float, box_type: Any) -> None:
    probability = np.full((64, 64), value, dtype=np.float32)
    assert find_boxes(probability, (64, 64), BoxOptions(box_type=box_type)).points == []
    assert find_boxes(probability[:0], (64, 64), BoxOptions(box_type=box_type)).points == []


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_makes_no_score(value: float) -> None:
    probability = BLOCK.copy()
    probability[30, 30] = value
    assert find_boxes(probability, BLOCK.shape, BoxOptions()).points == []


def test_a_map_of_ones_is_one_box() -> None:
    ones = np.ones((64, 96), dtype=np.float32)
    (box,) = find_boxes(ones, (64, 96), BoxOptions()).points
    assert box.tolist() == [[0, 0], [96, 0], [96, 64], [0, 64]]


def rings(side: int) -> NDArray[np.float32]:
    middle = np.abs(np.arange(side) - side // 2)
    return (np.maximum(middle[:, np.newaxis], middle) // 2 % 2).astype(np.float32)


def test_rings_inside_each_other_do_not_cost_a_map_each() -> None:
    probability = rings(2400)
    options = BoxOptions(0.3, 0.0, max_candidates=3000)
    boxes = find_boxes(probability, probability.shape, options)
    # Of 1200 borders, those whose bounding boxes cover the map 64 times.
    assert 60 < len(boxes.points) < 600


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"thresh": 2.0}, "thresh: expected a number from 0 to 1, got 2.0"),
        ({"max_candidates": 0}, "max_candidates: expected a whole number from 1"),
        ({"unclip_ratio": float("nan")}, "unclip_ratio: expected a number from 0 to 100, got nan"),
        ({"box_type": "oval"}, "box_type: expected 'quad' or 'poly', got 'oval'"),
    ],
)
def test_impossible_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArtifactError, match=message):
        BoxOptions(**options)


def test_polygons_say_what_they_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyclipper", None)
    with pytest.raises(ArtifactError, match=r"pip install 'distilrec\[poly\]'"):
        find_boxes(BLOCK, BLOCK.shape, BoxOptions(box_type="poly"))
