"""Predictions of detectors: the table for a person, and PaddleOCR's result file."""

from __future__ import annotations

import json

import numpy as np

from runtime.detection.boxes import Boxes
from training.detection.post_process import DBPostProcess, DistillationDBPostProcess
from training.detection.predict import Prediction, plain_post_process, results_text, table

SQUARE = np.array([[1, 2], [9, 2], [9, 8], [1, 8]], np.int32)
CURVED = np.array([[1.5, 2], [9, 2], [9, 8], [5, 9], [1, 8]], np.float64)
FOUND = Boxes([SQUARE, CURVED], [0.8, 0.6])
NOTHING = Boxes([], [])


def test_one_network() -> None:
    predictions = [
        Prediction("a\n.png", {"": FOUND}),
        Prediction("long name.png", error="no image"),
        Prediction("c.png", {"": NOTHING}),
    ]
    assert table(predictions).splitlines() == [
        "file           boxes  mean score",
        "a\\n.png            2       0.700",
        "long name.png  error: no image",
        "c.png              0           -",
    ]
    first, second = results_text(predictions).splitlines()
    name, label = first.split("\t")
    assert name == "a\\n.png" and second == "c.png\t[]"
    assert json.loads(label) == [
        {"transcription": "", "points": SQUARE.tolist()},
        {"transcription": "", "points": CURVED.tolist()},
    ]


def test_several_networks() -> None:
    predictions = [Prediction("a.png", {"Student": FOUND, "Teacher": NOTHING})]
    assert table(predictions).splitlines() == [
        "file   Student  mean score  Teacher  mean score",
        "a.png        2       0.700        0           -",
    ]
    (row,) = results_text(predictions).splitlines()
    found = json.loads(row.split("\t")[1])
    assert list(found) == ["Student", "Teacher"] and found["Teacher"] == []
    assert len(found["Student"]) == 2


def test_nothing_was_read() -> None:
    broken = [Prediction("a.png", error="cut short")]
    assert table(broken).splitlines() == ["file   boxes  mean score", "a.png  error: cut short"]
    assert results_text(broken) == ""


def test_boxes_are_made_alike_for_one_network_and_for_several() -> None:
    alone, each = DBPostProcess(thresh=0.2), DistillationDBPostProcess(["Student"], thresh=0.2)
    assert plain_post_process(alone) is alone
    assert plain_post_process(each).options.thresh == alone.options.thresh
    maps = np.zeros((1, 1, 64, 64), np.float32)
    maps[0, 0, 16:32, 8:56] = 0.9
    by_stage = [{"maps": maps}, {"head_out": maps}, maps]
    for prediction in by_stage:
        (boxes,) = alone(prediction, np.array([[64, 64, 1, 1]]))
        assert len(boxes.points) == 1
