"""PaddleOCR's own numbers of PP-OCRv3 to v6, which lie beside the repository.

`keys_v3_to_v6` names every parameter and its shape; `families` has reduced networks with their
weights; `full_size` has weights as a function of name and shape, and samples of the outputs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import paddle
import yaml
from numpy.typing import NDArray

from tests.beside import paddleocr_numbers
from tests.families import samples_of, value_of
from training.checkpoint.parameters import read_parameters

Shapes = dict[str, list[int]]

_SEED = 5
"""Of the weights in `full_size`."""


def shapes_of(layer: paddle.nn.Layer) -> Shapes:
    """Return name and shape of every value that a checkpoint holds of a layer."""
    return {name: list(tensor.shape) for name, tensor in layer.state_dict().items()}


def shapes_under(prefix: str, case: str) -> Shapes:
    """Return PaddleOCR's names behind a prefix, and their shapes, of `keys_v3_to_v6`."""
    path = paddleocr_numbers("keys_v3_to_v6") / f"{case}.json"
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
        folder = paddleocr_numbers("families", case)
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
        folder = paddleocr_numbers("full_size", case)
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
            tensor.set_value(value_of(whole, tensor.shape, _SEED) if value is None else value)

    def difference(self, name: str, got: paddle.Tensor) -> float:
        """Return the largest difference from an output's samples, as a share of its largest."""
        wanted = self.outputs[name]
        assert list(got.shape) == wanted["shape"]
        differences = np.abs(np.subtract(samples_of(got.numpy(), wanted), wanted["values"]))
        return float(differences.max() / wanted["largest"])


def relative_difference(got: paddle.Tensor, wanted: NDArray[Any]) -> float:
    """Return the largest difference, as a share of the largest wanted value."""
    assert list(got.shape) == list(wanted.shape)
    return float(np.abs(got.numpy() - wanted).max() / np.abs(wanted).max())


_STATISTICS = ("_mean", "_variance")


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
