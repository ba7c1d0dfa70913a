"""PaddleOCR's own numbers of its families, in one form whatever folder they come from."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import yaml
from numpy.typing import NDArray
from paddle import nn

from runtime.recognition.charset import build_charset
from training import build_loss, build_model
from training.backbones.attention import DropPath
from training.checkpoint.loading import LoadReport, load_into
from training.checkpoint.parameters import read_parameters
from training.losses import CombinedLoss

ROOT = Path(__file__).resolve().parents[1]
FULL_SIZE = ROOT / "tests" / "golden" / "full_size"
MAPS = ("threshold_map", "threshold_mask", "shrink_map", "shrink_mask")
"""Labels of detection."""

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Case:
    """A config, its inputs, and what PaddleOCR computed of them.

    Args:
        config: its sections; a frozen Teacher keeps moving its statistics, as the numbers do.
        folder: of its files.
        expected: `expected.json`.
        batch: inputs and labels by PaddleOCR's names.
        outputs: of the `eval`, `train` and `fused` network, by path: `Student/head_out/ctc`.
            Detection's may hold every second row and column alone.
        num_classes: K; 0 in detection.
    """

    config: dict[str, Any]
    folder: Path
    expected: dict[str, Any]
    batch: Arrays
    outputs: Mapping[str, Arrays]
    num_classes: int

    @property
    def losses(self) -> dict[str, float]:
        """Every part of the loss and the total."""
        return dict(self.expected.get("loss") or self.expected["losses"])

    @property
    def decoded(self) -> dict[str, list[tuple[str, float]]]:
        """Text and confidence of each image, by network; a single network is named ``."""
        decoded = self.expected.get("decode") or self.expected["decoded"]
        networks = decoded if isinstance(decoded, dict) else {"": decoded}
        return {
            name.removeprefix("-"): [(text, confidence) for text, confidence in lines]
            for name, lines in networks.items()
        }

    @property
    def gradient_norms(self) -> dict[str, float]:
        """L2 norm by parameter, of those that have a gradient."""
        norms = self.expected["grad_norm"]
        return {name: norm for name, norm in norms.items() if norm is not None}

    def tensors(self) -> dict[str, paddle.Tensor]:
        """Return the batch as a network takes it."""
        return {name: paddle.to_tensor(array) for name, array in self.batch.items()}

    def model(self) -> nn.Layer:
        """Build the networks with random weights and without dropout."""
        model = build_model(self.config["Architecture"], self.num_classes)
        for layer in model.sublayers():
            if isinstance(layer, nn.Dropout):
                layer.p = 0.0
            if isinstance(layer, DropPath):
                layer.drop_prob = 0.0
            if isinstance(layer, nn.LSTM | nn.GRU):
                layer.dropout = 0.0
        return model

    def loss(self, section: Mapping[str, Any] | None = None) -> CombinedLoss:
        """Build the loss of the config, or another of its task."""
        model_type = self.config["Architecture"]["model_type"]
        return build_loss(section or self.config["Loss"], model_type)


def read_case(folder: Path) -> Case:
    """Read a case of the `families` or the `v6` folder."""
    config = yaml.safe_load((folder / "config.yml").read_text(encoding="utf-8"))
    for network in config["Architecture"].get("Models", {}).values():
        if network.get("freeze_params"):
            network["frozen_statistics"] = False
    with np.load(folder / "arrays.npz") as archive:
        arrays = {name.replace(".", "/"): archive[name] for name in archive.files}
    outputs = {
        kind: {
            _path(name, kind): array for name, array in arrays.items() if name.split("/")[0] == kind
        }
        for kind in ("eval", "train", "fused")
    }
    batch = {
        name.removeprefix("in/"): array
        for name, array in arrays.items()
        if name.split("/")[0] in {"in", "image", "length", "valid_ratio", *MAPS}
        or name.startswith("label")
    }
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    characters = folder / "dict.txt"
    num_classes = 0
    if characters.exists():
        num_classes = build_charset(characters, use_space_char=True).num_classes
    return Case(config, folder, expected, batch, outputs, num_classes)


def _path(name: str, kind: str) -> str:
    """Return where an output stands in what a network returns; what is deployed has no name."""
    path = name.removeprefix(kind).removeprefix("/").removeprefix("out")
    return path if kind == "train" else path.removesuffix("maps").removesuffix("/")


def load_weights(model: nn.Layer, folder: Path) -> LoadReport:
    """Load the checkpoint that a case's numbers are of."""
    path = folder / "weights.pdparams"
    return load_into(model, read_parameters(path), str(path))


