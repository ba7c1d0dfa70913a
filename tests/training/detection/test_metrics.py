"""Precision, recall and hmean of boxes are PaddleOCR's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from runtime.detection.boxes import Boxes
from tests.db_post import EXPECTED
from training.detection.metrics import METRICS, Counts, DetMetric, count_matches

SQUARE = [[0, 0], [10, 0], [10, 10], [0, 10]]


def boxes(*points: Any) -> Boxes:
    return Boxes([np.array(corners) for corners in points], [1.0] * len(points))


@pytest.mark.parametrize("image", EXPECTED["evaluator"])
def test_counts_are_paddleocrs(image: dict[str, Any]) -> None:
    counts = count_matches(image["detected"], image["gt"], image["ignore"])
    wanted = image["per_image"]
    assert counts == Counts(wanted["gtCare"], wanted["detCare"], wanted["detMatched"])
    assert counts.figures() == pytest.approx(image["metric"], abs=1e-15)


def test_figures_are_of_all_images_together() -> None:
    metric = DetMetric()
    for image in EXPECTED["evaluator"]:
        batch = {"polys": [image["gt"]], "ignore_tags": [image["ignore"]]}
        metric([boxes(*image["detected"])], batch)
    assert metric.by_network(metric.get_metric()) == {
        "network": pytest.approx(EXPECTED["evaluator_together"], abs=1e-15)
    }
    assert metric.get_metric() == {"precision": 0.0, "recall": 0.0, "hmean": 0.0}


def test_half_is_no_match() -> None:
    half = [[0, 0], [10, 0], [10, 5], [0, 5]]
    assert count_matches([half], [SQUARE], [False]) == Counts(1, 1, 0)
    assert count_matches([half], [[*SQUARE[:3], [0, 9]]], [False]).matches == 1
    # Half of a detection on ignored text is not enough to leave it out.
    upper = [[0, 5], [10, 5], [10, 20], [0, 20]]
    assert count_matches([SQUARE], [upper], [True]) == Counts(0, 1, 0)
    assert count_matches([[[0, 1], *SQUARE[1:]]], [upper], [True]).detections == 0


@pytest.mark.parametrize(
    "polygon",
    [
        [],
        [[0, 0], [10, 10]],
        [[0, 0], [5, 5], [0, 0]],
        [[0, 0], [10, 10], [10, 0], [0, 10]],
        [[np.nan, 0], *SQUARE[1:]],
        [[0, 0]] * 4,
    ],
)
def test_polygons_without_an_inside_are_passed_over(polygon: list[Any]) -> None:
    assert count_matches([polygon, SQUARE], [SQUARE], [False]) == Counts(1, 1, 1)
    assert count_matches([SQUARE], [polygon, SQUARE], [True, False]) == Counts(1, 1, 1)


def test_the_main_networks_figures_have_no_prefix() -> None:
    section = {
        "name": "DistillationMetric",
        "base_metric_name": "DetMetric",
        "main_indicator": "hmean",
        "key": "Student",
    }
    metric = METRICS.build(section, "Metric")
    batch = {"polys": [[SQUARE]], "ignore_tags": [[False]]}
    metric({"Student": [boxes(SQUARE)], "Student2": [boxes()]}, batch)
    figures = metric.get_metric()
    assert figures["hmean"] == 1.0 and figures["Student2_hmean"] == 0.0
    assert metric.by_network(figures)["Student2"]["recall"] == 0.0
