"""PaddleOCR's own numbers of PP-OCRv3 to v6, which lie beside the repository.

`keys_v3_to_v6` names every parameter and its shape; `families` has reduced networks with their
weights; `full_size` has weights as a function of name and shape, and samples of the outputs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import paddle
import pytest
import yaml
from numpy.typing import NDArray

from training.checkpoint.parameters import read_parameters

Shapes = dict[str, list[int]]

_BESIDE = Path(__file__).resolve().parents[3] / "shared" / "golden"
_SEED = 5
"""Of the weights in `full_size`."""


def golden_folder(*parts: str) -> Path:
    """Return a folder of the numbers; skip the test where they are not."""
    root = Path(os.environ.get("DISTILREC_GOLDEN", _BESIDE))
    if not root.is_dir():
        pytest.skip(f"no numbers of PaddleOCR at {root}; name their folder in DISTILREC_GOLDEN")
    return root.joinpath(*parts)


def shapes_of(layer: paddle.nn.Layer) -> Shapes:
    """Return name and shape of every value that a checkpoint holds of a layer."""
    return {name: list(tensor.shape) for name, tensor in layer.state_dict().items()}


def shapes_under(prefix: str, case: str) -> Shapes:
    """Return PaddleOCR's names behind a prefix, and their shapes, of `keys_v3_to_v6`."""
    path = golden_folder("keys_v3_to_v6") / f"{case}.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    keys = content.get("keys", content)
    return {
        name.removeprefix(prefix): shape for name, shape in keys.items() if name.startswith(prefix)
    }


class Family:
    """A reduced network of `families`.

    Args:
        case: name of its folder.
    """

    def __init__(self, case: str) -> None:
        folder = golden_folder("families", case)
        self.config = yaml.safe_load((folder / "config.yml").read_text(encoding="utf-8"))
        with np.load(folder / "arrays.npz") as archive:
            self.arrays = {name: archive[name] for name in archive.files}
        self._weights = read_parameters(folder / "weights.pdparams")

    def network(self, name: str) -> dict[str, Any]:
        """Return a network's section."""
        return self.config["Architecture"]["Models"][name]

    def fill(self, layer: paddle.nn.Layer, prefix: str) -> None:
        """Give a layer the weights behind a prefix: all of them, and all of its own."""
        weights = {
            name.removeprefix(prefix): value
            for name, value in self._weights.items()
            if name.startswith(prefix)
        }
        assert weights.keys() == layer.state_dict().keys()
        layer.set_state_dict(weights)


class FullSize:
    """A shipped network of `full_size`.

    Args:
        case: name of its folder.
        others: shapes of the whole network's BatchNorm statistics.
    """

    def __init__(self, case: str, others: Shapes) -> None:
        folder = golden_folder("full_size", case)
        self.config = yaml.safe_load((folder / "config.yml").read_text(encoding="utf-8"))
        expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
        self.outputs = expected["outputs"]
        names = [name for name in sorted(expected["state"]) if name.endswith(_STATISTICS)]
        ends = np.cumsum([np.prod(others[name]) for name in names]).astype(int)
        parts = np.split(np.load(folder / "bn.npy"), ends)
        assert parts.pop().size == 0
        self._statistics = dict(zip(names, parts, strict=True))

    def fill(self, layer: paddle.nn.Layer, prefix: str) -> None:
        """Give a layer the weights of its names behind a prefix."""
        for name, tensor in layer.state_dict().items():
            whole = prefix + name
            value = self._statistics.get(whole)
            tensor.set_value(
                _recipe().value(whole, tensor.shape, _SEED) if value is None else value
            )

    def difference(self, name: str, got: paddle.Tensor) -> float:
        """Return the largest difference from an output's samples, as a share of its largest."""
        wanted = self.outputs[name]
        found = _recipe().digest(got.numpy())
        assert found["shape"] == wanted["shape"] and found["at"] == wanted["at"]
        differences = np.abs(np.subtract(found["values"], wanted["values"]))
        return float(differences.max() / wanted["largest"])


def full_size_image(height: int = 48, width: int = 320) -> NDArray[np.float32]:
    """Return the images float32 [2, 3, H, W] that `full_size` was computed from."""
    coarse = np.random.RandomState(_SEED).uniform(-1, 1, (2, 3, height // 4, width // 4))
    image = (np.round(coarse * 96) / 64).astype(np.float32).repeat(4, axis=2).repeat(4, axis=3)
    image[:, :, ::3] += 0.25
    image[..., ::5] -= 0.5
    return image


def relative_difference(got: paddle.Tensor, wanted: NDArray[Any]) -> float:
    """Return the largest difference, as a share of the largest wanted value."""
    assert list(got.shape) == list(wanted.shape)
    return float(np.abs(got.numpy() - wanted).max() / np.abs(wanted).max())


_STATISTICS = ("_mean", "_variance")


@cache
def _recipe() -> ModuleType:
    """Return the module beside the numbers that makes weights from names."""
    module = ModuleType("recipe")
    source = (golden_folder("full_size") / "recipe.py").read_text(encoding="utf-8")
    exec(compile(source, "recipe.py", "exec"), module.__dict__)
    return module


def encoder_of(network: Mapping[str, Any]) -> dict[str, Any]:
    """Return the neck in a network's CTC branch as options of SequenceEncoder.

    Every dropout is 0, as where the numbers were computed.
    """
    branches = {
        name: part for entry in network["Head"]["head_list"] for name, part in entry.items()
    }
    options = dict(branches["CTCHead"]["Neck"])
    encoder_type = options.pop("name")
    return {**options, "encoder_type": encoder_type, "drop_rate": 0.0, "attn_drop_rate": 0.0}
