"""Rows and time steps are known before a network is built, and mistakes in them are found."""

from __future__ import annotations

from typing import Any

import paddle
import pytest

from tests.training.recognition.plans import config_of, multi_head, pair_of, problems
from training.data.planned import Size
from training.networks import NetworkPlan, read_architecture
from training.plan import read_plan
from training.recognition.features import leaves_sequence, rows_and_columns, time_steps
from training.registry import Problems

SVTR = {
    "name": "SVTRNet",
    "embed_dim": [8, 16, 32],
    "depth": [1, 1, 1],
    "num_heads": [1, 1, 1],
    "mixer": ["Conv", "Global", "Global"],
    "local_mixer": [[5, 5]] * 3,
    "patch_merging": "Conv",
    "out_char_num": 20,
    "prenorm": True,
}
SVTRV2 = {
    "name": "SVTRv2",
    "dims": [8, 16],
    "depths": [1, 1],
    "num_heads": [1, 1],
    "mixer": [["Conv"], ["Global"]],
    "sub_k": [[2, 1], [-1, -1]],
}
B4 = {"name": "PPHGNetV2_B4", "text_rec": True}
V1 = {"name": "MobileNetV1Enhance", "scale": 0.125}
V1_OF_V3 = {**V1, "last_conv_stride": [1, 2], "last_pool_type": "avg"}
V1_OF_V3["last_pool_kernel_size"] = [2, 2]
V3 = {"name": "MobileNetV3", "scale": 0.35}
V4_TINY = {"name": "PPLCNetV4", "model_size": "tiny"}
BACKBONES: list[tuple[dict[str, Any], Size]] = [
    (V1, Size(32, 100)),
    (V1, Size(64, 96)),
    (V1_OF_V3, Size(48, 104)),
    ({**V1_OF_V3, "last_pool_kernel_size": 2, "last_conv_stride": 2}, Size(96, 100)),
    (V3, Size(32, 100)),
    ({**V3, "model_name": "large"}, Size(64, 100)),
    ({**V3, "large_stride": [2, 2, 2, 1], "model_name": "large"}, Size(32, 100)),
    ({"name": "PPLCNetV3", "scale": 0.35}, Size(32, 100)),
    (V4_TINY, Size(64, 96)),
    (B4, Size(48, 96)),
    ({"name": "PPHGNet_small"}, Size(48, 72)),
    ({"name": "RepSVTR"}, Size(64, 100)),
    ({**SVTR, "img_size": [48, 96]}, Size(48, 96)),
    ({**SVTR, "img_size": [48, 96], "last_stage": False}, Size(48, 96)),
    ({**SVTRV2, "use_pool": True}, Size(64, 100)),
    ({**SVTRV2, "feat2d": True}, Size(32, 100)),
    ({**SVTRV2, "feat2d": True, "last_stage": True}, Size(32, 100)),
]


def network(backbone: dict[str, Any], **changes: Any) -> NetworkPlan:
    """A network's section, read."""
    is_sequence = leaves_sequence(backbone["name"], backbone)
    section = {"Backbone": backbone, "Head": multi_head(use_pool=is_sequence), **changes}
    found = Problems()
    plan = read_architecture(section, found)
    assert plan is not None, found
    (only,) = plan.networks.values()
    return only


@pytest.mark.parametrize(
    ("backbone", "size"), BACKBONES, ids=[f"{b['name']}-{s.height}" for b, s in BACKBONES]
)
def test_rows_and_steps_are_those_of_the_built_network(
    backbone: dict[str, Any], size: Size
) -> None:
    plan = network(backbone)
    built = plan.backbone.build(in_channels=3)
    built.eval()
    with paddle.no_grad():
        features = built(paddle.zeros([1, 3, size.height, size.width]))
    rows, columns = rows_and_columns(plan.backbone, size)
    if len(features.shape) == 3:
        assert leaves_sequence(plan.backbone.name, plan.backbone.all_options)
        assert rows * columns == features.shape[1]
        assert time_steps(plan, size, follows_width=False) == features.shape[1] // 6
    else:
        assert [rows, columns] == features.shape[2:]
        assert time_steps(plan, size, follows_width=True) == features.shape[3]


def test_a_network_that_pools_has_40_steps_unless_it_follows_the_width_or_is_as_deployed() -> None:
    size = Size(48, 640)
    for changes, follows_width, steps in (
        ({}, False, 40),
        ({}, True, 80),
        ({"freeze_params": True}, False, 80),
        ({"freeze_params": True, "frozen_statistics": False}, False, 40),
    ):
        assert time_steps(network(V4_TINY, **changes), size, follows_width) == steps


