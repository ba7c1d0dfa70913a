"""What a detection network returns, trained, evaluated, merged and traced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from training import build_model
from training.backbones.reparameterise import drop_training_parts, reparameterise
from training.detection.network import DetectionNetwork

_TABLE = {
    "stem": [4, 8],
    "blocks_s1": [[3, 8, 8, 1, True]],
    "blocks_s2": [[3, 8, 12, 2, False]],
    "blocks_s3": [[5, 12, 16, 2, False], [3, 16, 16, 1, True]],
    "blocks_s4": [[3, 16, 24, 2, False]],
}
_BACKBONE = {"name": "PPLCNetV4", "det": True, "net_config": _TABLE}
_DB_HEAD = {"name": "DBHead", "fix_nan": True, "aux_in_channels": 16}
NETWORKS = {
    "rep_lk_fpn": ({"name": "RepLKFPN", "out_channels": 16, "dilated_kernel_size": 5}, _DB_HEAD),
    "rep_lk_pan": ({"name": "RepLKPAN", "out_channels": 16, "intracl": True}, _DB_HEAD),
    "db_fpn": ({"name": "DBFPN", "out_channels": 16}, {"name": "DBHead"}),
    "rse_fpn": ({"name": "RSEFPN", "out_channels": 16, "intracl": True}, {"name": "DBHead"}),
    "lk_pan": (
        {"name": "LKPAN", "out_channels": 16, "mode": "lite"},
        {"name": "PFHeadLocal", "mode": "small"},
    ),
}


def build(name: str, **options: Any) -> DetectionNetwork:
    neck, head = NETWORKS[name]
    section = {"model_type": "det", "Backbone": _BACKBONE, "Neck": neck, "Head": head, **options}
    network = build_model(section)
    assert isinstance(network, DetectionNetwork)
    return network


def warmed_up(name: str, **options: Any) -> DetectionNetwork:
    """Return a network with statistics of its features, in evaluation mode."""
    paddle.seed(2)
    network = build(name, **options)
    with paddle.no_grad():
        for _ in range(12):
            network(images())
    network.eval()
    return network


def images(height: int = 64, width: int = 96) -> paddle.Tensor:
    drawn = np.random.RandomState(4).uniform(-1, 1, (2, 3, height // 4, width // 4))
    return paddle.to_tensor(drawn.repeat(4, 2).repeat(4, 3).astype(np.float32))


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs(name: str) -> None:
    network = build(name)
    outputs = network(images())
    wanted = {"maps"}
    if name.startswith("rep_lk"):
        wanted |= {"aux_maps_p4", "aux_maps_p3", "aux_maps_p2"}
    if name == "lk_pan":
        wanted |= {"distance_maps", "cbn_maps"}
    assert set(outputs) == wanted
    for key, output in outputs.items():
        assert output.shape == [2, 1 if key in ("distance_maps", "cbn_maps") else 3, 64, 96]
        assert float(output.min()) >= 0 and float(output.max()) <= 1
    network.eval()
    deployed = network(images())
    assert deployed.shape == [2, 1, 64, 96]
    # A frozen teacher that keeps its statistics gives its training outputs in evaluation mode.
    apart = network(images(), training_form=True)
    assert set(apart) == wanted
    if name != "lk_pan":
        assert paddle.equal_all(apart["maps"][:, :1], deployed)


def test_every_stage_by_name_as_in_paddleocr() -> None:
    outputs = build("rep_lk_fpn", return_all_feats=True)(images())
    features = ["fuse", "aux_p4", "aux_p3", "aux_p2"]
    maps = ["maps", "aux_maps_p4", "aux_maps_p3", "aux_maps_p2"]
    assert list(outputs) == ["backbone_out", *features, *maps]
    assert [level.shape[1] for level in outputs["backbone_out"]] == [8, 12, 16, 24]
    assert [outputs[name].shape[2] for name in features] == [16, 4, 8, 16]
    network = build("db_fpn", return_all_feats=True)
    assert list(network(images())) == ["backbone_out", "neck_out", "maps"]
    network.eval()
    assert list(network(images())) == ["head_out"]


@pytest.mark.parametrize("name", NETWORKS)
def test_merged_and_stripped_it_marks_alike(name: str) -> None:
    network = warmed_up(name)
    with paddle.no_grad():
        apart = network(images())
        reparameterise(network)
        dropped = drop_training_parts(network)
        assert "head.thresh" in dropped
        merged = network(images())
        names = list(network.state_dict())
        reparameterise(network)
        assert list(network.state_dict()) == names
        assert paddle.equal_all(network(images()), merged)
    assert float((apart - merged).abs().max()) < 1e-4
    norms = {key.rsplit(".", 1)[0] for key in names if key.endswith("._mean")}
    kept = {"rse_fpn": 4, "rep_lk_pan": 4, "lk_pan": 17}.get(name, 0)  # IntraCL's, DSConv's, cbn's
    assert len(norms) == kept


@pytest.mark.parametrize("name", ["rep_lk_pan", "lk_pan"])
def test_it_is_traced_for_images_of_any_size(name: str, tmp_path: Path) -> None:
    network = warmed_up(name)
    reparameterise(network)
    drop_training_parts(network)
    spec = [paddle.static.InputSpec([None, 3, None, None], "float32", "x")]

    @paddle.jit.not_to_static
    def deployed(x: paddle.Tensor) -> paddle.Tensor:
        return network.deployed(x)

    class Deployed(paddle.nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, x: paddle.Tensor) -> paddle.Tensor:
            return deployed(x)

    layer = Deployed()
    layer.eval()
    traced = paddle.jit.to_static(layer, input_spec=spec, full_graph=True)
    paddle.jit.save(traced, str(tmp_path / "inference"))
    loaded = paddle.jit.load(str(tmp_path / "inference"))
    for height, width in ((64, 96), (96, 32)):
        with paddle.no_grad():
            wanted = network.deployed(images(height, width))
            got = loaded(images(height, width))
        assert float((got - wanted).abs().max()) < 1e-5
