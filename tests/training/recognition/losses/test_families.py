"""Every recognition loss on PaddleOCR's own outputs of PP-OCRv3 to v6 gives PaddleOCR's numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
import yaml

from tests.beside import PADDLEOCR_NUMBERS, paddleocr_numbers
from training import build_loss

CASES = {
    "families/rec_v3": 12,
    "families/rec_v4": 10,
    "families/rec_v4_lcnet": 10,
    "families/rec_v5_mobile": 1,
    "families/rec_v5_server": 0,
    "v6/rec_v6_distill": 0,
    "v6/rec_v6_small": 0,
    "v6/rec_v6_tiny": 0,
}
"""How many variants of single losses each has."""


@pytest.fixture(params=CASES)
def folder(request: pytest.FixtureRequest) -> Path:
    return paddleocr_numbers(request.param)


def test_each_loss_and_the_whole_section(folder: Path) -> None:
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    section = yaml.safe_load((folder / "config.yml").read_text(encoding="utf-8"))["Loss"]
    outputs, batch = read_arrays(folder)
    got = losses_of(section, outputs, batch)
    assert got == pytest.approx(expected.get("loss") or expected["losses"], rel=1e-6)
    variants = expected.get("loss_each", [])
    assert len(variants) == CASES[str(folder.relative_to(PADDLEOCR_NUMBERS))]
    for variant in variants:
        config = variant["config"]
        if "name" not in config:
            config = {"name": "CombinedLoss", "loss_config_list": [config]}
        got = losses_of(config, outputs, batch)
        assert got == pytest.approx(variant["loss"], rel=1e-6), variant["config"]


def losses_of(section: Any, outputs: Any, batch: Any) -> dict[str, float]:
    results = build_loss(section)(outputs, batch)
    return {name: float(value) for name, value in results.items()}


def read_arrays(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the outputs in training, nested by name, and the batch."""
    outputs: dict[str, Any] = {}
    batch = {}
    with np.load(folder / "arrays.npz") as archive:
        for name in archive.files:
            *path, last = name.replace(".", "/").split("/")
            if path[:1] == ["train"]:
                place = outputs
                for part in path[1:]:
                    place = place.setdefault(part, {})
                place[last] = paddle.to_tensor(archive[name])
            elif path in ([], ["in"]) and last != "image":
                batch[last] = paddle.to_tensor(archive[name])
    return outputs, batch
