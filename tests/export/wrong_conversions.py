"""Ways to convert a network wrongly, each a change of a right ONNX model.

Models here come from `export.conversion.graph.finish`: BatchNorm is merged into convolutions, a
bidirectional LSTM follows the last pool, and the softmax is the last node.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

Change = Callable[[onnx.ModelProto], None]
"""Changes a model in place."""


def changed(model: onnx.ModelProto, change: Change) -> bytes:
    """The changed model's bytes; the model itself stays.

    Raises:
        AssertionError: if the change changed nothing.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    change(copy)
    content = copy.SerializeToString(deterministic=True)
    assert content != model.SerializeToString(deterministic=True)
    return content


def node_of(model: onnx.ModelProto, operator: str, number: int) -> onnx.NodeProto:
    """The `number`-th node of an operator, in the graph's order."""
    return [node for node in model.graph.node if node.op_type == operator][number]


def weight_of(model: onnx.ModelProto, name: str) -> NDArray[np.float32]:
    """Values of a weight."""
    return numpy_helper.to_array(_tensor(model, name)).copy()


def set_weight(model: onnx.ModelProto, name: str, values: NDArray[np.float32]) -> None:
    """Replace the values of a weight."""
    _tensor(model, name).CopyFrom(numpy_helper.from_array(values.astype(np.float32), name))


def scaled_layer(factor: float, number: int = 5) -> Change:
    """Every weight of one convolution times `factor`."""

    def change(model: onnx.ModelProto) -> None:
        name = node_of(model, "Conv", number).input[1]
        set_weight(model, name, weight_of(model, name) * np.float32(factor))

    return change


def other_epsilon(variance: NDArray[np.float32], epsilon: float, number: int = 0) -> Change:
    """A BatchNorm merged with another epsilon than 1e-5; its bias stays right.

    Args:
        variance: of the BatchNorm behind the `number`-th convolution.
        epsilon: the wrong one.
        number: of the convolution.
    """
    factor = np.sqrt((variance + 1e-5) / (variance + epsilon)).astype(np.float32)

    def change(model: onnx.ModelProto) -> None:
        name = node_of(model, "Conv", number).input[1]
        weight = weight_of(model, name)
        set_weight(model, name, weight * factor[:, None, None, None])

    return change


def other_hard_swish(slope: float, number: int = 3) -> Change:
    """One x * hardsigmoid(x) with another slope than 1/6."""

    def change(model: onnx.ModelProto) -> None:
        node = node_of(model, "HardSwish", number)
        place = list(model.graph.node).index(node)
        (x,), (y,) = node.input, node.output
        gate = helper.make_node("HardSigmoid", [x], [f"{y}_gate"], alpha=slope, beta=0.5)
        product = helper.make_node("Mul", [x, f"{y}_gate"], [y])
        model.graph.node.remove(node)
        model.graph.node.insert(place, gate)
        model.graph.node.insert(place + 1, product)

    return change


def dropped_bias(model: onnx.ModelProto) -> None:
    """A convolution without its bias."""
    del node_of(model, "Conv", 4).input[2:]


def shifted_padding(model: onnx.ModelProto) -> None:
    """A convolution padded by one more to the left and one less to the right."""
    for attribute in node_of(model, "Conv", 3).attribute:  # depthwise, so it is padded
        if attribute.name == "pads":
            top, left, bottom, right = attribute.ints
            attribute.ints[:] = [top, left + 1, bottom, right - 1]


def swapped_channels(model: onnx.ModelProto) -> None:
    """Two channels of a convolution's weights exchanged."""
    name = node_of(model, "Conv", 6).input[1]
    weight = weight_of(model, name)
    weight[[0, 1]] = weight[[1, 0]]
    set_weight(model, name, weight)


def softmax_over_time(model: onnx.ModelProto) -> None:
    """Softmax along another axis."""
    for attribute in node_of(model, "Softmax", -1).attribute:
        if attribute.name == "axis":
            attribute.i = 1


def half_weights(model: onnx.ModelProto) -> None:
    """Every weight rounded to FP16 and back."""
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            values = numpy_helper.to_array(tensor)
            rounded = values.astype(np.float16).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(rounded, tensor.name))


def half_layer(model: onnx.ModelProto) -> None:
    """The weights of one convolution alone rounded to FP16 and back."""
    name = node_of(model, "Conv", 5).input[1]
    set_weight(model, name, weight_of(model, name).astype(np.float16))


def ceiled_pool(model: onnx.ModelProto) -> None:
    """The last pool keeps a column that does not fill a window."""
    for attribute in node_of(model, "MaxPool", -1).attribute:
        if attribute.name == "ceil_mode":
            attribute.i = 1


def exchanged_gates(model: onnx.ModelProto) -> None:
    """An LSTM with its input and output gates exchanged."""
    node = node_of(model, "LSTM", 0)
    for name in node.input[1:3]:
        gates = np.split(weight_of(model, name), 4, axis=1)
        set_weight(model, name, np.concatenate([gates[1], gates[0], *gates[2:]], axis=1))


def forward_only(model: onnx.ModelProto) -> None:
    """An LSTM whose backward direction repeats the forward one's weights."""
    node = node_of(model, "LSTM", 1)
    for name in node.input[1:4]:
        weight = weight_of(model, name)
        weight[1] = weight[0]
        set_weight(model, name, weight)


def _tensor(model: onnx.ModelProto, name: str) -> onnx.TensorProto:
    return next(initializer for initializer in model.graph.initializer if initializer.name == name)


CHANGES: Mapping[str, Change] = {
    "one layer 1e-3 larger": scaled_layer(1.001),
    "one layer 1e-3 smaller": scaled_layer(0.999, number=20),
    "the first layer 1e-4 larger": scaled_layer(1.0001, number=0),
    "hard-swish of slope 0.2": other_hard_swish(0.2),
    "hard-swish of slope 0.1667": other_hard_swish(0.1667),
    "a bias dropped": dropped_bias,
    "a padding shifted": shifted_padding,
    "two channels swapped": swapped_channels,
    "softmax over time": softmax_over_time,
    "weights in FP16": half_weights,
    "one layer in FP16": half_layer,
    "LSTM gates exchanged": exchanged_gates,
    "LSTM forward only": forward_only,
}
"""What any model of PP-OCRv2's structure may suffer; BatchNorm and pool need more to be told."""
