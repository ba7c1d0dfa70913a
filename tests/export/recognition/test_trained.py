"""What export asks of a trained recogniser suits the widths that its network reads."""

from __future__ import annotations

from typing import Any

import pytest

from export.recognition.trained import TrainedRecognizer
from tests.training.recognition.plans import config_of
from training.plan import read_deployed_plan

TINY = {"Backbone": {"name": "PPLCNetV4", "model_size": "tiny"}}


@pytest.mark.parametrize(
    ("loader", "widths"),
    [
        ({}, [64, 160, 320]),
        ({"width_step": 0, "max_width": 320}, [320, 320, 320]),  # as SVTRNet wants it
        ({"max_width": 128}, [64, 128, 128]),
    ],
)
def test_probes_are_as_wide_as_lines_can_be(loader: dict[str, Any], widths: list[int]) -> None:
    recognizer = TrainedRecognizer(read_deployed_plan(config_of({"": TINY}, **loader)))
    shapes = recognizer.probe_shapes
    assert [shape[3] for shape in shapes] == widths
    assert all(shape[1:3] == (3, 48) for shape in shapes) and len({s[0] for s in shapes}) == 3
