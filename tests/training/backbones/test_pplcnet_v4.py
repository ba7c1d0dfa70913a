"""PPLCNetV4 computes what PaddleOCR's does, under its names."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import paddle
import pytest
import yaml

from runtime.errors import ConfigError
from tests.beside import paddleocr_numbers
from tests.training.backbones.recipe import Numbers, assert_computes, norms
from training.backbones.pplcnet_v4 import PPLCNetV4
from training.backbones.reparameterise import reparameterise
from training.checkpoint.parameters import networks_in, read_parameters
from training.recognition.backbones import BACKBONES

TABLE: dict[str, Any] = {
    "stem": [8, 12],
    "stem_type": "branch",
    "blocks2": [[3, 12, 12, 1, True]],
    "blocks3": [[5, 12, 16, 1, False]],
    "blocks4": [[3, 16, 24, [2, 1], True], [3, 24, 24, 1, False]],
    "blocks5": [[3, 24, 32, [2, 1], False], [3, 32, 32, 1, True]],
    "blocks6": [[3, 32, 32, 1, False]],
}
SIZES = {
    # values and names with branches, and merged; the last is PaddleOCR's count of what is deployed
    "tiny": (519_668, 192, 504_548, 76, 1_104_494),
    "small": (2_718_648, 295, 2_676_000, 108, 5_267_630),
    "medium": (14_418_400, 314, 14_315_456, 118, 19_115_158),
}
_MERGED = {
    "blocks2.0.token_mixer.rep_dw.reparam_conv.weight": 3.613641,
    "blocks2.0.token_mixer.rep_dw.reparam_conv.bias": 0.5850172,
    "blocks3.0.token_mixer.dw_conv.weight": 2.2900714,
    "blocks6.0.channel_mixer.compress.bias": 0.85845457,
}
NUMBERS = {
    "branch": Numbers(
        evaluated=[0.49950156, -0.086690389, 0.18646936, -0.41596141, -0.077914454, -0.093066998],
        trained=[-0.5393306, 0.024027804, -0.89688557, 0.37682104, -0.15176828, 1.20467],
        statistics={
            "conv1.stem4.bn._mean": 0.38956324,
            "blocks3.0.token_mixer.dw_conv.bn._variance": 3.6449172,
            "blocks6.0.channel_mixer.compress.bn._variance": 4.9040409,
        },
        gradients={
            "conv1.stem2a.conv.weight": 4715.5972,
            "blocks2.0.token_mixer.se.conv1.weight": 26.65659,
            "blocks4.1.token_mixer.rep_dw.conv1.weight": 128.04347,
            "blocks6.0.channel_mixer.expand.bn.weight": 95.708115,
        },
        merged={"conv1.stem2b.conv.weight": 2.6044188, **_MERGED},
        num_merged=64,
    ),
    "simple": Numbers(
        evaluated=[0.49816135, -0.08689969, 0.18713053, -0.41610828, -0.077876575, -0.093183778],
        trained=[-0.93250054, 0.56523627, 0.36008072, -1.396938, 1.040092, 0.089288749],
        statistics={
            "conv1.2.bn._mean": 0.3902968,
            "blocks3.0.token_mixer.dw_conv.bn._variance": 3.629312,
            "blocks6.0.channel_mixer.compress.bn._variance": 4.9033459,
        },
        gradients={
            "conv1.0.conv.weight": 3061.7881,
            "blocks2.0.token_mixer.se.conv1.weight": 11.604369,
            "blocks4.1.token_mixer.rep_dw.conv1.weight": 120.09552,
            "blocks6.0.channel_mixer.expand.bn.weight": 84.673271,
        },
        merged={"conv1.2.conv.weight": 2.4753854, **_MERGED},
        num_merged=64,
    ),
}


def shapes(backbone: paddle.nn.Layer) -> dict[str, list[int]]:
    return {name: list(tensor.shape) for name, tensor in backbone.state_dict().items()}


def of_backbone(entries: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name.removeprefix("backbone."): entry
        for name, entry in entries.items()
        if name.startswith("backbone.")
    }


@pytest.mark.parametrize("stem", list(NUMBERS))
def test_it_computes_what_paddleocr_s_does(stem: str) -> None:
    assert_computes(PPLCNetV4(net_config={**TABLE, "stem_type": stem}), NUMBERS[stem])


# --- tiers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", list(SIZES))
def test_sizes(size: Any) -> None:
    backbone = PPLCNetV4(model_size=size)
    backbone.eval()
    counts = []
    for merges in (False, True):
        if merges:
            reparameterise(backbone)
        state = backbone.state_dict()
        counts += [sum(tensor.size for tensor in state.values()), len(state)]
    assert tuple(counts) == SIZES[size][:4]


@pytest.mark.parametrize("size", list(SIZES))
def test_every_name_and_shape_is_paddleocr_s_apart_and_merged(size: Any) -> None:
    file = f"up2026__rec__PP-OCRv6__PP-OCRv6_{size}_rec.json"
    apart = json.loads(paddleocr_numbers("keys_v3_to_v6", file).read_text())["keys"]
    file = f"PP-OCRv6_{size}_rec.fused.json"
    merged = json.loads(paddleocr_numbers("keys_v3_to_v6", file).read_text())
    backbone = PPLCNetV4(model_size=size)
    assert shapes(backbone) == of_backbone(apart)
    backbone.eval()
    reparameterise(backbone)
    assert shapes(backbone) == of_backbone(merged)
    deployed = {name: shape for name, shape in merged.items() if "gtc" not in name}
    assert sum(int(np.prod(shape)) for shape in deployed.values()) == SIZES[size][4]


def test_training_has_40_steps_and_evaluation_an_eighth_of_the_width() -> None:
    backbone = PPLCNetV4(model_size="tiny")
    steps = []
    for mode in ("train", "eval"):
        getattr(backbone, mode)()
        with paddle.no_grad():
            features = backbone(paddle.zeros([1, 3, 48, 200]))
        assert features.shape[:3] == [1, backbone.out_channels, 1]
        steps.append(features.shape[3])
    assert steps == [40, 25]


# --- PaddleOCR's reduced networks --------------------------------------------------------------


@pytest.mark.parametrize("case", ["rec_v6_tiny", "rec_v6_small", "rec_v6_distill"])
def test_paddleocr_s_reduced_networks(case: str) -> None:
    folder = paddleocr_numbers("v6", case)
    section = yaml.safe_load((folder / "config.yml").read_text())["Architecture"]
    expected = json.loads((folder / "expected.json").read_text())
    weights = networks_in(read_parameters(folder / "weights.pdparams"))
    with np.load(folder / "arrays.npz") as archive:
        arrays = {name: archive[name] for name in archive.files}
    for name, parameters in weights.items():
        network = section["Models"][name] if name else section
        backbone = BACKBONES.build(network["Backbone"], "Backbone", in_channels=3)
        given = of_backbone(parameters)
        assert given.keys() == backbone.state_dict().keys()

        backbone.set_state_dict(given)
        with paddle.no_grad():
            features = backbone(paddle.to_tensor(arrays["in.image"])).numpy()
        wanted = arrays.get(f"train.{name}.backbone_out", features)
        assert np.abs(features - wanted).max() < 1e-5 * np.abs(wanted).max()
        after = {
            f"{name}.backbone.{key}".lstrip("."): norm for key, norm in norms(backbone).items()
        }
        statistics = expected["buffers_after_train_forward"]
        seen = {key: norm for key, norm in statistics.items() if key in after}
        assert len(seen) == 2 * sum(key.endswith("._mean") for key in given)
        assert {key: after[key] for key in seen} == pytest.approx(seen, rel=1e-6)

        backbone.set_state_dict(given)
        backbone.eval()
        reparameterise(backbone)
        assert shapes(backbone) == of_backbone(expected["fused_keys"][name])
        assert norms(backbone) == pytest.approx(of_backbone(expected["fused_norm"][name]), rel=1e-6)


# --- options -----------------------------------------------------------------------------------


def test_learning_rates_reach_the_branched_stem_and_the_gates_alone() -> None:
    rates = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    for stem in ("branch", "simple"):
        backbone = PPLCNetV4(net_config={**TABLE, "stem_type": stem}, lr_mult_list=tuple(rates))
        stages = ("conv1", "blocks2", "blocks3", "blocks4", "blocks5", "blocks6")
        of_stages = dict(zip(stages, rates, strict=True))
        for name, parameter in backbone.named_parameters():
            stage = name.partition(".")[0]
            is_slowed = ".se." in name or (stage == "conv1" and stem == "branch")
            # Running statistics are parameters of paddle's that learn nothing.
            if not parameter.stop_gradient:
                rate = parameter.optimize_attr["learning_rate"]
                assert rate == (of_stages[stage] if is_slowed else 1.0), name


def test_no_weight_decay_on_the_branched_stem_s_batch_norm() -> None:
    decayed = {
        name: parameter.regularizer is None
        for name, parameter in PPLCNetV4(net_config=TABLE).named_parameters()
        if not parameter.stop_gradient
    }
    for name, is_decayed in decayed.items():
        assert is_decayed == (not (name.startswith("conv1.") and ".bn." in name)), name


def test_blocks_with_a_shortcut_pass_their_input_through_at_the_start() -> None:
    backbone = PPLCNetV4(net_config=TABLE)
    x = paddle.randn([2, 24, 6, 8])
    assert paddle.equal_all(backbone.blocks4[1].channel_mixer(x), paddle.zeros_like(x))
    assert float(backbone.blocks4[0].channel_mixer.compress.bn.weight.min()) == 1.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"blocks7": []}, r"net_config: unknown key 'blocks7': expected one of .*blocks"),
        ({"stem_type": "plain"}, "net_config: stem_type: expected 'branch' or 'simple'"),
        ({"stem": [8]}, r"net_config: stem: expected its inner and its outer channels, got \[8\]"),
        ({"blocks2": 3}, "net_config: blocks2: expected a list of rows, got 3"),
        ({"blocks2": [[3, 12, 12, 1]]}, r"net_config: blocks2\[0\]: expected \[kernel size"),
        ({"blocks2": [[4, 12, 12, 1, True]]}, r"blocks2\[0\]: expected"),
        ({"blocks2": [[3, 12, 12, [2, 1, 1], True]]}, r"blocks2\[0\]: expected"),
        ({"blocks2": [[3, 12, 16, 1, True]]}, r"blocks3\[0\]: expected 16 channels .* got 12"),
        ({"blocks6": [[3, 30, 30, 1, True]]}, r"blocks6\[0\]: expected 32 channels"),
    ],
)
def test_mistakes_in_a_table_are_named(change: dict[str, Any], message: str) -> None:
    table = {**copy.deepcopy(TABLE), **change}
    with pytest.raises(ConfigError, match=message):
        BACKBONES.build({"name": "PPLCNetV4", "net_config": table}, "Backbone", in_channels=3)
    with pytest.raises(ConfigError, match=message):
        PPLCNetV4(net_config=table)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"model_size": "large"},
            "model_size: expected 'tiny' or 'small' or 'medium', got 'large'",
        ),
        ({"lr_mult_list": [1.0] * 5}, "lr_mult_list: expected a list of 6 values"),
    ],
)
def test_mistakes_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        BACKBONES.build({"name": "PPLCNetV4", **options}, "Backbone", in_channels=3)
