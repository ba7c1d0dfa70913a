"""Models that come along, taken back from ONNX, have the weights of their checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from export.chain import Source
from export.conversion.strip import deployed_outputs
from export.recognition.samples import rendered_lines
from export.reversal import chain
from export.reversal.chain import Request, train_again
from export.reversal.operations import Layer, layers_of
from export.reversal.program_operations import operations_of
from runtime.recognition.charset import Charset
from tests.export.detection.conftest import drawn_pages
from training.backbones.reparameterise import drop_training_parts, reparameterise
from training.checkpoint.loading import load_into
from training.checkpoint.parameters import Parameters, read_parameters
from training.config import load_config
from training.kernels import fast_path_enabled, set_fast_path
from training.network import Network
from training.plan import read_deployed_plan

ROOT = Path(__file__).resolve().parents[3]
HALF = 2**-11
"""What a value may lose where it is kept in 16 bits."""
SHIPPED = {
    "latin": ("models/latin/student", "student", "configs/latin/network.yml", 32),
    "lines": ("models/lines/detector", "detector", "configs/detection/lines.yml", 64),
}


def network_of(config: Path, parameters: Parameters) -> Network:
    """Build the one network of a config and load it."""
    plan = read_deployed_plan(load_config(config))
    network: Network = plan.model.build(plan.task.num_classes_of)
    report = load_into(network, parameters, str(config))
    assert not report.unused
    network.eval()
    return network


def folded(layer: Layer) -> Mapping[str, np.ndarray]:
    """Return a layer's weights, its BatchNorm merged into them."""
    arrays = {role: np.float64(weight.array) for role, weight in layer.weights.items()}
    if not layer.has_norm:
        return arrays
    kernel, axis = arrays["kernel"], {"conv": 0, "transposed": 1, "product": -1}[layer.kind]
    factor = arrays["scale"] / np.sqrt(arrays["variance"] + 1e-5)
    shape = [1] * kernel.ndim
    shape[axis] = -1
    bias = (arrays.get("bias", 0.0) - arrays["mean"]) * factor + arrays["shift"]
    return {"kernel": kernel * factor.reshape(shape), "bias": bias}


def deployed_layers(network: Network, height: int) -> list[Mapping[str, np.ndarray]]:
    """List the layers of a network as it is deployed, merged."""
    drop_training_parts(network)
    reparameterise(network)
    operations, _ = operations_of(network, [None, 3, height, None])
    return [folded(layer) for layer in layers_of(operations)]


@pytest.mark.parametrize("name", SHIPPED)
def test_folded_weights_are_those_of_the_checkpoint(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stem, _, config_name, height = SHIPPED[name]
    config = ROOT / config_name
    if name == "latin":
        images, _ = rendered_lines(Charset(tuple("0123456789 ")))
    else:
        images = drawn_pages()
    for number, image in enumerate(images[:4]):
        cv2.imwrite(str(tmp_path / f"{number}.png"), image)
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("export.detection.reversal._SIDE_PX", 256)  # as large as the pages

    def again(source: Source) -> Any:  # the last proof takes seconds
        return deployed_outputs(network_of(config, read_parameters(source.checkpoint)))

    monkeypatch.setattr(chain, "_exported", again)
    output = tmp_path / "again"
    set_fast_path(True)
    figures = train_again(Request(ROOT / f"{stem}.onnx", load_config(config), [tmp_path], output))
    assert fast_path_enabled()  # for what trains in this process afterwards
    assert figures["next"] == (
        f"python -m training.train -c {config_name} -o Global.pretrained_model={output}.pdparams"
    )
    if name == "latin":
        dictionary = tmp_path / "again_dict.txt"
        assert figures["dictionary"] == str(dictionary)
        assert dictionary.read_bytes() == (ROOT / "configs/latin_dict.txt").read_bytes()
    else:
        assert figures["dictionary"] is None and not [*tmp_path.glob("*_dict.txt")]
    kept, got = (
        deployed_layers(network_of(config, read_parameters(path)), height)
        for path in (ROOT / f"{stem}.pdparams", output)
    )
    assert len(kept) == len(got) > 20
    for wanted, found in zip(kept, got, strict=True):
        assert wanted.keys() == found.keys()
        for role, array in wanted.items():
            largest = np.abs(array).max()
            # Of several branches and a BatchNorm each has lost as much.
            assert np.abs(found[role] - array).max() <= 8 * HALF * largest, role
