"""A detector's spec travels as JSON and comes back the same; what is impossible is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runtime.detection.boxes import BoxOptions
from runtime.detection.preprocess import SizePolicy
from runtime.detection.spec import DetectorSpec
from runtime.errors import ArtifactError

SPEC = DetectorSpec(
    sizes=SizePolicy(limit_side_len=960, limit_type="max"),
    boxes=BoxOptions(thresh=0.2, box_thresh=0.45, unclip_ratio=1.4),
    mean=(0.5, 0.25, 0.125),
    network="Student",
    provenance={"opset": 14},
)


def test_round_trip() -> None:
    assert DetectorSpec.from_metadata(SPEC.to_metadata(), "det.onnx") == SPEC
    fixed = DetectorSpec(sizes=SizePolicy(image_shape=(736, 1280)))
    assert DetectorSpec.from_metadata(fixed.to_metadata(), "det.onnx") == fixed
    assert DetectorSpec.from_metadata({}, "det.onnx") is None


def test_unknown_names_are_passed_over() -> None:
    entries = SPEC.as_json()
    entries["later"] = 1
    entries["boxes"]["later"] = 1
    assert DetectorSpec.from_entries(entries, "det.onnx") == SPEC


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mean", [0.5, 0.5]),
        ("mean", "0.5"),
        ("std", [0.0, 1.0, 1.0]),
        ("scale", 0),
        ("color_order", "GRB"),
        ("sizes", []),
        ("sizes", {"limit_side_len": -1}),
        ("boxes", None),
        ("boxes", {"thresh": "high"}),
        ("boxes", {"max_candidates": 10**9}),
        ("format_version", 0),
    ],
)
def test_damaged(name: str, value: Any) -> None:
    metadata = {DetectorSpec.key: json.dumps({**SPEC.as_json(), name: value})}
    with pytest.raises(ArtifactError, match=r"^det\.onnx: "):
        DetectorSpec.from_metadata(metadata, "det.onnx")


def test_made_of_other_types() -> None:
    with pytest.raises(ArtifactError, match="boxes: expected a BoxOptions"):
        DetectorSpec(boxes={})  # type: ignore[arg-type]


def test_another_task() -> None:
    with pytest.raises(ArtifactError, match="no detector"):
        DetectorSpec.from_metadata({"task": "rec", "spec": "{}"}, "rec.plan")
