"""Necks: sums of levels, merged kernels, and what is wrong with their options."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import pytest
from paddle.nn import functional as F

from runtime.errors import ConfigError
from training.detection.necks import NECKS
from training.detection.necks.dilated import DilatedReparamBlock, DilatedReparamConv
from training.detection.necks.pyramid import added_downwards

CHANNELS = [4, 6, 8, 10]


def features() -> list[paddle.Tensor]:
    return [
        paddle.randn([1, channels, 16 >> level, 24 >> level])
        for level, channels in enumerate(CHANNELS)
    ]


def test_coarser_levels_are_added_to_finer_ones() -> None:
    levels = [paddle.full([1, 1, 8 >> level, 8 >> level], 10.0**level) for level in range(4)]
    added = added_downwards(levels)
    assert [float(level.mean()) for level in added] == [1111, 1110, 1100, 1000]
    assert [level.shape for level in added] == [level.shape for level in levels]


@pytest.mark.parametrize(
    "section",
    [
        {"name": "DBFPN"},
        {"name": "RSEFPN", "shortcut": False},
        {"name": "LKPAN"},
        {"name": "LKPAN", "mode": "lite", "intracl": True},
        {"name": "RepLKFPN", "shortcut": False, "intracl": True},
        {"name": "RepLKPAN", "mode": "large"},
    ],
    ids=str,
)
def test_output(section: dict[str, Any]) -> None:
    neck = NECKS.build({**section, "out_channels": 16}, "Neck", in_channels=CHANNELS)
    output = neck(features())
    if section["name"].startswith("Rep"):
        assert {name: level.shape for name, level in output.items()} == {
            "fuse": [1, 16, 16, 24],
            **{"aux_p4": [1, 16, 4, 6], "aux_p3": [1, 16, 8, 12], "aux_p2": [1, 16, 16, 24]},
        }
        output = output["fuse"]
    assert output.shape == [1, 16, 16, 24] and neck.out_channels == 16


@pytest.mark.parametrize("kernel_size", [5, 7, 9, 11, 13])
def test_dilated_branches_are_one_kernel(kernel_size: int) -> None:
    paddle.seed(kernel_size)
    block = DilatedReparamBlock(6, kernel_size)
    x = paddle.randn([2, 6, 20, 24])
    for _ in range(20):
        block(x)
    block.eval()
    apart = block(x)
    block.reparameterise()
    assert set(block.state_dict()) == {"lk_origin.weight", "lk_origin.bias"}
    assert float((block(x) - apart).abs().max()) < 1e-5
    # By the definition of a dilated convolution, for the branch of the largest dilation.
    size, dilation = block.branches[-1]
    assert dilation * (size - 1) + 1 <= kernel_size
    assert size < kernel_size


def test_a_pointwise_convolution_behind_is_merged_with_its_batch_norm() -> None:
    conv = DilatedReparamConv(4, 8, 9)
    x = paddle.randn([2, 4, 16, 16])
    for _ in range(20):
        conv(x)
    conv.eval()
    apart = conv(x)
    for layer in (conv.dw, conv):
        layer.reparameterise()
    assert set(conv.state_dict()) == {
        *("dw.lk_origin.weight", "dw.lk_origin.bias", "pw.weight", "pw.bias")
    }
    assert float((conv(x) - apart).abs().max()) < 1e-5


def test_a_spread_kernel_is_the_dilated_one() -> None:
    block = DilatedReparamBlock(2, 7)
    for name, tensor in block.state_dict().items():
        if name.endswith("weight") and not name.startswith("dil_conv_k3_3"):
            tensor.set_value(paddle.zeros_like(tensor))
    kernel = paddle.randn([2, 1, 3, 3])
    block.dil_conv_k3_3.weight.set_value(kernel)
    block.dil_bn_k3_3.weight.set_value(paddle.ones([2]))
    block.eval()
    x = paddle.randn([1, 2, 9, 9])
    scale = 1 / np.sqrt(1 + 1e-5)
    wanted = F.conv2d(x, kernel, padding=3, dilation=3, groups=2) * scale
    assert paddle.allclose(block(x), wanted, atol=1e-5)
    block.reparameterise()
    assert paddle.allclose(block(x), wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"name": "DBFPN"}, "DBFPN needs the option out_channels"),
        ({"name": "LKPAN", "out_channels": 8, "mode": "small"}, "mode: expected 'large' or 'lite'"),
        (
            {"name": "RepLKFPN", "out_channels": 8, "dilated_kernel_size": 6},
            "dilated_kernel_size: expected 5 or 7 or 9 or 11 or 13, got 6",
        ),
        ({"name": "SequenceEncoder"}, "unknown neck 'SequenceEncoder'"),
    ],
)
def test_mistakes_are_named(section: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        NECKS.build(section, "Neck", in_channels=CHANNELS)
