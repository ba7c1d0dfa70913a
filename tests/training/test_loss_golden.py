"""Every loss on PaddleOCR's own training outputs gives PaddleOCR's own numbers."""

from __future__ import annotations

import copy
from typing import Any

import paddle
import pytest

from training import build_loss

NUM_VARIANTS = 8


@pytest.fixture(scope="module")
def outputs(golden: Any) -> dict[str, dict[str, paddle.Tensor]]:
    return {
        network: {stage: paddle.to_tensor(array) for stage, array in stages.items()}
        for network, stages in golden.outputs("train").items()
    }


@pytest.fixture(scope="module")
def batch(golden: Any) -> dict[str, paddle.Tensor]:
    return {key: paddle.to_tensor(golden.arrays[key]) for key in ("image", "label", "length")}


def losses_of(config: dict[str, Any], outputs: Any, batch: Any) -> dict[str, float]:
    before = copy.deepcopy(config)
    built = build_loss(config)
    assert config == before
    return {name: float(value) for name, value in built(outputs, batch).items()}


def test_the_whole_section(golden: Any, outputs: Any, batch: Any) -> None:
    got = losses_of(golden.config["Loss"], outputs, batch)
    assert got == pytest.approx(golden.expected["loss"], rel=1e-6)


def test_no_variant_was_lost(golden: Any) -> None:
    assert len(golden.expected["variants"]) == NUM_VARIANTS


@pytest.mark.parametrize("index", range(NUM_VARIANTS))
def test_variant(golden: Any, outputs: Any, batch: Any, index: int) -> None:
    variant = golden.expected["variants"][index]
    section = {"name": "CombinedLoss", "loss_config_list": [variant["config"]]}
    assert losses_of(section, outputs, batch) == pytest.approx(variant["loss"], rel=1e-6)
