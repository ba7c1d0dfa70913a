"""Operations become layers: bias and BatchNorm join what they stand behind."""

from __future__ import annotations

from typing import Any

import numpy as np

from export.reversal.operations import Kind, Operation, Weight, by_flow, layers_of


def _operation(kind: Kind, inputs: str, output: str, **sizes: tuple[int, ...]) -> Operation:
    weights = {role: Weight(f"{output}.{role}", np.ones(shape)) for role, shape in sizes.items()}
    return Operation(kind, tuple(inputs), (output,), weights)


NORM: dict[str, Any] = dict.fromkeys(("mean", "variance", "scale", "shift"), (4,))


def test_a_bias_and_a_batch_norm_join_the_convolution_before_them() -> None:
    row = [
        _operation("conv", "x", "a", kernel=(4, 3, 3, 3)),
        _operation("sum", "a", "b", shift=(1, 4, 1, 1)),
        _operation("batch_norm", "b", "c", **NORM),
        _operation("", "c", "y"),
    ]
    (layer,) = layers_of(row)
    assert layer.kind == "conv" and layer.has_norm
    assert list(layer.weights) == ["kernel", "bias", *NORM]


def test_a_batch_norm_whose_input_others_take_too_stays_by_itself() -> None:
    row = [
        _operation("conv", "x", "a", kernel=(4, 3, 3, 3)),
        _operation("batch_norm", "a", "b", **NORM),
        _operation("", "ab", "y"),
    ]
    assert [layer.kind for layer in layers_of(row)] == ["conv", "batch_norm"]


def test_shapes_between_them_do_not_matter() -> None:
    row = [
        _operation("product", "x", "a", kernel=(3, 4)),
        _operation("pass", "a", "b"),
        _operation("sum", "b", "c", shift=(4,)),
    ]
    (layer,) = layers_of(row)
    assert list(layer.weights) == ["kernel", "bias"]


def test_factor_and_summand_are_a_layer_norm_or_one_number_each() -> None:
    row = [
        _operation("scale", "x", "a", scale=(8,)),
        _operation("sum", "a", "b", shift=(8,)),
        _operation("scale", "b", "c", scale=(1,)),
        _operation("sum", "c", "d", shift=(1,)),
        _operation("scale", "d", "e", scale=(1,)),
    ]
    assert [layer.kind for layer in layers_of(row)] == ["layer_norm", "affine"]


def test_equal_networks_have_equal_orders_however_they_are_written() -> None:
    left, right = (_operation("conv", "x", output, kernel=(4, 3, 1, 1)) for output in ("a", "b"))
    join = _operation("", "ab", "y")
    for written in ([left, right, join], [right, left, join]):
        assert [operation.outputs[0] for operation in by_flow(written, "y")] == ["a", "b", "y"]