@pytest.mark.parametrize(
    ("backbone", "head", "message"),
    [
        (
            {**SVTR, "last_stage": False},
            multi_head(),
            "Architecture.Head: SVTRNet leaves a sequence: expected use_pool: true, or Backbone's "
            "last_stage: true",
        ),
        (SVTRV2, multi_head(), "expected use_pool: true, or Backbone's use_pool: true"),
        (V4_TINY, multi_head(use_pool=True), "PPLCNetV4 leaves a map, no sequence: expected false"),
        (
            {**SVTR, "last_stage": False},
            {"name": "CTCHead"},
            "Architecture.Backbone: SVTRNet leaves a sequence, and this head takes a map",
        ),
    ],
)
def test_a_sequence_where_a_map_is_wanted(
    backbone: dict[str, Any], head: dict[str, Any], message: str
) -> None:
    section = {"Backbone": backbone, "Head": head}
    if head["name"] == "CTCHead":
        section["Neck"] = {"name": "SequenceEncoder", "encoder_type": "reshape"}
    found = Problems()
    assert read_architecture(section, found) is None
    assert message in str(found[0])


def test_rows_that_a_head_does_not_take() -> None:
    config = config_of({"": {"Backbone": V1}}, scales=[[320, 32], [320, 48], [320, 64]])
    (line,) = problems(config)
    assert "Train: Architecture.Backbone leaves 2 rows of 64 px: expected 1" in line
    read_plan(config_of({"": {"Backbone": V4_TINY}}, scales=[[320, 32], [320, 48], [320, 64]]))
    low = {**SVTR, "img_size": [32, 96], "last_stage": False}
    section = {"Backbone": low, "Head": multi_head(use_pool=True)}
    config = config_of({"": section}, shape=[3, 32, 96], width_step=0, max_width=96)
    assert any("leaves 2 rows of 32 px: expected 3" in line for line in problems(config))


@pytest.mark.parametrize(("width", "is_right"), [(640, True), (672, False)])
def test_learned_positions_end(width: int, is_right: bool) -> None:
    head = multi_head(use_pos=True)
    config = config_of({"": {"Backbone": V4_TINY, "Head": head}}, shape=[3, 48, width])
    if is_right:
        read_plan(config)
        return
    (line,) = problems(config)
    assert "Head.use_pos: it has 80 positions: expected at most as many time steps, got 84" in line
    assert "at 672 px; set Train.loader.max_width" in line


LOSSES: list[tuple[dict[str, Any], bool]] = [
    ({"DistillCTCLogits": {"key": "head_out"}}, True),
    ({"DistillationDMLLoss": {"key": "head_out", "multi_head": True}}, True),
    (
        {"DistillationDMLLoss": {"key": "head_out", "multi_head": True, "dis_head": "ctc_neck"}},
        True,
    ),
    ({"DistillationDMLLoss": {"key": "head_out", "multi_head": True, "dis_head": "gtc"}}, False),
    ({"DistillationDistanceLoss": {"key": "backbone_out"}}, True),
]


@pytest.mark.parametrize(("loss", "is_compared"), LOSSES)
def test_pairs_whose_time_steps_differ(loss: dict[str, Any], is_compared: bool) -> None:
    # W / 8 against W / 4.
    ((name, _),) = loss.items()
    config = pair_of({"Backbone": V1_OF_V3}, {"Backbone": {**V1_OF_V3, "last_conv_stride": 1}})
    config.sections["Loss"]["loss_config_list"].append(with_pairs(loss))
    if not is_compared:
        read_plan(config)
        return
    (line,) = problems(config)
    path = f"Loss.loss_config_list.1.{name}.model_name_pairs"
    assert (
        f"{path}: Student and Teacher differ in time steps: expected as many, got 4 and 8" in line
    )
    assert "at 32 px; give both the same strides" in line


def with_pairs(loss: dict[str, Any]) -> dict[str, Any]:
    ((name, options),) = loss.items()
    return {name: {"weight": 1.0, "model_name_pairs": [["Student", "Teacher"]], **options}}


@pytest.mark.parametrize("width", [320, 640])
def test_a_student_with_40_steps_and_a_teacher_that_follows_the_width(width: int) -> None:
    config = pair_of(
        {"Backbone": V4_TINY},
        {"Backbone": V4_TINY, "freeze_params": True},
        shape=[3, 48, width],
        width_step=0,
    )
    config.sections["Loss"]["loss_config_list"].append(with_pairs(LOSSES[0][0]))
    config.sections["Global"]["pretrained_model"] = None
    lines = [line for line in problems(config) if "starts at random" not in line]
    if width == 320:
        assert lines == []
    else:
        (line,) = lines
        assert "got 40 and 80 at 640 px; let them follow the width by loader.width_step 32" in line


@pytest.mark.parametrize("out_char_num", [40, 25])
def test_svtr_s_number_of_steps_is_its_own(out_char_num: int) -> None:
    teacher = {**SVTR, "img_size": [48, 320], "out_char_num": out_char_num, "last_stage": True}
    config = pair_of(
        {"Backbone": V4_TINY},
        {"Backbone": teacher},
        shape=[3, 48, 320],
        width_step=0,
        max_width=320,
    )
    config.sections["Loss"]["loss_config_list"].append(with_pairs(LOSSES[0][0]))
    if out_char_num == 40:
        read_plan(config)
        return
    (line,) = problems(config)
    assert "differ in time steps: expected as many, got 40 and 25 at 320 px" in line
