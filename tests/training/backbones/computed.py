"""Small backbones beside what PaddleOCR's compute from the same weights and images."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import paddle
import pytest
import yaml
from paddle import nn

from tests.beside import PADDLEOCR_NUMBERS
from tests.families import ROOT, full_size_image, value_of
from training.backbones.reparameterise import reparameterise
from training.checkpoint.parameters import read_parameters
from training.kernels import fast_path
from training.recognition.backbones import BACKBONES

COMPUTED = json.loads((ROOT / "tests" / "golden" / "backbones.json").read_text(encoding="utf-8"))
"""By case: options, and numbers in the order of the state's names."""
NUM_WARM_UPS = 30
"""Training passes after which the running statistics are those of the features."""
_SEED = 5
_NUM_SAMPLES = 24
_STATISTICS = ("._mean", "._variance")
Digest = dict[str, Any]


def build(section: dict[str, Any]) -> nn.Layer:
    """Build a backbone from its section."""
    return BACKBONES.build(section, "Backbone", in_channels=3)


def fill(network: nn.Layer) -> None:
    """Give every parameter a value that follows from its name."""
    for name, tensor in network.state_dict().items():
        if not name.endswith(_STATISTICS):
            tensor.set_value(paddle.to_tensor(value_of(name, tuple(tensor.shape), _SEED)))


def images(width: int = 96) -> paddle.Tensor:
    """Return two images float32 [2, 3, 48, width]."""
    return paddle.to_tensor(full_size_image(48, width, _SEED))


def norm(tensor: paddle.Tensor) -> float:
    """Return the root of the sum of squares."""
    return float(np.linalg.norm(tensor.numpy().astype(np.float64)))


def digest(output: paddle.Tensor) -> Digest:
    """Return shape, norm and some values of an output."""
    flat = output.flatten().numpy()
    places = np.linspace(0, flat.size - 1, _NUM_SAMPLES).astype(np.int64)
    return {"shape": list(output.shape), "norm": norm(output), "values": flat[places].tolist()}


def measure(network: nn.Layer) -> dict[str, Any]:
    """Train a new network a little, then evaluate it.

    Returns:
        train: digest of the first training output.
        gradients: norm by parameter, of the sum of the outputs times random factors; None where
            there is none.
        statistics: norm by running statistic, after the first pass.
        eval: digest of the output in evaluation, after `NUM_WARM_UPS` more passes.
    """
    fill(network)
    network.train()
    output = network(images())
    factors = np.random.RandomState(_SEED).normal(0, 1, output.shape).astype(np.float32)
    (output * paddle.to_tensor(factors)).sum().backward()
    parameters, state = dict(network.named_parameters()), network.state_dict()
    found = {
        "train": digest(output),
        "gradients": {
            name: None if parameter.grad is None else norm(parameter.grad)
            for name, parameter in parameters.items()
        },
        "statistics": {name: norm(state[name]) for name in state if name.endswith(_STATISTICS)},
    }
    network.clear_gradients()
    with paddle.no_grad():
        for _ in range(NUM_WARM_UPS):
            network(images())
        network.eval()
        found["eval"] = digest(network(images()))
    return found


def assert_alike(got: Digest, wanted: Digest, tolerance: float = 1e-4) -> None:
    """Hold a digest against another, in shares of its largest value."""
    assert got["shape"] == wanted["shape"]
    assert got["norm"] == pytest.approx(wanted["norm"], rel=tolerance)
    largest = max(map(abs, wanted["values"]))
    assert np.allclose(got["values"], wanted["values"], rtol=0, atol=tolerance * largest)


def assert_computes(network: nn.Layer, wanted: dict[str, Any]) -> None:
    """Hold outputs, gradients and statistics against PaddleOCR's; evaluation mode afterwards."""
    got = measure(network)
    assert_alike(got["train"], wanted["train"])
    assert_alike(got["eval"], wanted["eval"])
    assert list(got["statistics"].values()) == pytest.approx(wanted["statistics"], rel=1e-5)
    # A factor or summand that the BatchNorm behind it undoes has a gradient of rounding alone.
    rounding = 1e-4 * max(filter(None, wanted["gradients"]))
    for (name, gradient), norm_of_it in zip(
        got["gradients"].items(), wanted["gradients"], strict=True
    ):
        assert (gradient is None) == (norm_of_it is None), name
        if gradient is not None:
            assert gradient == pytest.approx(norm_of_it, rel=1e-4, abs=rounding), name


def assert_trains(network: nn.Layer, wanted: Digest) -> None:
    """Hold the output of one training pass at any size against PaddleOCR's."""
    fill(network)
    network.train()
    with paddle.no_grad():
        assert_alike(digest(network(images(64))), wanted)


