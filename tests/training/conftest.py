"""PaddleOCR's own numbers, small configs, and an image folder to name in a config."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
MakeLine = Callable[..., NDArray[np.uint8]]


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


@pytest.fixture(scope="session")
def make_line() -> MakeLine:
    """Makes a BGR line image uint8 [height, width, 3] with a digit-like stroke in it."""

    def make(width: int = 60, height: int = 24, seed: int = 0) -> NDArray[np.uint8]:
        rng = np.random.default_rng(seed)
        image = np.full((height, width, 3), 230, np.uint8)
        for _ in range(4):
            start, stop = (rng.integers(0, (width, height)).tolist() for _ in range(2))
            cv2.line(image, start, stop, (20, 30, 40), 2)
        return image

    return make


@pytest.fixture(scope="session")
def encode() -> Callable[[NDArray[np.uint8]], bytes]:
    """Makes the bytes of a PNG."""

    def png(image: NDArray[np.uint8]) -> bytes:
        return cv2.imencode(".png", image)[1].tobytes()

    return png


@pytest.fixture
def write_lines(
    tmp_path: Path, make_line: MakeLine, encode: Callable[[NDArray[np.uint8]], bytes]
) -> Callable[[Mapping[str, str]], Path]:
    """Writes {name: text} as images with a label file; gives the label file's path."""

    def write(lines: Mapping[str, str]) -> Path:
        for seed, name in enumerate(lines):
            place = tmp_path / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(encode(make_line(40 + 10 * seed, seed=seed)))
        file = tmp_path / "labels.txt"
        file.write_text("".join(f"{name}\t{text}\n" for name, text in lines.items()), "utf-8")
        return file

    return write
