"""SequenceEncoder: every encoder, its names and widths."""

from __future__ import annotations

from typing import Any

import paddle
import pytest

from runtime.errors import ConfigError
from training.recognition.necks import NECKS, read_encoder
from training.registry import Problems

LSTM = [
    f"{kind}_{part}_l0{way}"
    for way in ("", "_reverse")
    for kind, part in (("weight", "ih"), ("weight", "hh"), ("bias", "ih"), ("bias", "hh"))
]
LSTM_2 = LSTM + [name.replace("_l0", "_l1") for name in LSTM]


def build(**options: Any) -> Any:
    return NECKS.build({"name": "SequenceEncoder", **options}, "Neck", in_channels=6)


@pytest.mark.parametrize(
    ("options", "channels", "names"),
    [
        ({"encoder_type": "reshape"}, 6, []),
        ({"encoder_type": "fc", "hidden_size": 5}, 5, ["encoder.fc.weight", "encoder.fc.bias"]),
        (
            {"encoder_type": "rnn", "hidden_size": 4},
            8,
            [f"encoder.lstm.{name}" for name in LSTM_2],
        ),
        (
            {"encoder_type": "cascadernn", "hidden_size": 4, "out_channels": [8, 8]},
            8,
            [f"encoder.encoder.{layer}.rnn.{name}" for layer in (0, 1) for name in LSTM],
        ),
        (
            {
                "encoder_type": "cascadernn",
                "hidden_size": 4,
                "out_channels": [5, 7, 3],
                "num_layers": 3,
                "with_linear": True,
            },
            3,
            [f"encoder.encoder.{layer}.rnn.{name}" for layer in range(3) for name in LSTM]
            + [f"encoder.encoder.{i}.linear.{k}" for i in range(3) for k in ("weight", "bias")],
        ),
    ],
)
def test_names_and_output(options: dict[str, Any], channels: int, names: list[str]) -> None:
    neck = build(**options)
    state = neck.state_dict()
    # The cells of an LSTM are the same tensors under paddle's own second names.
    assert {name for name in state if ".cell" not in name} == set(names)
    sequence = neck(paddle.randn([2, 6, 1, 9]))
    assert sequence.shape == [2, 9, channels]
    assert neck.out_channels == channels


def test_reshape_only_turns_axes() -> None:
    x = paddle.randn([2, 6, 1, 9])
    assert bool((build(encoder_type="reshape")(x) == x[:, :, 0].transpose([0, 2, 1])).all())


def test_more_than_one_row_is_named() -> None:
    with pytest.raises(ConfigError, match="leaves 2 rows: expected 1"):
        build(encoder_type="reshape")(paddle.zeros([1, 6, 2, 9]))


def test_a_sequence_in_the_place_of_a_map_is_named() -> None:
    with pytest.raises(ConfigError, match=r"takes a map .*got \[1, 9, 6\]; .*use_pool: true"):
        build(encoder_type="lightsvtr")(paddle.zeros([1, 9, 6]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "needs the option encoder_type"),
        ({"encoder_type": "svtrnet"}, "expected 'reshape' or 'fc' or 'rnn' or 'cascadernn'"),
        ({"encoder_type": "rnn", "hidden_sizes": 4}, "did you mean hidden_size"),
        (
            {"encoder_type": "rnn", "dims": 64},
            "Neck.dims: an option of svtr and lightsvtr: expected one of rnn's hidden_size",
        ),
        (
            {"encoder_type": "svtr", "local_kernel": 7},
            "local_kernel: an option of lightsvtr: expected one of svtr's attn_drop_rate, depth",
        ),
        ({"encoder_type": "reshape", "num_layers": 2}, "num_layers: an option of cascadernn"),
        (
            {"encoder_type": "svtr", "hidden_dims": 60},
            "hidden_dims: expected a multiple of the 8 heads, got 60",
        ),
        ({"encoder_type": "lightsvtr", "dims": 60}, "dims: expected a multiple of the 8 heads"),
        ({"encoder_type": "svtr", "kernel_size": [1, 4]}, r"kernel_size: expected odd .* \[1, 4\]"),
        ({"encoder_type": "svtr", "kernel_size": 3}, "kernel_size: expected a list of 2 values"),
        ({"encoder_type": "lightsvtr", "local_kernel": 6}, "local_kernel: expected an odd width"),
        ({"encoder_type": "cascadernn"}, "Neck.out_channels: cascadernn: expected 2 widths"),
        (
            {"encoder_type": "cascadernn", "out_channels": [8, 8, 8], "hidden_size": 4},
            "expected 2 widths, one a layer, got",
        ),
        (
            {"encoder_type": "cascadernn", "out_channels": [8, 6], "hidden_size": 4},
            "emits 8 channels a layer",
        ),
    ],
)
def test_mistakes_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(**options)


def test_hidden_size_is_taken_by_every_encoder_as_paddleocr_does() -> None:
    assert build(encoder_type="lightsvtr", hidden_size=48).out_channels == 64
    assert build(encoder_type="reshape", hidden_size=48).out_channels == 6


def test_a_neck_within_multihead_is_named_by_its_encoder() -> None:
    problems = Problems()
    section = {"name": "svtr", "dims": 16, "hidden_dims": 24, "kernel_size": [1, 3]}
    component = read_encoder(section, "Neck", problems)
    assert component is not None and not problems
    neck = component.build(in_channels=16)
    assert neck.out_channels == 16 and neck.encoder.conv1.conv.weight.shape == [2, 16, 1, 3]
    assert section["name"] == "svtr"
    reshape = read_encoder({"name": "reshape"}, "Neck", problems)
    assert reshape is not None and reshape.build(in_channels=16).out_channels == 16


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ({"name": "svrt"}, "Neck.name: unknown encoder 'svrt': .*did you mean svtr"),
        ({"dims": 16}, "Neck.name: unknown encoder None"),
        ("svtr", "Neck: expected a mapping with a name, got 'svtr'"),
        ({"name": "svtr", "dim": 16}, "Neck.dim: unknown option .*did you mean dims"),
        ({"name": "svtr", "dims": "16"}, "Neck.dims: expected a whole number"),
        ({"name": "lightsvtr", "hidden_dims": 120}, "Neck.hidden_dims: an option of svtr:"),
        ({"name": "svtr", "encoder_type": "rnn"}, "Neck.encoder_type: the name is the encoder"),
    ],
)
def test_mistakes_within_multihead_are_named(section: object, problem: str) -> None:
    problems = Problems()
    assert read_encoder(section, "Neck", problems) is None
    with pytest.raises(ConfigError, match=problem):
        problems.raise_any()