def read_full_size(folder: Path) -> Case:
    """Read a case of the shipped sizes, whose weights are a function of their names."""
    config = yaml.safe_load((folder / "config.yml").read_text(encoding="utf-8"))
    for network in config["Architecture"].get("Models", {}).values():
        if network.get("freeze_params"):
            network["frozen_statistics"] = False
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    about = expected["about"]
    batch = {"image": full_size_image(*about["size"], seed=about["seed"])}
    own = folder / "arrays.npz"
    with np.load(own if own.exists() else folder.parent / "maps.npz") as archive:
        batch |= {name: archive[name] for name in archive.files if name != "prepared_probability"}
    return Case(config, folder, expected, batch, {}, about["classes"] or 0)


def set_full_size_weights(model: nn.Layer, case: Case) -> None:
    """Give a network the weights that a full-size case's numbers are of."""
    statistics = np.load(case.folder / "bn.npy")
    state, taken = model.state_dict(), 0
    # An LSTM names each weight twice; the name that comes last counts.
    for name, tensor in state.items():
        if not name.endswith((".pe", "._mean", "._variance")):
            value = value_of(name, tuple(tensor.shape), case.expected["about"]["seed"])
            tensor.set_value(paddle.to_tensor(value))
    for name in sorted(name for name in state if name.endswith(("._mean", "._variance"))):
        size = int(np.prod(state[name].shape))
        state[name].set_value(paddle.to_tensor(statistics[taken : taken + size]))
        taken += size
    assert taken == statistics.size


def value_of(name: str, shape: Sequence[int], seed: int) -> NDArray[np.float32]:
    """Return the weight that a parameter has in the full-size cases: a function of its name."""
    rng = np.random.RandomState((zlib.crc32(name.encode()) ^ (seed * 2654435761)) & 0xFFFFFFFF)
    last = name.rsplit(".", 1)[-1]
    if last == "scale":
        return rng.uniform(0.8, 1.2, shape).astype(np.float32)
    if len(shape) <= 1:
        is_weight = last == "weight"
        value = rng.uniform(0.6, 1.4, shape) if is_weight else rng.normal(0, 0.08, shape)
        return value.astype(np.float32)
    fan = shape[0] if len(shape) == 2 else int(np.prod(shape[1:]))
    value = rng.normal(0, (1.0 if len(shape) == 2 else 1.4) / np.sqrt(fan), shape)
    if "ctc_head.fc" in name or "head.fc" in name:
        value = value * 5
    if "embedding" in name:
        value = value * np.sqrt(fan) * 0.3
    return value.astype(np.float32)


def full_size_image(height: int = 48, width: int = 320, seed: int = 5) -> NDArray[np.float32]:
    """Return the two images [2, 3, H, W] of the full-size cases."""
    rng = np.random.RandomState(seed)
    coarse = rng.uniform(-1, 1, (2, 3, height // 4, width // 4))
    image = (np.round(coarse * 96) / 64).astype(np.float32)
    image = image.repeat(4, axis=2).repeat(4, axis=3)
    image[:, :, ::3] += 0.25
    image[..., ::5] -= 0.5
    return image


def samples_of(output: NDArray[Any], wanted: Mapping[str, Any]) -> NDArray[Any]:
    """Return the values of an output at the places that a case holds."""
    return output.reshape(-1)[np.array(wanted["at"])]


def flattened(outputs: Any, path: str = "") -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield every tensor of nested outputs by its path: `Student/head_out/ctc`."""
    if isinstance(outputs, Mapping):
        for name, value in outputs.items():
            yield from flattened(value, f"{path}/{name}" if path else str(name))
    else:
        yield path, outputs.numpy()
