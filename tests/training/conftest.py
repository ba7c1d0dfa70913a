"""PaddleOCR's own numbers, small configs, and an image folder to name in a config."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"


@dataclass(frozen=True)
class Golden:
    """What PaddleOCR 2.8 computed from one small config.

    Args:
        config: its sections.
        arrays: inputs and outputs of every network.
        expected: decoded text, metrics, losses, gradient norms.
    """

    config: dict[str, Any]
    arrays: Mapping[str, NDArray[Any]]
    expected: dict[str, Any]

    def outputs(self, mode: str) -> dict[str, dict[str, NDArray[Any]]]:
        """`train` or `eval`: {network: {stage: array}}."""
        found: dict[str, dict[str, NDArray[Any]]] = {}
        for name, array in self.arrays.items():
            if name.startswith(f"{mode}/"):
                _, network, stage = name.split("/")
                found.setdefault(network, {})[stage] = array
        return found


@pytest.fixture(scope="session")
def golden() -> Golden:
    """The numbers; tests leave them as they are."""
    folder = GOLDEN / "rec_v2_small"
    config = yaml.safe_load((folder / "config.yml").read_text(encoding="utf-8"))
    config["Global"]["character_dict_path"] = str(folder / "dict.txt")
    with np.load(folder / "arrays.npz") as archive:
        arrays = {name: archive[name] for name in archive.files}
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    return Golden(config, arrays, expected)


@pytest.fixture(scope="session")
def tiny_network() -> Callable[..., dict[str, Any]]:
    """Makes the section of a network small enough for a quick training step."""

    def section(**changes: Any) -> dict[str, Any]:
        network = {
            "return_all_feats": True,
            "Backbone": {"name": "MobileNetV1Enhance", "scale": 0.125},
            "Neck": {"name": "SequenceEncoder", "encoder_type": "rnn", "hidden_size": 8},
            "Head": {"name": "CTCHead", "mid_channels": 8},
        }
        return copy.deepcopy({**network, **changes})

    return section
