"""Boxes of networks' maps by PaddleOCR's names, and its own boxes of prepared maps."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import paddle
import pytest
import yaml

from tests.beside import paddleocr_numbers
from tests.db_post import HAS_THEIR_OPENCV
from training.detection.metrics import METRICS
from training.detection.post_process import POST_PROCESSES, DBPostProcess
from training.registry import Problems

CASES = (
    "det_dml",
    "det_v2_cml",
    "det_v2_distill",
    "det_v3_cml",
    "det_v4_cml",
    "det_v5_mobile",
    "det_v5_server",
)
"""The cases of detection that PaddleOCR computed."""
BLOCK = np.zeros((1, 3, 60, 80), dtype=np.float32)
BLOCK[:, 0, 20:40, 10:60] = 0.9
SHAPES = np.array([[120.0, 240.0, 0.5, 1 / 3]])


@pytest.mark.parametrize("case", CASES)
def test_boxes_and_figures_of_prepared_maps_are_paddleocrs(case: str) -> None:
    folder = paddleocr_numbers("families", case)
    config = yaml.safe_load((folder / "config.yml").read_text("utf-8"))
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    with np.load(folder / "arrays.npz") as archive:
        prepared = archive["prepared_probability"]
    post_process = POST_PROCESSES.build(config["PostProcess"], "PostProcess")
    metric = METRICS.build(config["Metric"], "Metric")
    wanted = expected["prepared"]
    networks = wanted["boxes"] if isinstance(wanted["boxes"], dict) else None
    predictions: Any = {"maps": prepared}
    if networks is not None:
        predictions = {name: {"maps": prepared} for name in networks}
    found = post_process(predictions, expected["shape_list"])
    metric(found, {"polys": wanted["gt"], "ignore_tags": wanted["ignore_tags"]})
    assert metric.get_metric() == pytest.approx(wanted["metric"], abs=1e-9)
    if not HAS_THEIR_OPENCV:
        return
    if networks is None:
        networks, found = {"": wanted["boxes"]}, {"": found}
    for name, images in networks.items():
        for boxes, image in zip(found[name], images, strict=True):
            assert [points.tolist() for points in boxes.points] == image["points"]


@pytest.mark.parametrize("prediction", [BLOCK, {"maps": BLOCK}, paddle.to_tensor(BLOCK)])
def test_the_first_channel_counts(prediction: Any) -> None:
    (boxes,) = DBPostProcess(unclip_ratio=1.5)(prediction, SHAPES)
    assert [points.tolist() for points in boxes.points] == [
        [[0, 20], [207, 20], [207, 98], [0, 98]]
    ]


def test_every_listed_network_has_boxes() -> None:
    section = {
        "name": "DistillationDBPostProcess",
        "model_name": ["Student", "Teacher"],
        "key": "head_out",
    }
    post_process = POST_PROCESSES.build(section, "PostProcess")
    found = post_process({"Student": BLOCK, "Teacher": BLOCK * 0.5, "Student2": BLOCK}, SHAPES)
    assert {name: len(images[0].points) for name, images in found.items()} == {
        "Student": 1,
        "Teacher": 0,
    }


def test_options_out_of_range_are_named() -> None:
    problems = Problems()
    section = {"name": "DBPostProcess", "thresh": 3, "max_candidates": 10**9, "mode": "x"}
    assert POST_PROCESSES.read(section, "PostProcess", problems) is None
    assert [str(problem) for problem in problems] == [
        "PostProcess.thresh: expected a number from 0 to 1, got 3",
        "PostProcess.max_candidates: expected a whole number from 1 to 100000, got 1000000000",
    ]