def assert_kernels_agree(network: nn.Layer) -> None:
    """Hold the gradients that the compiled kernels give against those of paddle's own layers."""
    fill(network)
    found = []
    for is_fast in (True, False):
        with fast_path(is_fast):
            (network(images(64)) ** 2).sum().backward()
        gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
        found.append({name: grad.numpy() for name, grad in gradients.items() if grad is not None})
        network.clear_gradients()
    assert found[0].keys() == found[1].keys()
    # Rounding in one layer reaches the gradients of all, also those that are all but zero.
    rounding = 1e-5 * max(np.abs(gradient).max() for gradient in found[1].values())
    for name, gradient in found[1].items():
        difference = np.abs(found[0][name] - gradient).max()
        assert difference < 1e-3 * np.abs(gradient).max() + rounding, name


def assert_merges(network: nn.Layer, num_layers: int) -> paddle.Tensor:
    """Merge a network in evaluation mode, twice; return its output, equal to before."""
    with paddle.no_grad():
        apart = network(images())
        assert reparameterise(network) == num_layers
        merged = network(images())
        names = list(network.state_dict())
        reparameterise(network)
        assert list(network.state_dict()) == names
        assert paddle.equal_all(network(images()), merged)
    largest = float(apart.abs().max())
    assert float((apart - merged).abs().max()) < 1e-4 * max(largest, 1.0)
    return merged


def learning(network: nn.Layer) -> dict[str, tuple[float, float | None]]:
    """Return the factor of the learning rate and the weight decay of its own by parameter."""
    return {
        name: (
            parameter.optimize_attr["learning_rate"],
            None if parameter.regularizer is None else parameter.regularizer._coeff,
        )
        for name, parameter in network.named_parameters()
        if parameter.trainable
    }


def shipped_shapes(config: str) -> dict[str, list[int]]:
    """Return name and shape of everything in the backbone of a shipped config; else skip."""
    folder = PADDLEOCR_NUMBERS / "keys_v3_to_v6"
    if not folder.is_dir():
        pytest.skip(f"no names of parameters at {folder}; name its parent in DISTILREC_GOLDEN")
    content = json.loads((folder / f"up2026__rec__{config}.json").read_text(encoding="utf-8"))
    if "as" in content:  # a config whose backbone is that of another
        content = json.loads((folder / f"{content['as']}.json").read_text(encoding="utf-8"))
    return {
        name.removeprefix("backbone."): shape
        for name, shape in content["keys"].items()
        if name.startswith("backbone.")
    }


def shapes(network: nn.Layer) -> dict[str, list[int]]:
    """Return name and shape of every parameter and statistic."""
    return {name: list(tensor.shape) for name, tensor in network.state_dict().items()}


def num_values(network: nn.Layer) -> int:
    """Count the values of parameters and statistics."""
    return sum(int(np.prod(shape)) for shape in shapes(network).values())


class Family:
    """A backbone of a reduced config, with PaddleOCR's own checkpoint and numbers; else skip.

    Args:
        family: folder of the case.
        network: its name in the config; empty if it is the only one.
    """

    def __init__(self, family: str, network: str) -> None:
        folder = PADDLEOCR_NUMBERS / "families" / family
        if not folder.is_dir():
            pytest.skip(f"no case of PaddleOCR at {folder}; name its folder in DISTILREC_GOLDEN")
        self.network = network
        self.prefix = f"{network}.backbone.".removeprefix(".")
        with np.load(folder / "arrays.npz") as archive:
            self.arrays = {name: archive[name] for name in archive.files}
        self.expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
        section = yaml.safe_load((folder / "config.yml").read_text(encoding="utf-8"))
        section = section["Architecture"]
        section = section["Models"][network] if network else section
        self.backbone = build(section["Backbone"])
        self.weights = self._of_backbone(read_parameters(folder / "weights.pdparams"))
        assert shapes(self.backbone) == {k: list(v.shape) for k, v in self.weights.items()}
        self.backbone.set_state_dict(self.weights)

    def assert_trains(self) -> npt.NDArray[np.float32]:
        """Hold the statistics after a training pass against PaddleOCR's; return the output."""
        self.backbone.train()
        with paddle.no_grad():
            output = self.backbone(paddle.to_tensor(self.arrays["image"]))
        state = self.backbone.state_dict()
        wanted = self._of_backbone(self.expected["bn_after_one_forward"])
        assert len(wanted) > 50
        assert {name: norm(state[name]) for name in wanted} == pytest.approx(wanted, rel=1e-6)
        self.backbone.set_state_dict(self.weights)
        self.backbone.eval()
        return output.numpy()

    def merged(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return PaddleOCR's merged kernels and biases, by their names in the backbone."""
        start = "merged/"
        of_networks = {
            name.removeprefix(start): array
            for name, array in self.arrays.items()
            if name.startswith(start)
        }
        return self._of_backbone(of_networks)

    def _of_backbone(self, content: dict[str, Any]) -> dict[str, Any]:
        return {
            name.removeprefix(self.prefix): value
            for name, value in content.items()
            if name.startswith(self.prefix)
        }
